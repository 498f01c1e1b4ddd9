import { expect } from "@std/testing";
import { authenticateBasic } from "../../src/domain/accounts/credentials.ts";
import { Content } from "../api/content.ts";
import { withSite } from "../api/site.ts";

Deno.test("superuser/organizations/: listed in pages, renamed with robots, deleted", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    await Content.of(deps, "acme/app");
    const alice = await site.browserOf("alice");
    await alice.expect(201, "POST", "/organization/", { name: "beta" });
    const robot = await alice.expect(201, "PUT", "/organization/acme/robots/ci");
    const root = await site.browserOf("root");
    const first = await root.expect(200, "GET", "/superuser/organizations/?limit=1");
    expect(first.organizations).toEqual([
      { name: "acme", email: "", avatar: expect.objectContaining({ kind: "org" }) },
    ]);
    const second = await root.expect(
      200,
      "GET",
      `/superuser/organizations/?limit=1&next_page=${encodeURIComponent(first.next_page)}`,
    );
    expect([second.organizations[0].name, second.next_page]).toEqual(["beta", undefined]);

    await root.expect(400, "PUT", "/superuser/organizations/acme", { name: "beta" });
    await root.expect(400, "PUT", "/superuser/organizations/acme", { name: "bob" });
    await root.expect(400, "PUT", "/superuser/organizations/acme", { name: "Not Good" });
    await root.expect(404, "PUT", "/superuser/organizations/bob", { name: "other" });
    expect((await root.expect(200, "PUT", "/superuser/organizations/acme", { name: "zenith" })).name)
      .toBe("zenith");
    await root.expect(404, "GET", "/organization/acme");
    await alice.expect(200, "GET", "/repository/zenith/app");
    await authenticateBasic(deps, "zenith+ci", robot.token);
    const [row] = await deps.sql<{ text: string }[]>`
      select l.metadata_json as text from logentry3 l join logentrykind k on k.id = l.kind_id
      where k.name = 'org_change_name'`;
    expect(JSON.parse(row!.text)).toEqual({ old_name: "acme", new_name: "zenith", superuser: "root" });

    await root.expect(204, "DELETE", "/superuser/organizations/zenith");
    await root.expect(404, "DELETE", "/superuser/organizations/zenith");
    await root.expect(404, "DELETE", "/superuser/organizations/bob");
    const [gone] = await deps.sql<{ text: string }[]>`
      select l.metadata_json as text from logentry3 l join logentrykind k on k.id = l.kind_id
      where k.name = 'org_delete'`;
    expect(JSON.parse(gone!.text)).toEqual({ namespace: "zenith", superuser: "root" });
    const { organizations } = await root.expect(200, "GET", "/superuser/organizations/");
    expect(organizations.map(({ name }: { name: string }) => name)).toEqual(["beta"]);
  });
});

Deno.test("superuser/organizations/: only that organization's robots get the new name", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    for (const name of ["acme-x", "acme.y"]) await alice.expect(201, "POST", "/organization/", { name });
    for (const name of ["acme", "acme-x", "acme.y"]) {
      await alice.expect(201, "PUT", `/organization/${name}/robots/ci`);
    }
    const root = await site.browserOf("root");
    await root.expect(200, "PUT", "/superuser/organizations/acme", { name: "shorter-or-longer" });
    for (const name of ["shorter-or-longer", "acme-x", "acme.y"]) {
      await alice.expect(200, "GET", `/organization/${name}/robots/ci`);
    }
  });
});

Deno.test("superuser/takeownership/{namespace}: an organization gets an owner, a user becomes an organization", async () => {
  await withSite({ SUPER_USERS: ["root", "carol"] }, async (site) => {
    await Content.of(site.deps, "bob/app");
    const [root, bob] = [await site.browserOf("root"), await site.browserOf("bob")];
    await bob.expect(201, "PUT", "/user/robots/ci");
    await root.expect(403, "GET", "/organization/acme/team/owners/members");
    expect(await root.expect(200, "POST", "/superuser/takeownership/acme")).toEqual({ namespace: "acme" });
    const { members } = await root.expect(200, "GET", "/organization/acme/team/owners/members");
    expect(members.map(({ name }: { name: string }) => name)).toEqual(["alice", "root"]);
    await root.expect(200, "POST", "/superuser/takeownership/acme");

    await root.expect(200, "POST", "/superuser/takeownership/bob");
    await bob.expect(401, "GET", "/user/");
    await root.expect(200, "GET", "/organization/bob/team/owners/members");
    await root.expect(200, "GET", "/repository/bob/app");
    await root.expect(200, "GET", "/organization/bob/robots/ci");

    await root.expect(400, "POST", "/superuser/takeownership/carol");
    await root.expect(404, "POST", "/superuser/takeownership/nobody-here");
    const alice = await site.browserOf("alice");
    await alice.expect(403, "POST", "/superuser/takeownership/bob");
    const rows = await site.deps.sql<{ text: string }[]>`
      select l.metadata_json as text from logentry3 l join logentrykind k on k.id = l.kind_id
      where k.name = 'take_ownership' order by l.id`;
    expect(JSON.parse(rows.at(-1)!.text)).toEqual({
      entity_id: expect.any(Number),
      namespace: "bob",
      was_user: true,
      superuser: "root",
    });
  });
});
