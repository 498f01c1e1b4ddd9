import type { Resource, RouteRule } from "./rules.ts";

/** A log and the counts of its rows. */
function logOf(path: string, rule: Omit<RouteRule, "ok">): Record<string, RouteRule> {
  return { [`GET ${path}/logs`]: { ...rule, ok: 200 }, [`GET ${path}/aggregatelogs`]: { ...rule, ok: 200 } };
}

/** The action log. Global read-only superusers read every one. */
export const logs: Resource = {
  routes: {
    ...logOf("/repository/{repository}", { who: "R:admin GRO&R:read" }),
    ...logOf("/organization/{orgname}", { who: "A SUF GRO" }),
    ...logOf("/user", { who: "U:adm" }),
    ...logOf("/superuser", { who: "SU GRO", FL: true }),
  },
};
