/** Two at once: one gets it, the others are told so in the documented way, and nothing is there twice or half. */
import { expect } from "@std/testing";
import type { ApiClient } from "./api_client.ts";
import { withSite } from "./site.ts";

const AT_ONCE = 6;

/** What cannot be made twice: how it is made, the statuses for the first and for the rest, and how many there are then. */
const CREATIONS: readonly {
  what: string;
  call: readonly [method: string, path: string, body?: unknown];
  first: number;
  others: number;
  count: string;
}[] = [
  {
    what: "a repository",
    call: ["POST", "/repository", {
      namespace: "acme",
      repository: "wanted",
      visibility: "private",
      description: "",
    }],
    first: 201,
    others: 400,
    count: `select count(*)::integer as count from repository where name = 'wanted'`,
  },
  {
    what: "a robot",
    call: ["PUT", "/organization/acme/robots/wanted", {}],
    first: 201,
    others: 400,
    count:
      `select count(*)::integer as count from "user" u join robotaccounttoken t on t.robot_account_id = u.id
      where u.username = 'acme+wanted'`,
  },
  {
    what: "a member of a team",
    call: ["PUT", "/organization/acme/team/members/members/bob"],
    first: 200,
    others: 400,
    count: `select count(*)::integer as count from teammember m join "user" u on u.id = m.user_id
      where u.username = 'bob'`,
  },
];

for (const { what, call, first, others, count } of CREATIONS) {
  Deno.test(`${what}, wanted by ${AT_ONCE} at once: one makes it, the others are refused`, async () => {
    await withSite({}, async (site) => {
      const statuses = await allAtOnce(await browsersOf(site.browserOf), call);
      expect(statuses).toEqual([first, ...Array(AT_ONCE - 1).fill(others)]);
      expect([...await site.deps.sql.unsafe(count)]).toEqual([{ count: 1 }]);
    });
  });
}

Deno.test("a team, a permission, a star, put by many at once: all succeed, it is there once", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    await alice.expect(201, "POST", "/repository", {
      namespace: "acme",
      repository: "app",
      visibility: "private",
      description: "",
    });
    const browsers = await browsersOf(site.browserOf);
    const all = async (status: number, ...call: [string, string, unknown]) =>
      expect(await allAtOnce(browsers, call)).toEqual(Array(AT_ONCE).fill(status));
    await all(200, "PUT", "/organization/acme/team/wanted", { role: "member" });
    await all(200, "PUT", "/repository/acme/app/permissions/user/bob", { role: "write" });
    await all(200, "PUT", "/repository/acme/app/permissions/team/wanted", { role: "read" });
    await all(201, "POST", "/user/starred", { namespace: "acme", repository: "app" });
    const [counts] = await site.deps.sql`
      select (select count(*) from team where name = 'wanted')::integer as teams,
        (select count(*) from repositorypermission p join "user" u on u.id = p.user_id
          where u.username = 'bob')::integer as people,
        (select count(*) from repositorypermission where team_id is not null)::integer as "ofTeams",
        (select count(*) from star)::integer as stars`;
    expect(counts).toEqual({ teams: 1, people: 1, ofTeams: 1, stars: 1 });
  });
});

Deno.test("two teams of administrators are deleted, or lowered, at once by their own members: one stays", async () => {
  const ways: Record<string, (team: string) => [string, string, unknown?]> = {
    deleted: (team) => ["DELETE", `/organization/acme/team/${team}`],
    lowered: (team) => ["PUT", `/organization/acme/team/${team}`, { role: "member" }],
  };
  for (const [how, call] of Object.entries(ways)) {
    await withSite({}, async (site) => {
      const alice = await site.browserOf("alice");
      await alice.expect(200, "PUT", "/organization/acme/team/others", { role: "admin" });
      await alice.expect(200, "PUT", "/organization/acme/team/others/members/alice");
      const responses = await Promise.all(["owners", "others"].map((team) => alice.api(...call(team))));
      await Promise.all(responses.map((response) => response.body?.cancel()));
      const refused = responses.filter(({ status }) => status >= 400);
      expect([how, refused.map(({ status }) => status)]).toEqual([how, [400]]);
      const [left] = await site.deps.sql`
        select count(*)::integer as count from teammember m join team t on t.id = m.team_id
          join teamrole r on r.id = t.role_id and r.name = 'admin' join "user" o on o.id = t.organization_id
        where o.username = 'acme'`;
      expect([how, left?.count]).toEqual([how, 1]);
    });
  }
});

async function browsersOf(browserOf: (username: string) => Promise<ApiClient>): Promise<ApiClient[]> {
  return await Promise.all(Array.from({ length: AT_ONCE }, () => browserOf("alice")));
}

/** @returns the statuses, the lowest first */
async function allAtOnce(
  browsers: readonly ApiClient[],
  call: readonly [method: string, path: string, body?: unknown],
): Promise<number[]> {
  const responses = await Promise.all(browsers.map((browser) => browser.api(...call)));
  await Promise.all(responses.map((response) => response.body?.cancel()));
  return responses.map(({ status }) => status).sort();
}
