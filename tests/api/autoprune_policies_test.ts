import { expect } from "@std/testing";
import { Content } from "./content.ts";
import { withSite } from "./site.ts";

const ON = { FEATURE_AUTO_PRUNE: true, GLOBAL_READONLY_SUPER_USERS: ["carol"] };

Deno.test("autoprunepolicy/: made, listed, changed, taken away, for organizations, repositories and people", async () => {
  await withSite(ON, async (site) => {
    await Content.of(site.deps, "acme/app");
    const [alice, carol] = [await site.browserOf("alice"), await site.browserOf("carol")];
    for (const root of ["/organization/acme", "/repository/acme/app", "/user"]) {
      const at = `${root}/autoprunepolicy/`;
      expect(await alice.expect(200, "GET", at)).toEqual({ policies: [] });
      const { uuid } = await alice.expect(201, "POST", at, { method: "number_of_tags", value: 10 });
      const other = await alice.expect(201, "POST", at, {
        method: "creation_date",
        value: "4w",
        tagPattern: "^v[0-9]+$",
        tagPatternMatches: false,
      });
      const first = {
        uuid,
        method: "number_of_tags",
        value: 10,
        tagPattern: null,
        tagPatternMatches: true,
      };
      const second = {
        uuid: other.uuid,
        method: "creation_date",
        value: "4w",
        tagPattern: "^v[0-9]+$",
        tagPatternMatches: false,
      };
      expect(await alice.expect(200, "GET", at)).toEqual({ policies: [first, second] });
      expect(await alice.expect(200, "GET", `${at}${other.uuid}`)).toEqual(second);
      const { error_message } = await alice.expect(400, "POST", at, { method: "number_of_tags", value: 10 });
      expect(error_message).toContain("already exists");
      await alice.expect(400, "PUT", `${at}${other.uuid}`, { method: "number_of_tags", value: 10 });
      await alice.expect(204, "PUT", `${at}${uuid}`, { method: "number_of_tags", value: 12 });
      expect((await alice.expect(200, "GET", `${at}${uuid}`)).value).toBe(12);
      expect(await alice.expect(200, "DELETE", `${at}${uuid}`)).toEqual({ uuid });
      for (const method of ["GET", "DELETE"]) await alice.expect(404, method, `${at}${uuid}`);
      await alice.expect(404, "PUT", `${at}${uuid}`, { method: "number_of_tags", value: 12 });
      if (root === "/user") continue;
      expect((await carol.expect(200, "GET", at)).policies.length).toBe(1);
      await carol.expect(403, "POST", at, { method: "number_of_tags", value: 1 });
    }
    const kinds = await site.deps.sql<{ name: string }[]>`
      select distinct k.name from logentry3 l join logentrykind k on k.id = l.kind_id
      where k.name like '%autoprune_policy' order by k.name`;
    expect(kinds.map(({ name }) => name)).toEqual([
      "create_namespace_autoprune_policy",
      "create_repository_autoprune_policy",
      "delete_namespace_autoprune_policy",
      "delete_repository_autoprune_policy",
      "update_namespace_autoprune_policy",
      "update_repository_autoprune_policy",
    ]);
  });
});

Deno.test("autoprunepolicy/: rules that are none, and none without FEATURE_AUTO_PRUNE", async () => {
  await withSite(ON, async (site) => {
    const alice = await site.browserOf("alice");
    const bodies: unknown[] = [
      {},
      { method: "number_of_tags" },
      { method: "by_magic", value: 1 },
      { method: "number_of_tags", value: 0 },
      { method: "number_of_tags", value: -1 },
      { method: "number_of_tags", value: 1.5 },
      { method: "number_of_tags", value: "5d" },
      { method: "creation_date", value: 5 },
      { method: "creation_date", value: "5" },
      { method: "creation_date", value: "0d" },
      { method: "creation_date", value: "5 d" },
      { method: "number_of_tags", value: 1, tagPattern: "(" },
      { method: "number_of_tags", value: 1, tagPattern: "x".repeat(257) },
      { method: "number_of_tags", value: 1, tagPatternMatches: "yes" },
    ];
    for (const body of bodies) await alice.expect(400, "POST", "/user/autoprunepolicy/", body);
    expect(await alice.expect(200, "GET", "/user/autoprunepolicy/")).toEqual({ policies: [] });
  });
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    await alice.expect(404, "GET", "/organization/acme/autoprunepolicy/");
    await alice.expect(404, "GET", "/user/autoprunepolicy/");
  });
});
