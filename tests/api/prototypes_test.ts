import { expect } from "@std/testing";
import { createOrganization } from "../../src/domain/organizations/organizations.ts";
import { OPERATOR, withSite } from "./site.ts";

const AT = "/organization/acme/prototypes";

Deno.test("organization/{org}/prototypes: made, listed, changed, applied, taken away", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    await alice.expect(201, "PUT", "/organization/acme/robots/ci");
    const forAll = await alice.expect(200, "POST", AT, {
      role: "write",
      delegate: { name: "members", kind: "team" },
    });
    expect(forAll).toEqual({
      id: expect.any(String),
      role: "write",
      activating_user: null,
      delegate: { name: "members", kind: "team", avatar: expect.objectContaining({ kind: "team" }) },
    });
    const forAlice = await alice.expect(200, "POST", AT, {
      role: "read",
      delegate: { name: "acme+ci", kind: "user" },
      activating_user: { name: "alice" },
    });
    expect(forAlice.activating_user).toMatchObject({
      name: "alice",
      is_robot: false,
      kind: "user",
      is_org_member: true,
    });
    expect(forAlice.delegate).toMatchObject({ name: "acme+ci", is_robot: true, is_org_member: false });
    expect((await alice.expect(200, "GET", AT)).prototypes).toEqual([forAll, forAlice]);
    const changed = await alice.expect(200, "PUT", `${AT}/${forAlice.id}`, { role: "admin" });
    expect(changed).toEqual({ ...forAlice, role: "admin" });

    const create = (repository: string) =>
      alice.expect(201, "POST", "/repository", {
        namespace: "acme",
        repository,
        visibility: "private",
        description: "",
      });
    await create("app");
    const { permissions } = await alice.expect(200, "GET", "/repository/acme/app/permissions/user/");
    expect(permissions["acme+ci"].role).toBe("admin");
    await alice.expect(204, "DELETE", `${AT}/${forAll.id}`);
    await alice.expect(404, "DELETE", `${AT}/${forAll.id}`);
    await create("later");
    const teams = await alice.expect(200, "GET", "/repository/acme/later/permissions/team/");
    expect(teams.permissions).toEqual({});
  });
});

Deno.test("organization/{org}/prototypes: names and bodies that are no good; those of others", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    await createOrganization(site.deps, OPERATOR, { name: "other", owner: "bob" });
    const bob = await site.browserOf("bob");
    await bob.expect(201, "PUT", "/organization/other/robots/ci");
    const bodies: unknown[] = [
      { role: "read", delegate: { name: "nobody", kind: "user" } },
      { role: "read", delegate: { name: "acme", kind: "user" } },
      { role: "read", delegate: { name: "other+ci", kind: "user" } },
      { role: "read", delegate: { name: "nobody", kind: "team" } },
      { role: "read", delegate: { name: "bob", kind: "org" } },
      { role: "owner", delegate: { name: "bob", kind: "user" } },
      { role: "read", delegate: { name: "bob", kind: "user" }, activating_user: { name: "nobody" } },
      { role: "read" },
      {},
      undefined,
    ];
    for (const body of bodies) await alice.expect(400, "POST", AT, body);
    expect((await alice.expect(200, "GET", AT)).prototypes).toEqual([]);
    const { id } = await bob.expect(200, "POST", "/organization/other/prototypes", {
      role: "read",
      delegate: { name: "bob", kind: "user" },
    });
    await alice.expect(404, "PUT", `${AT}/${id}`, { role: "admin" });
    await alice.expect(404, "DELETE", `${AT}/${id}`);
  });
});
