import { expect } from "@std/testing";
import type { Actor } from "../../src/domain/access/access.ts";
import { findUser } from "../../src/domain/accounts/accounts.ts";
import { authenticateBasic } from "../../src/domain/accounts/credentials.ts";
import type { Deps } from "../../src/domain/deps.ts";
import {
  createOrFindRepository,
  findRepository,
  REPOSITORY_STATE,
} from "../../src/domain/repositories/repositories.ts";
import { withSite } from "./site.ts";

Deno.test("repositories: create, read, change, delete, and the name is free again", async () => {
  await withSite({ FEATURE_REPO_MIRROR: true }, async (site) => {
    const alice = await site.browserOf("alice");
    const wanted = { namespace: "acme", repository: "team/app", visibility: "private", description: "first" };
    await alice.expect(201, "POST", "/repository", wanted);
    const again = await alice.expect(400, "POST", "/repository", wanted);
    expect(again.message).toBe("Repository already exists");
    const view = await alice.expect(200, "GET", "/repository/acme/team/app");
    expect(view).toMatchObject({
      namespace: "acme",
      name: "team/app",
      kind: "image",
      description: "first",
      is_public: false,
      is_organization: true,
      state: "NORMAL",
      can_write: true,
      can_admin: true,
    });
    await alice.expect(200, "PUT", "/repository/acme/team/app", { description: "second" });
    await alice.expect(200, "POST", "/repository/acme/team/app/changevisibility", { visibility: "public" });
    await alice.expect(200, "PUT", "/repository/acme/team/app/changestate", { state: "READ_ONLY" });
    // Consoles and automation do this first; the mirror is set up then.
    await alice.expect(200, "PUT", "/repository/acme/team/app/changestate", { state: "MIRROR" });
    await alice.expect(404, "GET", "/repository/acme/team/app/mirror");
    await alice.expect(200, "PUT", "/repository/acme/team/app/changestate", { state: "READ_ONLY" });
    await alice.expect(400, "PUT", "/repository/acme/team/app/changestate", { state: "MARKED_FOR_DELETION" });
    const changed = await site.stranger().expect(200, "GET", "/repository/acme/team/app");
    expect(changed).toMatchObject({
      description: "second",
      is_public: true,
      state: "READ_ONLY",
      can_write: false,
    });

    const before = await findRepository(site.deps.sql, "acme", "team/app");
    await alice.expect(204, "DELETE", "/repository/acme/team/app");
    await alice.expect(404, "GET", "/repository/acme/team/app");
    await alice.expect(404, "DELETE", "/repository/acme/team/app");
    const [marked] = await site.deps.sql`
      select r.state, d.original_name, q.queue_name from repository r join deletedrepository d on d.repository_id = r.id
        join queueitem q on q.id::text = d.queue_id where r.id = ${before?.id ?? 0}`;
    expect(marked?.state).toBe(REPOSITORY_STATE.MARKED_FOR_DELETION);
    expect(marked?.original_name).toBe("team/app");
    expect(marked?.queue_name).toMatch(/^repositorygc\//);
    await alice.expect(201, "POST", "/repository", wanted);
  });
});

Deno.test("createOrFindRepository(): of many creators at once one wins, and all get the same repository", async () => {
  await withSite({}, async ({ deps }) => {
    const actor = await actorOf(deps, "alice");
    const wanted = { namespace: "alice", name: "shared", visibility: "private" as const };
    const results = await Promise.all(
      Array.from({ length: 8 }, () => createOrFindRepository(deps, actor, wanted)),
    );
    expect(results.filter((result) => result.created).length).toBe(1);
    expect(new Set(results.map((result) => result.repository.id)).size).toBe(1);
  });
});

Deno.test("createRepository(): default permissions for everybody, for the creator, not for the creator itself", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    const alice = await site.browserOf("alice");
    await alice.expect(200, "PUT", "/organization/acme/team/creators/members/bob");
    await deps.sql`
      insert into permissionprototype (org_id, uuid, activating_user_id, delegate_user_id, delegate_team_id, role_id)
      select o.id, p.uuid, (select id from "user" where username = p.activating),
        (select id from "user" where username = p.delegate), (select id from team where name = p.team and organization_id = o.id),
        (select id from role where name = p.role)
      from "user" o, (values
        ('1', null, 'carol', null, 'read'), ('2', 'bob', 'carol', null, 'write'), ('3', null, 'bob', null, 'read'),
        ('4', null, null, 'members', 'read'), ('5', 'root', 'alice', null, 'read')
      ) p (uuid, activating, delegate, team, role) where o.username = 'acme'`;
    const bob = await site.browserOf("bob");
    await bob.expect(201, "POST", "/repository", {
      namespace: "acme",
      repository: "app",
      visibility: "private",
      description: "",
    });
    const users = await bob.expect(200, "GET", "/repository/acme/app/permissions/user/");
    const roles = Object.values(users.permissions as Record<string, { name: string; role: string }>)
      .map(({ name, role }) => `${name} ${role}`);
    expect(roles).toEqual(["bob admin", "carol write"]);
    const teams = await bob.expect(200, "GET", "/repository/acme/app/permissions/team/");
    expect(Object.keys(teams.permissions)).toEqual(["members"]);
  });
});

Deno.test("robots: the token signs in until it is regenerated or the robot deleted", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    const alice = await site.browserOf("alice");
    const created = await alice.expect(201, "PUT", "/organization/acme/robots/ci", {
      description: "builds",
      unstructured_metadata: { pipeline: { id: 7 } },
    });
    expect(created.name).toBe("acme+ci");
    expect(created.token).toMatch(/^[A-Z0-9]{64}$/);
    expect(created.created).toMatch(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d -0000$/);
    expect(created.unstructured_metadata).toEqual({ pipeline: { id: 7 } });
    expect(await authenticateBasic(deps, "acme+ci", created.token)).toMatchObject({ kind: "robot" });
    const [stored] = await deps.sql`select token from robotaccounttoken`;
    expect(stored?.token).not.toContain(created.token);

    const regenerated = await alice.expect(200, "POST", "/organization/acme/robots/ci/regenerate");
    expect(regenerated.token).not.toBe(created.token);
    await expect(authenticateBasic(deps, "acme+ci", created.token)).rejects.toThrow();
    expect((await alice.expect(200, "GET", "/organization/acme/robots/ci")).token).toBe(regenerated.token);

    const { robots } = await alice.expect(200, "GET", "/organization/acme/robots");
    expect(robots[0].token).toBe(regenerated.token);
    const listed = await (await site.browserOf("carol")).expect(200, "GET", "/organization/acme/robots");
    expect(listed.robots.map((robot: object) => "token" in robot)).toEqual([false]);

    await alice.expect(400, "PUT", "/organization/acme/robots/ci");
    await alice.expect(400, "GET", "/organization/acme/robots/none");
    await alice.expect(204, "DELETE", "/organization/acme/robots/ci");
    await alice.expect(400, "DELETE", "/organization/acme/robots/ci");
    await expect(authenticateBasic(deps, "acme+ci", regenerated.token)).rejects.toThrow();
  });
});

Deno.test("PUT robots/{short}: ROBOTS_DISALLOW with its whitelist, and restricted users", async () => {
  await withSite({ ROBOTS_DISALLOW: true, ROBOTS_WHITELIST: ["acme+ok"] }, async (site) => {
    const alice = await site.browserOf("alice");
    await alice.expect(400, "PUT", "/organization/acme/robots/no");
    await alice.expect(201, "PUT", "/organization/acme/robots/ok");
  });
  await withSite({ FEATURE_RESTRICTED_USERS: true }, async (site) => {
    const alice = await site.browserOf("alice");
    await alice.expect(403, "PUT", "/user/robots/mine");
    await alice.expect(403, "POST", "/organization/", { name: "other" });
    await alice.expect(201, "PUT", "/organization/acme/robots/ok");
  });
});

Deno.test("teams: an organization keeps an administrator, whatever is tried", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    const owners = "/organization/acme/team/owners";
    const kept = "An organization must keep at least one administrator";
    expect((await alice.expect(400, "DELETE", owners)).message).toBe(kept);
    expect((await alice.expect(400, "PUT", owners, { role: "member" })).message).toBe(kept);
    expect((await alice.expect(400, "DELETE", `${owners}/members/alice`)).message).toBe(kept);
    await alice.expect(200, "PUT", `${owners}/members/bob`);
    await alice.expect(400, "PUT", `${owners}/members/bob`);
    await alice.expect(400, "PUT", `${owners}/members/no-such-user`);
    // Two administrators who remove each other at the same moment: one stays.
    const bob = await site.browserOf("bob");
    const answers = await Promise.all([
      alice.api("DELETE", `${owners}/members/bob`),
      bob.api("DELETE", `${owners}/members/alice`),
    ]);
    expect(answers.filter((answer) => answer.status === 204).length).toBe(1);
    const [left] = await site.deps.sql`
      select count(*)::integer as owners from teammember m join team t on t.id = m.team_id where t.name = 'owners'`;
    expect(left?.owners).toBe(1);
  });
});

Deno.test("GET /organization/{org}: what strangers, members and administrators see", async () => {
  await withSite({}, async (site) => {
    const stranger = await site.stranger().expect(200, "GET", "/organization/acme");
    expect(stranger).toMatchObject({ name: "acme", email: "", is_admin: false, is_member: false });
    expect("teams" in stranger).toBe(false);
    const member = await (await site.browserOf("carol")).expect(200, "GET", "/organization/acme");
    expect(member).toMatchObject({ is_admin: false, is_member: true });
    expect(member.ordered_teams).toEqual(["creators", "members", "owners"]);
    expect(member.teams.members).toMatchObject({ role: "member", member_count: 1, can_view: true });
    expect("tag_expiration_s" in member).toBe(false);
    const admin = await (await site.browserOf("alice")).expect(200, "GET", "/organization/acme");
    expect(admin).toMatchObject({ is_admin: true, tag_expiration_s: 1_209_600 });
  });
  await withSite({ GLOBAL_READONLY_SUPER_USERS: ["bob"] }, async (site) => {
    const bob = await site.browserOf("bob");
    const { is_admin, is_member, teams } = await bob.expect(200, "GET", "/organization/acme");
    expect([is_admin, is_member, teams.owners.can_view]).toEqual([false, false, true]);
    await bob.expect(200, "GET", "/organization/acme/team/owners/members");
  });
});

Deno.test("DELETE /organization/{org}: the name is free, its robots and memberships are gone", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    const { token } = await alice.expect(201, "PUT", "/organization/acme/robots/ci");
    await alice.expect(204, "DELETE", "/organization/acme");
    await alice.expect(404, "GET", "/organization/acme");
    await expect(authenticateBasic(site.deps, "acme+ci", token)).rejects.toThrow();
    expect((await alice.expect(200, "GET", "/user/")).organizations).toEqual([]);
    const bob = await site.browserOf("bob");
    await bob.expect(201, "POST", "/organization/", { name: "acme" });
    await bob.expect(400, "GET", "/organization/acme/robots/ci");
    await alice.expect(403, "GET", "/organization/acme/robots/ci");
  });
});

Deno.test("repository permissions: roles, foreign robots, the owner", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    await alice.expect(201, "POST", "/repository", {
      repository: "own",
      visibility: "private",
      description: "",
    });
    await (await site.browserOf("bob")).expect(201, "PUT", "/user/robots/ci");
    await alice.expect(201, "PUT", "/user/robots/ci");
    const user = "/repository/alice/own/permissions/user";
    expect(await alice.expect(200, "PUT", `${user}/bob`, { role: "read" })).toMatchObject({
      role: "read",
      name: "bob",
    });
    expect((await alice.expect(200, "PUT", `${user}/bob`, { role: "write" })).role).toBe("write");
    await alice.expect(200, "PUT", `${user}/alice+ci`, { role: "write" });
    await alice.expect(400, "PUT", `${user}/bob+ci`, { role: "write" });
    await alice.expect(400, "PUT", `${user}/alice`, { role: "read" });
    await alice.expect(400, "PUT", `${user}/nobody-here`, { role: "read" });
    await alice.expect(400, "PUT", `${user}/bob`, { role: "owner" });
    await alice.expect(400, "PUT", "/repository/alice/own/permissions/team/owners", { role: "read" });
    await alice.expect(204, "DELETE", `${user}/bob`);
    await alice.expect(400, "GET", `${user}/bob`);
  });
});

Deno.test("GET /repository: pages of 100 by name; a broken page token means the first page", async () => {
  await withSite({}, async (site) => {
    await site.deps.sql`
      insert into repository (namespace_user_id, name, visibility_id, description, badge_token, kind_id, trust_enabled, state)
      select u.id, 'r' || lpad(n::text, 3, '0'), v.id, '', gen_random_uuid()::text, k.id, false, 0
      from "user" u, visibility v, repositorykind k, generate_series(1, 205) n
      where u.username = 'alice' and v.name = 'private' and k.name = 'image'`;
    const alice = await site.browserOf("alice");
    const names: string[] = [];
    let next: string | undefined = "";
    for (let pages = 0; next !== undefined && pages < 5; pages++) {
      const query = next === "" ? "" : `&next_page=${encodeURIComponent(next)}`;
      const page = await alice.expect(200, "GET", `/repository?namespace=alice${query}`);
      names.push(...page.repositories.map((row: { name: string }) => row.name));
      next = page.next_page;
    }
    expect(names.length).toBe(205);
    expect(names).toEqual([...names].sort());
    const first = await alice.expect(200, "GET", "/repository?namespace=alice&next_page=nonsense");
    expect(first.repositories[0].name).toBe("r001");
  });
});

async function actorOf(deps: Deps, username: string): Promise<Actor> {
  const { id, uuid } = await findUser(deps, username);
  return { kind: "user", id, uuid, username, scopes: "all", via: "session" };
}
