import type { Resource, RouteRule } from "./rules.ts";
import { existing } from "./world.ts";

/** Users' or teams' permissions on a repository. Global read-only superusers may look at them. */
function permissionsOf(
  kind: "user" | "team",
  holder: Readonly<Record<string, string>>,
  inOwnNamespace: Partial<Record<"GET" | "PUT" | "DELETE", number>> = {},
): Record<string, RouteRule> {
  const on = (method: keyof typeof inOwnNamespace) => {
    const status = inOwnNamespace[method];
    return status === undefined ? {} : { okOn: { own: status } };
  };
  const one = `/repository/{repository}/permissions/${kind}/{${Object.keys(holder)[0]}}`;
  return {
    [`GET /repository/{repository}/permissions/${kind}/`]: { who: "R:admin GRO&R:read", ok: 200 },
    [`GET ${one}`]: { who: "R:admin GRO&R:read", ok: 200, with: holder, absent: 400, ...on("GET") },
    [`PUT ${one}`]: {
      who: "R:admin",
      ok: 200,
      with: holder,
      absent: 400,
      body: { role: "read" },
      ...on("PUT"),
    },
    [`DELETE ${one}`]: { who: "R:admin", ok: 204, with: holder, absent: 400, ...on("DELETE") },
  };
}

export const repositoryPermissions: Resource = {
  routes: {
    ...permissionsOf("user", { username: "zoe" }),
    "GET /repository/{repository}/permissions/user/{username}/transitive": {
      who: "R:admin GRO&R:read",
      ok: 200,
      with: { username: "zoe" },
    },
    ...permissionsOf("team", { teamname: "owners" }, { GET: 400, PUT: 400, DELETE: 400 }),
  },
  async prepare(world) {
    for (const { namespace, repository, name } of existing("repository")) {
      const permissions = `/repository/${namespace}/${repository}/permissions`;
      await world.call(namespace, "PUT", `${permissions}/user/zoe`, { role: "read" });
      if (name === "own") continue;
      await world.call(namespace, "PUT", `${permissions}/team/owners`, { role: "read" });
    }
  },
};
