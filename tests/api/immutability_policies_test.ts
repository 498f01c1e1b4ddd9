import { expect } from "@std/testing";
import { Content } from "./content.ts";
import { type Site, withSite } from "./site.ts";

const FEATURE = { FEATURE_IMMUTABLE_TAGS: true };
const OWNERS = ["/organization/acme", "/repository/acme/app", "/user"];

async function immutableTags(site: Site, repository: string): Promise<string[]> {
  const rows = await site.deps.sql<{ name: string }[]>`
    select t.name from tag t join repository r on r.id = t.repository_id
    where r.name = ${repository} and t.immutable and t.lifetime_end_ms is null order by t.name`;
  return rows.map(({ name }) => name);
}

Deno.test("immutability policies: made, shown, changed and deleted, of organization, repository and user", async () => {
  await withSite(FEATURE, async (site) => {
    await Content.of(site.deps, "acme/app");
    const alice = await site.browserOf("alice");
    for (const owner of OWNERS) {
      const all = `${owner}/immutabilitypolicy/`;
      expect(await alice.expect(200, "GET", all)).toEqual({ policies: [] });
      const { uuid } = await alice.expect(201, "POST", all, { tagPattern: "^v\\d+$" });
      const made = { uuid, tagPattern: "^v\\d+$", tagPatternMatches: true };
      expect(await alice.expect(200, "GET", all + uuid)).toEqual(made);
      expect(await alice.expect(200, "GET", all)).toEqual({ policies: [made] });
      await alice.expect(400, "POST", all, { tagPattern: "^v\\d+$", tagPatternMatches: true });
      const other = await alice.expect(201, "POST", all, { tagPattern: "dev", tagPatternMatches: false });
      await alice.expect(400, "PUT", all + uuid, { tagPattern: "dev", tagPatternMatches: false });
      await alice.expect(204, "PUT", all + uuid, { tagPattern: "^v\\d+$" });
      await alice.expect(204, "PUT", all + uuid, { tagPattern: "stable" });
      expect((await alice.expect(200, "GET", all + uuid)).tagPattern).toBe("stable");
      expect(await alice.expect(200, "DELETE", all + uuid)).toEqual({ uuid });
      for (const method of ["GET", "DELETE"]) await alice.expect(404, method, all + uuid);
      await alice.expect(404, "PUT", all + uuid, { tagPattern: "x" });
      await alice.expect(200, "DELETE", all + other.uuid);
      for (const tagPattern of [undefined, 7, "", "(", "a{1001}", "x".repeat(257), "(?=x)"]) {
        await alice.expect(400, "POST", all, { tagPattern });
      }
      expect(await alice.expect(200, "GET", all)).toEqual({ policies: [] });
    }
    const kinds = await site.deps.sql<{ kind: string; count: number }[]>`
      select k.name as kind, count(*)::integer as count from logentry3 l join logentrykind k on k.id = l.kind_id
      where k.name like '%immutability_policy' group by 1 order by 1`;
    expect(kinds.map(({ kind, count }) => [kind, count])).toEqual([
      ["create_immutability_policy", 6],
      ["delete_immutability_policy", 6],
      ["update_immutability_policy", 6],
    ]);
  });
  await withSite({}, async (site) => {
    await Content.of(site.deps, "acme/app");
    const alice = await site.browserOf("alice");
    for (const owner of OWNERS) await alice.expect(404, "GET", `${owner}/immutabilitypolicy/`);
  });
});

Deno.test("immutability policies: what is pushed, made or restored under a name that one fits is immutable", async () => {
  await withSite(FEATURE, async (site) => {
    const app = await Content.of(site.deps, "acme/app");
    const other = await Content.of(site.deps, "acme/other");
    const foreign = await Content.of(site.deps, "bob/foreign");
    const alice = await site.browserOf("alice");
    await app.image({ word: "before", tag: "v0" });
    await alice.expect(201, "POST", "/organization/acme/immutabilitypolicy/", { tagPattern: "^v[0-9.]+$" });
    await alice.expect(201, "POST", "/repository/acme/app/immutabilitypolicy/", {
      tagPattern: "^(dev|v0|tmp).*",
      tagPatternMatches: false,
    });
    for (const content of [app, other, foreign]) {
      for (const tag of ["v1", "release", "dev-1"]) await content.image({ word: tag, tag });
      await content.image({ word: "ends", tag: "v9", labels: { "quay.expires-after": "1w" } });
    }
    expect(await immutableTags(site, "app")).toEqual(["release", "v1"]);
    expect(await immutableTags(site, "other")).toEqual(["v1"]);
    expect(await immutableTags(site, "foreign")).toEqual([]);
    await expect(app.image({ word: "again", tag: "v1" })).rejects.toMatchObject({ code: "tag_immutable" });
    const digest = await app.image({ word: "dev-1", tag: "dev-1" });
    await alice.expect(201, "PUT", "/repository/acme/app/tag/v2", { manifest_digest: digest });
    await alice.expect(200, "POST", "/repository/acme/app/tag/v3/restore", { manifest_digest: digest });
    expect(await immutableTags(site, "app")).toEqual(["release", "v1", "v2", "v3"]);
    const logs = await site.deps.sql<{ metadata: string }[]>`
      select l.metadata_json as metadata from logentry3 l join logentrykind k on k.id = l.kind_id
      where k.name = 'tag_made_immutable_by_policy' order by l.id`;
    expect(logs.map(({ metadata }) => JSON.parse(metadata).tag)).toEqual(["v2", "v3"]);
  });
});

Deno.test("immutability policies: a pattern made to be slow does not slow a push; a broken one of a foreign writer is left out", async () => {
  await withSite(FEATURE, async (site) => {
    const app = await Content.of(site.deps, "acme/app");
    const alice = await site.browserOf("alice");
    await alice.expect(201, "POST", "/repository/acme/app/immutabilitypolicy/", { tagPattern: "(a+)+$" });
    await site.deps.sql`update repositoryimmutabilitypolicy set policy = '{"tag_pattern":"((a*)*)*!$"}'`;
    await site.deps.sql`
      insert into repositoryimmutabilitypolicy (repository_id, namespace_id, policy)
      select repository_id, namespace_id, '{"tag_pattern":"("}' from repositoryimmutabilitypolicy`;
    await app.image({ word: "one", tag: `${"a".repeat(100)}` });
    expect(await immutableTags(site, "app")).toEqual([]);
  });
});
