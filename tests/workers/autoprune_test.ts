import { expect } from "@std/testing";
import type { Config } from "../../src/config/schema.ts";
import type { Deps } from "../../src/domain/deps.ts";
import { autopruner, defaultAutopruner } from "../../src/workers/autoprune.ts";
import { Content } from "../api/content.ts";
import { type Site, withSite } from "../api/site.ts";

const DAY_MS = 86_400_000;
const NEVER = new AbortController().signal;

/** A site with an image in some repositories, whose tags the tests make up. */
async function withTags(
  config: Partial<Config>,
  repositories: Record<string, Record<string, number>>,
  test: (site: Site) => Promise<void>,
): Promise<void> {
  await withSite({ FEATURE_AUTO_PRUNE: true, ...config }, async (site) => {
    for (const [path, tags] of Object.entries(repositories)) {
      const content = await Content.of(site.deps, path);
      for (const [name, ageDays] of Object.entries(tags)) {
        await content.image({ word: "same", tag: name });
        await site.deps.sql`
          update tag set lifetime_start_ms = ${Math.round(site.deps.now() - ageDays * DAY_MS)}
          where name = ${name} and repository_id = ${content.repository.id}`;
      }
    }
    await test(site);
  });
}

async function tagsOf({ deps }: Site, path: string): Promise<string[]> {
  const rows = await deps.sql<{ name: string }[]>`
    select t.name from tag t join repository r on r.id = t.repository_id join "user" n on n.id = r.namespace_user_id
    where n.username || '/' || r.name = ${path} and not t.hidden and t.lifetime_end_ms is null
    order by t.lifetime_start_ms desc`;
  return rows.map(({ name }) => name);
}

async function statuses({ deps }: Site): Promise<unknown[]> {
  return await deps.sql<{ name: string; status: string | null }[]>`
    select u.username as name, t.status from autoprunetaskstatus t join "user" u on u.id = t.namespace_id
    order by u.username`;
}

const prune = ({ deps }: Site, change: Partial<Deps> = {}) => autopruner({ ...deps, ...change })(NEVER);

const AGES = { v5: 1, v4: 2, v3: 3, dev2: 4, v2: 5, dev1: 6, v1: 7 };

Deno.test("autoprune: number_of_tags keeps the youngest, and writes a row for each that goes", async () => {
  await withTags(
    { AUTOPRUNE_FETCH_TAGS_PAGE_LIMIT: 2 },
    { "acme/app": AGES, "bob/app": AGES },
    async (site) => {
      const alice = await site.browserOf("alice");
      const policy = { method: "number_of_tags", value: 4 };
      await alice.expect(201, "POST", "/repository/acme/app/autoprunepolicy/", policy);
      await prune(site);
      expect(await tagsOf(site, "acme/app")).toEqual(["v5", "v4", "v3", "dev2"]);
      expect((await tagsOf(site, "bob/app")).length).toBe(7);
      const rows = await site.deps.sql<Record<string, unknown>[]>`
      select k.name as kind, a.username as account, l.performer_id as performer, r.name as repository,
        l.metadata_json::json as metadata
      from logentry3 l join logentrykind k on k.id = l.kind_id join "user" a on a.id = l.account_id
        join repository r on r.id = l.repository_id
      where k.name = ${"autoprune_tag_delete"} order by l.id`;
      expect(rows.map((row) => (row.metadata as { tag: string }).tag)).toEqual(["v2", "dev1", "v1"]);
      expect(rows[0]).toEqual({
        kind: "autoprune_tag_delete",
        account: "acme",
        performer: null,
        repository: "app",
        metadata: { performer: "autoprune worker", namespace: "acme", repo: "app", tag: "v2" },
      });
      expect(await statuses(site)).toEqual([{ name: "acme", status: "success" }]);
      // The time machine has them.
      const [gone] = (await alice.expect(200, "GET", "/repository/acme/app/tag/?specificTag=v1")).tags;
      await alice.expect(200, "POST", "/repository/acme/app/tag/v1/restore", {
        manifest_digest: gone.manifest_digest,
      });
      expect((await tagsOf(site, "acme/app"))[0]).toBe("v1");
    },
  );
});

Deno.test("autoprune: creation_date, patterns, policies of namespace and repository together", async () => {
  const rows: [policy: Record<string, unknown>, left: string[]][] = [
    [{ method: "creation_date", value: "4d" }, ["v5", "v4", "v3"]],
    [{ method: "creation_date", value: "1y" }, Object.keys(AGES)],
    [{ method: "creation_date", value: "2d", tagPattern: "^dev" }, ["v5", "v4", "v3", "v2", "v1"]],
    [{ method: "creation_date", value: "2d", tagPattern: "ev" }, ["v5", "v4", "v3", "v2", "v1"]],
    [{ method: "creation_date", value: "2d", tagPattern: "^v[0-9]$", tagPatternMatches: false }, [
      "v5",
      "v4",
      "v3",
      "v2",
      "v1",
    ]],
    [{ method: "number_of_tags", value: 1, tagPattern: "dev.*" }, ["v5", "v4", "v3", "dev2", "v2", "v1"]],
    [{ method: "number_of_tags", value: 1, tagPattern: "dev", tagPatternMatches: false }, [
      "v5",
      "dev2",
      "dev1",
    ]],
  ];
  for (const place of ["/organization/acme", "/repository/acme/app"]) {
    for (const [policy, left] of rows) {
      await withTags({}, { "acme/app": AGES }, async (site) => {
        const alice = await site.browserOf("alice");
        await alice.expect(201, "POST", `${place}/autoprunepolicy/`, policy);
        await prune(site);
        expect([place, policy, await tagsOf(site, "acme/app")]).toEqual([place, policy, left]);
      });
    }
  }
  await withTags(
    { AUTOPRUNE_FETCH_REPOSITORIES_PAGE_LIMIT: 1 },
    { "acme/app": AGES, "acme/b": AGES },
    async (site) => {
      const alice = await site.browserOf("alice");
      const policies = "/organization/acme/autoprunepolicy/";
      await alice.expect(201, "POST", policies, { method: "creation_date", value: "5d" });
      await alice.expect(201, "POST", "/repository/acme/b/autoprunepolicy/", {
        method: "number_of_tags",
        value: 1,
        tagPattern: "dev",
        tagPatternMatches: false,
      });
      await prune(site);
      expect(await tagsOf(site, "acme/app")).toEqual(["v5", "v4", "v3", "dev2"]);
      expect(await tagsOf(site, "acme/b")).toEqual(["v5", "dev2"]);
    },
  );
});

Deno.test("autoprune: mirrors, read-only repositories, disabled namespaces and immutable tags keep theirs", async () => {
  const repositories = { "acme/app": AGES, "acme/mirror": AGES, "acme/frozen": AGES, "bob/app": AGES };
  await withTags({ SUPER_USERS: [] }, repositories, async (site) => {
    const { sql } = site.deps;
    await sql`update repository set state = 2 where name = 'mirror'`;
    await sql`update repository set state = 1 where name = 'frozen'`;
    await sql`update tag set immutable = true where name in ('v5', 'v1')`;
    const policy = { method: "number_of_tags", value: 1 };
    await (await site.browserOf("alice")).expect(201, "POST", "/organization/acme/autoprunepolicy/", policy);
    await (await site.browserOf("bob")).expect(201, "POST", "/user/autoprunepolicy/", policy);
    await sql`update "user" set enabled = false where username = 'bob'`;
    await prune(site);
    expect(await tagsOf(site, "acme/app")).toEqual(["v5", "v4", "v1"]);
    for (const path of ["acme/mirror", "acme/frozen", "bob/app"]) {
      expect([path, (await tagsOf(site, path)).length]).toEqual([path, 7]);
    }
    expect(await statuses(site)).toEqual([{ name: "acme", status: "success" }, {
      name: "bob",
      status: null,
    }]);
  });
});

Deno.test("autoprune: each namespace has its turn once an interval; one without rules has none any more", async () => {
  await withTags({ AUTO_PRUNING_BATCH_SIZE: 1 }, { "acme/app": AGES, "bob/app": AGES }, async (site) => {
    const alice = await site.browserOf("alice");
    const bob = await site.browserOf("bob");
    const policies = "/organization/acme/autoprunepolicy/";
    const { uuid } = await alice.expect(201, "POST", policies, { method: "number_of_tags", value: 6 });
    await bob.expect(201, "POST", "/user/autoprunepolicy/", { method: "number_of_tags", value: 5 });
    const counts =
      async () => [(await tagsOf(site, "acme/app")).length, (await tagsOf(site, "bob/app")).length];
    await prune(site);
    expect(await counts()).toEqual([6, 7]);
    await prune(site);
    expect(await counts()).toEqual([6, 5]);
    await alice.expect(204, "PUT", policies + uuid, { method: "number_of_tags", value: 2 });
    await prune(site);
    expect(await counts()).toEqual([6, 5]);
    const later = { now: () => site.deps.now() + 61 * 60_000 };
    await prune(site, later);
    expect(await counts()).toEqual([2, 5]);
    await alice.expect(200, "DELETE", policies + uuid);
    for (let times = 0; times < 3; times++) await prune(site, { now: () => site.deps.now() + DAY_MS });
    expect(await statuses(site)).toEqual([{ name: "bob", status: "success" }]);
  });
});

Deno.test("autoprune: rules of another writer have their turn; one that cannot be followed stops no other", async () => {
  await withTags({}, { "acme/app": AGES, "acme/b": AGES }, async (site) => {
    await site.deps.sql`
      insert into namespaceautoprunepolicy (namespace_id, policy)
      select id, policy from "user", unnest(array['{"method":"number_of_tags","value":"many"}', 'no json', 'null',
        '{"method":"creation_date","value":"1d","tag_pattern":"(?=x)"}', '{"method":"number_of_tags","value":3}'])
        policy where username = 'acme'`;
    await prune(site);
    for (const path of ["acme/app", "acme/b"]) expect(await tagsOf(site, path)).toEqual(["v5", "v4", "v3"]);
    expect(await statuses(site)).toEqual([{ name: "acme", status: "failure: 8 policies" }]);
  });
});

Deno.test("autoprune: two nodes at once delete each tag once; a read-only registry deletes none", async () => {
  await withTags({}, { "acme/app": AGES }, async (site) => {
    const alice = await site.browserOf("alice");
    await alice.expect(201, "POST", "/organization/acme/autoprunepolicy/", {
      method: "number_of_tags",
      value: 1,
    });
    await prune(site, { config: { ...site.deps.config, REGISTRY_STATE: "readonly" } });
    expect((await tagsOf(site, "acme/app")).length).toBe(7);
    const policy = { method: "number_of_tags", value: 1 } as const;
    const config = { ...site.deps.config, DEFAULT_NAMESPACE_AUTOPRUNE_POLICY: policy };
    const everywhere = defaultAutopruner({ ...site.deps, config });
    await Promise.all([
      prune(site),
      prune(site),
      everywhere(NEVER),
      defaultAutopruner({ ...site.deps, config })(NEVER),
    ]);
    expect(await tagsOf(site, "acme/app")).toEqual(["v5"]);
    const [row] = await site.deps.sql<{ count: number }[]>`
      select count(*)::integer as count from logentry3 where metadata_json like '%autoprune worker%'`;
    expect(row?.count).toBe(6);
  });
});

Deno.test("autoprune: DEFAULT_NAMESPACE_AUTOPRUNE_POLICY holds everywhere, and goes on where time ran out", async () => {
  const repositories = { "acme/a": AGES, "acme/b": AGES, "bob/c": AGES, "alice/d": AGES };
  await withTags(
    {
      DEFAULT_NAMESPACE_AUTOPRUNE_POLICY: { method: "creation_date", value: "4d" },
      AUTOPRUNE_FETCH_REPOSITORIES_PAGE_LIMIT: 2,
    },
    repositories,
    async (site) => {
      await site.deps.sql`update "user" set enabled = false where username = 'bob'`;
      const counts = () =>
        Promise.all(Object.keys(repositories).map(async (path) => (await tagsOf(site, path)).length));
      const start = site.deps.now();
      let now = start;
      const config = { ...site.deps.config, AUTOPRUNE_DEFAULT_POLICY_TIMEOUT: 1 };
      // Every look at the clock costs a second.
      const slow = defaultAutopruner({ ...site.deps, config, now: () => now += 1000 });
      await slow(NEVER);
      expect(await counts()).toEqual([3, 7, 7, 7]);
      await slow(NEVER);
      expect(await counts()).toEqual([3, 3, 7, 7]);
      await defaultAutopruner(site.deps)(NEVER);
      expect(await counts()).toEqual([3, 3, 7, 3]);
    },
  );
});
