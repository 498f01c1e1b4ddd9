import { expect } from "@std/testing";
import { insertQueueItem } from "../../src/drivers/database/queries/queue.ts";
import { applyImmutabilityPolicies } from "../../src/workers/immutability_policy.ts";
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
      for (const tagPatternMatches of [true, false]) {
        const twin = await alice.expect(400, "POST", all, { tagPattern: " ^v\\d+$\n", tagPatternMatches });
        expect(twin.message).toBe("A policy with the same tag_pattern already exists");
      }
      const other = await alice.expect(201, "POST", all, { tagPattern: "dev", tagPatternMatches: false });
      await alice.expect(400, "PUT", all + uuid, { tagPattern: "dev", tagPatternMatches: false });
      await alice.expect(204, "PUT", all + uuid, { tagPattern: "^v\\d+$" });
      await alice.expect(204, "PUT", all + uuid, { tagPattern: "stable" });
      expect((await alice.expect(200, "GET", all + uuid)).tagPattern).toBe("stable");
      expect(await alice.expect(200, "DELETE", all + uuid)).toEqual({ uuid });
      for (const method of ["GET", "DELETE"]) await alice.expect(404, method, all + uuid);
      await alice.expect(404, "PUT", all + uuid, { tagPattern: "x" });
      await alice.expect(200, "DELETE", all + other.uuid);
      for (const tagPattern of [undefined, 7, "", " ", "(", "a{1001}", "x".repeat(257), "(?=x)"]) {
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
    expect(await immutableTags(site, "app")).toEqual(["release", "v0", "v1"]);
    expect(await immutableTags(site, "other")).toEqual(["v1"]);
    expect(await immutableTags(site, "foreign")).toEqual([]);
    await expect(app.image({ word: "again", tag: "v1" })).rejects.toMatchObject({ code: "tag_immutable" });
    const digest = await app.image({ word: "dev-1", tag: "dev-1" });
    await alice.expect(201, "PUT", "/repository/acme/app/tag/v2", { manifest_digest: digest });
    await alice.expect(200, "POST", "/repository/acme/app/tag/v3/restore", { manifest_digest: digest });
    expect(await immutableTags(site, "app")).toEqual(["release", "v0", "v1", "v2", "v3"]);
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

/** What the log says of policies that made tags immutable, without who and where. */
async function applicationsOf(site: Site): Promise<unknown[]> {
  const rows = await site.deps.sql<{ metadata: string }[]>`
    select l.metadata_json as metadata from logentry3 l join logentrykind k on k.id = l.kind_id
    where k.name = 'tags_made_immutable_by_policy' order by l.id`;
  return rows.map(({ metadata }) => JSON.parse(metadata));
}

async function waiting(site: Site): Promise<number> {
  const [row] = await site.deps.sql<{ count: number }[]>`
    select count(*)::integer as count from queueitem where queue_name like 'immutabilitypolicy/%'`;
  return row?.count ?? -1;
}

Deno.test("POST …/immutabilitypolicy/: tags that are there become immutable too, from the beginning of their names", async () => {
  await withSite(FEATURE, async (site) => {
    const app = await Content.of(site.deps, "acme/app");
    const other = await Content.of(site.deps, "acme/other");
    const foreign = await Content.of(site.deps, "bob/foreign");
    for (const content of [app, other, foreign]) {
      for (const tag of ["v1", "v2-rc", "dev1", "gone"]) await content.image({ word: tag, tag });
      await content.image({ word: "ends", tag: "v9", labels: { "quay.expires-after": "1w" } });
    }
    const alice = await site.browserOf("alice");
    const policies = "/organization/acme/immutabilitypolicy/";
    const { uuid } = await alice.expect(201, "POST", policies, { tagPattern: "v[12]" });
    for (const name of ["app", "other"]) expect(await immutableTags(site, name)).toEqual(["v1", "v2-rc"]);
    expect(await immutableTags(site, "foreign")).toEqual([]);
    await alice.expect(409, "DELETE", "/repository/acme/app/tag/v1");
    await alice.expect(204, "DELETE", "/repository/acme/app/tag/gone");
    // A change reaches what is there; what is immutable stays so, and is not counted again.
    await alice.expect(204, "PUT", policies + uuid, { tagPattern: "v1$", tagPatternMatches: false });
    expect(await immutableTags(site, "app")).toEqual(["dev1", "v1", "v2-rc"]);
    await alice.expect(201, "POST", "/repository/acme/other/immutabilitypolicy/", { tagPattern: "go(ne|t)" });
    expect(await applicationsOf(site)).toEqual([
      { namespace: "acme", tag_pattern: "v[12]", tag_pattern_matches: true, count: 4 },
      { namespace: "acme", tag_pattern: "v1$", tag_pattern_matches: false, count: 3 },
    ]);
    expect(await waiting(site)).toBe(0);
    await alice.expect(201, "POST", "/repository/acme/app/immutabilitypolicy/", { tagPattern: "nothing" });
    expect((await applicationsOf(site)).length).toBe(2);
  });
});

Deno.test("POST …/immutabilitypolicy/: what may end by itself becomes immutable where that is allowed", async () => {
  await withSite({ ...FEATURE, FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE: true }, async (site) => {
    const app = await Content.of(site.deps, "acme/app");
    await app.image({ word: "ends", tag: "v9", labels: { "quay.expires-after": "1w" } });
    await app.image({ word: "ended", tag: "v8", labels: { "quay.expires-after": "1w" } });
    await site.deps.sql`update tag set lifetime_end_ms = ${site.deps.now() - 1} where name = 'v8'`;
    const alice = await site.browserOf("alice");
    await alice.expect(201, "POST", "/repository/acme/app/immutabilitypolicy/", { tagPattern: "v" });
    const rows = await site.deps.sql<{ name: string }[]>`select name from tag where immutable`;
    expect(rows.map(({ name }) => name)).toEqual(["v9"]);
    expect(await applicationsOf(site)).toMatchObject([{ repo: "app", count: 1 }]);
  });
});

Deno.test("immutability policies: more tags than one page; the worker ends what a request could not", async () => {
  await withSite(FEATURE, async (site) => {
    const { sql, now } = site.deps;
    const app = await Content.of(site.deps, "acme/app");
    await app.image({ word: "v", tag: "v" });
    await sql`
      insert into tag (name, repository_id, manifest_id, lifetime_start_ms)
      select case when n % 2 = 0 then 'v' else 'x' end || n, t.repository_id, t.manifest_id, t.lifetime_start_ms
      from tag t, generate_series(1, 2500) n where t.name = 'v'`;
    const alice = await site.browserOf("alice");
    const all = "/repository/acme/app/immutabilitypolicy/";
    const { uuid } = await alice.expect(201, "POST", all, { tagPattern: "v" });
    expect((await immutableTags(site, "app")).length).toBe(1251);
    expect(await applicationsOf(site)).toMatchObject([{ count: 1251 }]);
    // As if the node had died in the middle: some are done, the item is still there.
    await sql`update tag set immutable = false where name like '%8'`;
    const [owner] = await sql<{ repositoryId: number; namespaceId: number }[]>`
      select repository_id as "repositoryId", namespace_id as "namespaceId" from repositoryimmutabilitypolicy`;
    const body = JSON.stringify({ owner: { ...owner, namespace: "acme", repository: "app" }, uuid });
    const queueName = `immutabilitypolicy/${owner?.namespaceId}/`;
    for (let times = 0; times < 2; times++) {
      await insertQueueItem(sql, { queueName, body, nowMs: now(), retries: 5 });
    }
    await insertQueueItem(sql, { queueName, body: body.replace(uuid, "gone"), nowMs: now(), retries: 5 });
    expect(await applyImmutabilityPolicies(site.deps)).toBe(3);
    expect((await immutableTags(site, "app")).length).toBe(1251);
    expect(await applicationsOf(site)).toMatchObject([{ count: 1251 }, { count: 250 }]);
    expect(await waiting(site)).toBe(0);
  });
});

Deno.test("immutability policies: they are the worker's when the request fails to apply them", async () => {
  await withSite(FEATURE, async (site) => {
    const app = await Content.of(site.deps, "acme/app");
    await app.image({ word: "v", tag: "v1" });
    const { sql, now } = site.deps;
    await sql`
      create function refuse() returns trigger language plpgsql as $$ begin raise exception 'not now'; end $$`;
    await sql`
      create trigger refuse before update of immutable on tag for each row execute function refuse()`;
    const alice = await site.browserOf("alice");
    await alice.expect(201, "POST", "/organization/acme/immutabilitypolicy/", { tagPattern: "v" });
    expect([await immutableTags(site, "app"), await waiting(site)]).toEqual([[], 1]);
    await sql`drop trigger refuse on tag`;
    expect(await applyImmutabilityPolicies({ ...site.deps, now: () => now() + 60_000 })).toBe(1);
    expect([await immutableTags(site, "app"), await waiting(site)]).toEqual([["v1"], 0]);
  });
});

Deno.test("immutability policies: tags of mirrors move as their upstream's do, those of read-only repositories are held", async () => {
  await withSite(FEATURE, async (site) => {
    for (const [name, state] of [["mirror", 2], ["follower", 4], ["frozen", 1]] as const) {
      const content = await Content.of(site.deps, `acme/${name}`);
      await content.image({ word: name, tag: "v1" });
      await site.deps.sql`update repository set state = ${state} where id = ${content.repository.id}`;
    }
    const alice = await site.browserOf("alice");
    await alice.expect(201, "POST", "/organization/acme/immutabilitypolicy/", { tagPattern: "v" });
    await alice.expect(201, "POST", "/repository/acme/mirror/immutabilitypolicy/", { tagPattern: "v" });
    for (const name of ["mirror", "follower"]) {
      expect([name, await immutableTags(site, name)]).toEqual([name, []]);
    }
    expect(await immutableTags(site, "frozen")).toEqual(["v1"]);
  });
});

for (
  const [kind, body] of [
    ["immutabilitypolicy", { tagPattern: "v" }],
    ["autoprunepolicy", { method: "number_of_tags", value: 5 }],
  ] as const
) {
  Deno.test(`organization/{name}/${kind}/: a person's own namespace is addressed like an organization's`, async () => {
    const config = { ...FEATURE, FEATURE_AUTO_PRUNE: true, GLOBAL_READONLY_SUPER_USERS: ["carol"] };
    await withSite(config, async (site) => {
      const alice = await site.browserOf("alice");
      const all = `/organization/alice/${kind}/`;
      const { uuid } = await alice.expect(201, "POST", all, body);
      expect((await alice.expect(200, "GET", `/user/${kind}/`)).policies).toMatchObject([{ uuid }]);
      await (await site.scriptOf("alice", ["user:admin"])).expect(200, "GET", all + uuid);
      for (const scope of ["user:read", "org:admin"]) {
        await (await site.scriptOf("alice", [scope])).expect(403, "GET", all);
      }
      const carol = await site.browserOf("carol");
      await carol.expect(200, "GET", all);
      await carol.expect(403, "DELETE", all + uuid);
      const [bob, stranger] = [await site.browserOf("bob"), site.stranger()];
      await bob.expect(403, "GET", all);
      await bob.expect(403, "POST", all, body);
      await stranger.expect(401, "GET", all);
      await alice.expect(200, "DELETE", all + uuid);
    });
  });
}
