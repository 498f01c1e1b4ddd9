import { expect } from "@std/testing";
import { createOrganization } from "../../src/domain/organizations/organizations.ts";
import { OPERATOR, type Site, withSite } from "../api/site.ts";
import { kindsOf, logOf } from "./mailbox.ts";

/** A private repository `acme/{name}` of alice. */
async function addRepository(site: Site, name: string): Promise<void> {
  const alice = await site.browserOf("alice");
  await alice.expect(201, "POST", "/repository", {
    namespace: "acme",
    repository: name,
    visibility: "private",
    description: "",
  });
}

Deno.test("organization/: made, seen and deleted; its log", async () => {
  await withSite({}, async (site) => {
    const bob = await site.browserOf("bob");
    await bob.expect(201, "POST", "/organization/", { name: "duo", email: "duo@example.org" });
    expect(await logOf(site, "duo")).toEqual([
      { kind: "org_create", performer: "bob", metadata: { email: "duo@example.org", namespace: "duo" } },
    ]);
    const seen = await bob.expect(200, "GET", "/organization/duo");
    expect(seen).toMatchObject({ name: "duo", email: "duo@example.org", is_admin: true, is_member: true });
    const stranger = await site.stranger().expect(200, "GET", "/organization/duo");
    expect(Object.keys(stranger).sort()).toEqual(["avatar", "email", "is_admin", "is_member", "name"]);
    expect(stranger.email).toBe("");
    await bob.expect(204, "DELETE", "/organization/duo");
    await bob.expect(404, "GET", "/organization/duo");
    const [row] = await site.deps.sql<{ kind: string; metadata: unknown }[]>`
      select k.name as kind, metadata_json::json as metadata
      from logentry3 l join logentrykind k on k.id = l.kind_id order by l.id desc limit 1`;
    expect(row).toEqual({ kind: "org_delete", metadata: { namespace: "duo" } });
  });
});

Deno.test("POST /organization/: of two who want one name at once, one gets it", async () => {
  await withSite({}, async (site) => {
    const browsers = [
      await site.browserOf("alice"),
      await site.browserOf("bob"),
      await site.browserOf("carol"),
    ];
    const answers = await Promise.all(
      browsers.map((browser) => browser.api("POST", "/organization/", { name: "wanted" })),
    );
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 400, 400]);
    expect(texts.filter((text) => text.includes("already exists")).length).toBe(2);
    expect(await kindsOf(site, "wanted")).toEqual(["org_create"]);
  });
});

Deno.test("PUT /organization/{org}: settings, each with its row in the log; bad ones change nothing", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    const changed = await alice.expect(200, "PUT", "/organization/acme", {
      email: "acme@example.org",
      invoice_email: true,
      invoice_email_address: "bills@example.org",
      tag_expiration_s: 0,
    });
    expect(changed).toMatchObject({
      name: "acme",
      email: "acme@example.org",
      invoice_email: true,
      invoice_email_address: "bills@example.org",
      tag_expiration_s: 0,
    });
    expect((await logOf(site, "acme")).slice(-4)).toEqual([
      {
        kind: "org_change_email",
        performer: "alice",
        metadata: { email: "acme@example.org", old_email: "", namespace: "acme" },
      },
      {
        kind: "org_change_invoicing",
        performer: "alice",
        metadata: { invoice_email: true, namespace: "acme" },
      },
      {
        kind: "org_change_invoicing",
        performer: "alice",
        metadata: { invoice_email_address: "bills@example.org", namespace: "acme" },
      },
      {
        kind: "org_change_tag_expiration",
        performer: "alice",
        metadata: { tag_expiration: 0, namespace: "acme" },
      },
    ]);
    const bad: unknown[] = [
      { email: "Bob@example.org" },
      { email: "nonsense" },
      { tag_expiration_s: 77 },
      { tag_expiration_s: 1e300 },
      { invoice_email: 1 },
      { invoice_email_address: "x" },
      undefined,
    ];
    for (const body of bad) await alice.expect(400, "PUT", "/organization/acme", body);
    expect(await alice.expect(200, "GET", "/organization/acme")).toEqual(changed);
    await (await site.browserOf("carol")).expect(403, "PUT", "/organization/acme", {});
    // What is missing looks like what is others'.
    await (await site.browserOf("carol")).expect(403, "PUT", "/organization/missing", {});
    await alice.expect(403, "PUT", "/organization/bob", {});
  });
});

Deno.test("organization/{org}/members and collaborators: who is in, who only works there, who is neither", async () => {
  await withSite({ GLOBAL_READONLY_SUPER_USERS: ["root"] }, async (site) => {
    const alice = await site.browserOf("alice");
    await alice.expect(201, "PUT", "/organization/acme/robots/ci");
    for (const name of ["app", "base"]) await addRepository(site, name);
    const grant = (repository: string, name: string) =>
      alice.expect(200, "PUT", `/repository/acme/${repository}/permissions/user/${name}`, { role: "write" });
    await grant("app", "bob");
    await grant("base", "bob");
    await grant("app", "carol");
    await grant("app", "acme+ci");
    await alice.expect(200, "PUT", "/organization/acme/team/creators/members/acme+ci");
    await alice.expect(200, "PUT", "/organization/acme/team/creators/members/carol");

    const { members } = await alice.expect(200, "GET", "/organization/acme/members");
    const short = (list: { name: string; teams?: { name: string }[]; repositories: string[] }[]) =>
      list.map(({ name, teams = [], repositories }) => [name, teams.map((team) => team.name), repositories]);
    expect(short(members)).toEqual([
      // Who makes a repository is its administrator.
      ["alice", ["owners"], ["app", "base"]],
      ["carol", ["creators", "members"], ["app"]],
    ]);
    expect(members[1]).toMatchObject({
      kind: "user",
      avatar: { kind: "user" },
      teams: [{ avatar: { kind: "team" } }, {}],
    });
    const { collaborators } = await alice.expect(200, "GET", "/organization/acme/collaborators");
    expect(short(collaborators)).toEqual([["bob", [], ["app", "base"]]]);

    expect(await alice.expect(200, "GET", "/organization/acme/members/carol")).toEqual(members[1]);
    expect(await alice.expect(200, "GET", "/organization/acme/members/acme+ci")).toMatchObject({
      name: "acme+ci",
      kind: "robot",
      teams: [{ name: "creators" }],
      repositories: ["app"],
    });
    for (const name of ["bob", "nobody", "acme", "%00"]) {
      await alice.expect(404, "GET", `/organization/acme/members/${name}`);
    }
    const root = await site.browserOf("root");
    expect((await root.expect(200, "GET", "/organization/acme/members")).members).toEqual(members);
    for (const path of ["members", "collaborators", "members/carol"]) {
      await (await site.browserOf("carol")).expect(403, "GET", `/organization/acme/${path}`);
      await (await site.browserOf("bob")).expect(403, "GET", `/organization/missing/${path}`);
      await site.stranger().expect(401, "GET", `/organization/acme/${path}`);
    }
  });
});

Deno.test("DELETE organization/{org}/members/{member}: off all teams and repositories of this one, no other", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    await addRepository(site, "app");
    await alice.expect(200, "PUT", "/repository/acme/app/permissions/user/carol", { role: "admin" });
    await alice.expect(200, "PUT", "/organization/acme/team/creators/members/carol");
    await createOrganization(site.deps, OPERATOR, { name: "other", owner: "carol" });
    await alice.expect(204, "DELETE", "/organization/acme/members/carol");
    const carol = await site.browserOf("carol");
    await carol.expect(403, "GET", "/repository/acme/app");
    expect((await carol.expect(200, "GET", "/user/")).organizations.map(({ name }: { name: string }) => name))
      .toEqual(["other"]);
    expect((await logOf(site, "acme")).slice(-2)).toEqual([
      { kind: "org_remove_team_member", performer: "alice", metadata: { member: "carol", team: "creators" } },
      { kind: "org_remove_team_member", performer: "alice", metadata: { member: "carol", team: "members" } },
    ]);
    // Somebody who is not in: nothing to do, as in Quay.
    await alice.expect(204, "DELETE", "/organization/acme/members/carol");
    for (const name of ["nobody", "acme", "acme+ci"]) {
      await alice.expect(404, "DELETE", `/organization/acme/members/${name}`);
    }
    expect((await alice.expect(400, "DELETE", "/organization/acme/members/alice")).error_message)
      .toContain("at least one administrator");
    await carol.expect(403, "DELETE", "/organization/acme/members/alice");
  });
});

Deno.test("the last owner is removed twice at once, whatever the way: one stays", async () => {
  const ways: Record<string, (name: string) => [method: string, path: string, body?: unknown]> = {
    "as a member": (name) => ["DELETE", `/organization/acme/members/${name}`],
    "out of the team": (name) => ["DELETE", `/organization/acme/team/owners/members/${name}`],
  };
  for (const [how, call] of Object.entries(ways)) {
    await withSite({}, async (site) => {
      const alice = await site.browserOf("alice");
      await alice.expect(200, "PUT", "/organization/acme/team/owners/members/bob");
      const bob = await site.browserOf("bob");
      const answers = await Promise.all([
        alice.api(...call("bob")),
        bob.api(...call("alice")),
      ]);
      await Promise.all(answers.map((answer) => answer.body?.cancel()));
      const statuses = answers.map(({ status }) => status).sort();
      // The slower one has been removed, or is the last.
      expect([how, statuses[0]]).toEqual([how, 204]);
      expect([400, 403]).toContain(statuses[1]);
      const [{ admins } = { admins: -1 }] = await site.deps.sql<{ admins: number }[]>`
        select count(*)::integer as admins from teammember m join team t on t.id = m.team_id
        where t.name = 'owners'`;
      expect([how, admins]).toEqual([how, 1]);
    });
  }
});

Deno.test("robots?permissions=true: teams and repositories of each; limit; their rows in the log", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    await addRepository(site, "app");
    for (const short of ["ci", "cd"]) {
      await alice.expect(201, "PUT", `/organization/acme/robots/${short}`, { description: `for ${short}` });
    }
    await alice.expect(200, "PUT", "/organization/acme/team/creators/members/acme+ci");
    await alice.expect(200, "PUT", "/repository/acme/app/permissions/user/acme+ci", { role: "read" });
    const { robots } = await alice.expect(
      200,
      "GET",
      "/organization/acme/robots?permissions=true&token=false",
    );
    expect(robots.map(({ name, teams, repositories, token }: Record<string, unknown>) => [
      name,
      (teams as { name: string }[]).map((team) => team.name),
      repositories,
      token,
    ])).toEqual([["acme+cd", [], [], undefined], ["acme+ci", ["creators"], ["app"], undefined]]);
    expect((await alice.expect(200, "GET", "/organization/acme/robots?limit=1")).robots.length).toBe(1);
    const carol = await site.browserOf("carol");
    const seen = await carol.expect(200, "GET", "/organization/acme/robots?permissions=true");
    expect(Object.keys(seen.robots[0]).sort()).toEqual(["created", "description", "last_accessed", "name"]);
    await alice.expect(200, "POST", "/organization/acme/robots/ci/regenerate");
    await alice.expect(204, "DELETE", "/organization/acme/robots/ci");
    const rows = (await logOf(site, "acme")).filter(({ kind }) => kind.includes("robot"));
    expect(rows).toEqual([
      {
        kind: "create_robot",
        performer: "alice",
        metadata: { robot: "ci", description: "for ci", unstructured_metadata: {} },
      },
      {
        kind: "create_robot",
        performer: "alice",
        metadata: { robot: "cd", description: "for cd", unstructured_metadata: {} },
      },
      { kind: "regenerate_robot_token", performer: "alice", metadata: { robot: "ci" } },
      { kind: "delete_robot", performer: "alice", metadata: { robot: "ci" } },
    ]);
  });
});

Deno.test("prototypes: their rows in the log", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    const at = "/organization/acme/prototypes";
    const { id } = await alice.expect(200, "POST", at, {
      role: "read",
      delegate: { name: "members", kind: "team" },
      activating_user: { name: "carol" },
    });
    await alice.expect(200, "PUT", `${at}/${id}`, { role: "write" });
    await alice.expect(204, "DELETE", `${at}/${id}`);
    const common = {
      prototypeid: id,
      username: "alice",
      activating_username: "carol",
      delegate_team: "members",
    };
    expect((await logOf(site, "acme")).slice(-3).map(({ kind, metadata }) => ({ kind, metadata }))).toEqual([
      { kind: "create_prototype_permission", metadata: { ...common, role: "read" } },
      { kind: "modify_prototype_permission", metadata: { ...common, role: "write", original_role: "read" } },
      { kind: "delete_prototype_permission", metadata: { ...common, role: "write" } },
    ]);
  });
});

Deno.test("permissions/user/{user}/transitive: every role, of its own and by teams", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    await addRepository(site, "app");
    const at = "/repository/acme/app/permissions";
    await alice.expect(404, "GET", `${at}/user/carol/transitive`);
    await alice.expect(200, "PUT", `${at}/team/members`, { role: "read" });
    await alice.expect(200, "PUT", `${at}/user/carol`, { role: "admin" });
    const { permissions } = await alice.expect(200, "GET", `${at}/user/carol/transitive`);
    expect(permissions.map(({ role }: { role: string }) => role).sort()).toEqual(["admin", "read"]);
    for (const name of ["bob", "nobody", "acme"]) {
      await alice.expect(404, "GET", `${at}/user/${name}/transitive`);
    }
    await (await site.browserOf("bob")).expect(403, "GET", `${at}/user/carol/transitive`);
    expect(await alice.expect(200, "GET", "/organization/acme/team/members/permissions")).toEqual({
      permissions: [{ repository: { name: "app", is_public: false }, role: "read" }],
    });
    await alice.expect(404, "GET", "/organization/acme/team/nobody/permissions");
  });
});
