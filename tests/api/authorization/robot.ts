import type { Resource, RouteRule } from "./rules.ts";

/** The same twice: in the own namespace and in an organization. */
function robotsAt(
  base: string,
  { admin, list }: { admin: string; list: string },
): Record<string, RouteRule> {
  // Restricted users change nothing in their own namespace.
  const changes = base === "/user/robots" ? `${admin}&unrestricted` : admin;
  const one = { robot_shortname: "ci" };
  // Robots that are not there are 400, as in Quay, wherever they are not.
  const rest = base === "/user/robots" ? {} : { okOn: { "missing organization": 400 } };
  return {
    [`GET ${base}`]: { who: list, ok: 200 },
    [`GET ${base}/{robot_shortname}`]: { who: admin, ok: 200, with: one, absent: 400, ...rest },
    [`PUT ${base}/{robot_shortname}`]: {
      who: changes,
      ok: 201,
      with: { robot_shortname: "brand-new" },
      ...rest,
    },
    [`DELETE ${base}/{robot_shortname}`]: { who: changes, ok: 204, with: one, absent: 400, ...rest },
    [`GET ${base}/{robot_shortname}/permissions`]: { who: admin, ok: 200, with: one, ...rest },
    [`GET ${base}/{robot_shortname}/federation`]: { who: admin, ok: 200, with: one, ...rest },
    [`POST ${base}/{robot_shortname}/federation`]: {
      who: changes,
      ok: 200,
      with: one,
      body: [{ issuer: "https://issuer.example", subject: "s" }],
      ...rest,
    },
    [`DELETE ${base}/{robot_shortname}/federation`]: { who: changes, ok: 204, with: one, ...rest },
    [`POST ${base}/{robot_shortname}/regenerate`]: { who: changes, ok: 200, with: one, ...rest },
  };
}

export const robots: Resource = {
  routes: {
    ...robotsAt("/user/robots", { admin: "U:adm", list: "U:adm" }),
    ...robotsAt("/organization/{orgname}/robots", { admin: "A SUF", list: "M SUF GRO" }),
  },
};
