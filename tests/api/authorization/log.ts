import type { Resource, RouteRule } from "./rules.ts";

const COUNTS = "FEATURE_AGGREGATED_LOG_COUNT_RETRIEVAL";

/** A log and the counts of its rows. */
function logOf(path: string, rule: Omit<RouteRule, "ok">): Record<string, RouteRule> {
  const { features = [] } = rule;
  return {
    [`GET ${path}/logs`]: { ...rule, ok: 200 },
    [`GET ${path}/aggregatelogs`]: { ...rule, ok: 200, features: [...features, COUNTS] },
  };
}

/** How often tags and manifests were pulled, which is counted where pulls are logged. */
const statistics: RouteRule = { who: "R:read", ok: 200, features: ["FEATURE_IMAGE_PULL_STATS"] };

const TELL = { body: { callback_email: "auditor@example.org" }, features: ["FEATURE_LOG_EXPORT"] };

/** The action log. Global read-only superusers read every one. */
export const logs: Resource = {
  routes: {
    ...logOf("/repository/{repository}", { who: "R:admin GRO&R:read" }),
    ...logOf("/organization/{orgname}", { who: "A SUF GRO" }),
    "POST /repository/{repository}/exportlogs": { who: "R:admin", ok: 200, ...TELL },
    "POST /organization/{orgname}/exportlogs": { who: "A SUF", ok: 200, ...TELL },
    "POST /user/exportlogs": { who: "U:adm", ok: 200, ...TELL },
    "GET /repository/{repository}/tag/{tag}/pull_statistics": {
      ...statistics,
      with: { tag: "v1" },
      absent: 404,
    },
    "GET /repository/{repository}/manifest/{manifestref}/pull_statistics": {
      ...statistics,
      with: { manifestref: "{digest}" },
      absent: 404,
    },
    ...logOf("/user", { who: "U:adm" }),
    ...logOf("/superuser", { who: "SU GRO", FL: true, features: ["FEATURE_SUPER_USERS"] }),
  },
};
