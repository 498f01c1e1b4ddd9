import assert from "node:assert/strict";
import { reportRepositories } from "../../src/domain/quota/quota_reports.ts";
import { backfillSizes } from "../../src/domain/quota/sizes.ts";
import { invalidateSizes, sizeBackfiller } from "../../src/workers/quota_backfill.ts";
import type { Deps } from "../../src/domain/deps.ts";
import { lockCountedBlobs } from "../../src/drivers/database/queries/quota_size.ts";
import { Content, stopClock } from "../api/content.ts";
import { type Site, withSite } from "../api/site.ts";
import { expectTrueSizes } from "./recount.ts";

const ON = { FEATURE_QUOTA_MANAGEMENT: true };
const never = new AbortController().signal;

/** Switches counting for what comes. */
function setCounting({ deps }: Site, FEATURE_QUOTA_MANAGEMENT: boolean): void {
  Object.assign(deps, { config: { ...deps.config, FEATURE_QUOTA_MANAGEMENT } });
}

async function reports(site: Site) {
  const alice = await site.browserOf("alice");
  const organization = await alice.expect(200, "GET", "/organization/acme");
  const { repositories } = await alice.expect(200, "GET", "/repository?namespace=acme");
  return {
    namespace: organization.quota_report,
    repositories: Object.fromEntries(
      repositories.map((repository: { name: string; quota_report: { quota_bytes: number } }) => [
        repository.name,
        repository.quota_report.quota_bytes,
      ]),
    ),
  };
}

async function stored(deps: Deps): Promise<number> {
  const [row] = await deps.sql<
    { bytes: number }[]
  >`select sum(image_size)::float8 as bytes from imagestorage`;
  return row!.bytes;
}

Deno.test("quota_report: distinct blobs, once a repository and once a namespace", async () => {
  await withSite(ON, async (site) => {
    const { deps } = site;
    const [one, two] = [await Content.of(deps, "acme/one"), await Content.of(deps, "acme/two")];
    const digest = await one.image({ word: "layer", tag: "v1" });
    const bytes = await stored(deps);
    await one.image({ word: "layer", tag: "again" });
    await one.index([digest], "list");
    await two.image({ word: "layer", tag: "v1" });
    const first = await reports(site);
    assert.deepEqual(first.repositories, { one: bytes, two: bytes });
    assert.equal(first.namespace.quota_bytes, bytes);
    assert.equal(first.namespace.backfill_status, "waiting");
    await two.image({ word: "another layer", tag: "v2" });
    const second = await reports(site);
    assert.deepEqual(second.repositories, { one: bytes, two: await stored(deps) });
    assert.equal(second.namespace.quota_bytes, await stored(deps));
    await expectTrueSizes(deps.sql);
  });
});

Deno.test("sizes fall when manifests go, however they go", async () => {
  await withSite(ON, async ({ deps }) => {
    const { sql } = deps;
    const [one, two] = [await Content.of(deps, "acme/one"), await Content.of(deps, "acme/two")];
    for (const content of [one, two]) {
      for (const word of ["a", "bb", "ccc", "dddd"]) await content.image({ word, tag: word });
    }
    await expectTrueSizes(sql);
    await sql`delete from manifest where id = (select min(id) from manifest where repository_id = ${one.repository.id})`;
    await expectTrueSizes(sql);
    await sql`delete from manifestblob where repository_id = ${two.repository.id}`;
    await expectTrueSizes(sql);
    await two.image({ word: "bb", tag: "bb" });
    await expectTrueSizes(sql);
    await sql`delete from repository where id = ${one.repository.id}`;
    await expectTrueSizes(sql);
    await sql`delete from manifest`;
    await expectTrueSizes(sql);
    assert.equal((await sql`select from quotablob`).length, 0);
  });
});

Deno.test("pushes, deletions and the backfill at once leave true sizes", async () => {
  await withSite(ON, async ({ deps }) => {
    const contents = await Promise.all(["one", "two"].map((name) => Content.of(deps, `acme/${name}`)));
    const words = Array.from({ length: 6 }, (_, n) => "x".repeat(n + 1));
    let rounds = 40;
    const push = async () => {
      while (rounds-- > 0) {
        const word = words[rounds % words.length] as string;
        const content = contents[rounds % 2] as Content;
        await content.image({ word, tag: `${word}-${rounds}` }).catch((error) => {
          // A deletion came between the blobs and the manifest, as garbage collection may.
          if (error?.code !== "manifest_blob_unknown") throw error;
        });
      }
    };
    const remove = async () => {
      while (rounds > 0) {
        await deps.sql`delete from manifest where id in (select id from manifest order by random() limit 1)`;
      }
    };
    const count = async () => {
      while (rounds > 0) {
        await deps.sql`update quotanamespacesize set backfill_complete = false`;
        await deps.sql`update quotarepositorysize set backfill_complete = false`;
        await backfillSizes(deps, { afterId: 0, limit: 100 }, never);
      }
    };
    await Promise.all([push(), push(), push(), remove(), count()]);
    await expectTrueSizes(deps.sql);
  });
});

Deno.test("FEATURE_QUOTA_MANAGEMENT false: a push writes no size", async () => {
  await withSite({}, async ({ deps }) => {
    await (await Content.of(deps, "acme/one")).image({ word: "a", tag: "a" });
    for (const table of ["quotablob", "quotanamespacesize", "quotarepositorysize"]) {
      assert.equal((await deps.sql.unsafe(`select from ${table}`)).length, 0, table);
    }
  });
});

Deno.test("QUOTA_BACKFILL: what was there is counted after QUOTA_TOTAL_DELAY_SECONDS, once, beside pushes", async () => {
  await withSite({ QUOTA_TOTAL_DELAY_SECONDS: 60 }, async (site) => {
    const { deps } = site;
    const one = await Content.of(deps, "acme/one");
    for (const word of ["a", "bb"]) await one.image({ word, tag: word });
    await Content.of(deps, "acme/empty");
    setCounting(site, true);
    const clock = stopClock(deps, deps.now());
    const backfill = sizeBackfiller(deps);
    await one.image({ word: "a", tag: "a2" });
    await one.image({ word: "ccc", tag: "ccc" });
    await backfill(never);
    assert.equal((await reports(site)).namespace.backfill_status, "waiting");
    clock.ms += 60_000;
    await backfill(never);
    await expectTrueSizes(deps.sql);
    const { namespace, repositories } = await reports(site);
    assert.equal(namespace.backfill_status, "complete");
    assert.deepEqual(repositories, { one: await stored(deps), empty: 0 });

    const later = await Content.of(deps, "acme/later");
    await later.image({ word: "dddd", tag: "dddd" });
    const found = await reportRepositories(deps, [one.repository, later.repository]);
    assert.deepEqual([...found!.values()].map(({ backfill }) => backfill), ["complete", "complete"]);
    await expectTrueSizes(deps.sql);
  });
});

Deno.test("a push into a namespace that is not counted does not make its sizes whole", async () => {
  await withSite({}, async (site) => {
    const { deps } = site;
    const one = await Content.of(deps, "acme/one");
    await one.image({ word: "old", tag: "old" });
    setCounting(site, true);
    await one.image({ word: "new", tag: "new" });
    const rows = await deps.sql`
      select backfill_complete from quotarepositorysize union all select backfill_complete from quotanamespacesize`;
    assert.deepEqual(rows.map((row) => row.backfill_complete), [false, false]);
    await backfillSizes(deps, { afterId: 0, limit: 100 }, never);
    await expectTrueSizes(deps.sql);
  });
});

Deno.test("QUOTA_INVALIDATE_TOTALS: sizes are counted anew after a time without counting", async () => {
  await withSite(ON, async (site) => {
    const { deps } = site;
    const one = await Content.of(deps, "acme/one");
    await one.image({ word: "a", tag: "a" });
    await backfillSizes(deps, { afterId: 0, limit: 100 }, never);
    await invalidateSizes(deps);
    assert.equal((await reports(site)).namespace.backfill_status, "complete");
    setCounting(site, false);
    await invalidateSizes(deps);
    await one.image({ word: "bb", tag: "bb" });
    setCounting(site, true);
    assert.equal((await reports(site)).namespace.backfill_status, "waiting");
    await backfillSizes(deps, { afterId: 0, limit: 100 }, never);
    await expectTrueSizes(deps.sql);
  });
});

Deno.test("FEATURE_QUOTA_SUPPRESS_FAILURES: a push passes though counting fails; otherwise it does not", async () => {
  for (const FEATURE_QUOTA_SUPPRESS_FAILURES of [true, false]) {
    await withSite({ ...ON, FEATURE_QUOTA_SUPPRESS_FAILURES }, async ({ deps }) => {
      const one = await Content.of(deps, "acme/one");
      await deps.sql`alter table quotablob add constraint broken check (size_bytes < 0)`;
      const push = one.image({ word: "a", tag: "a" });
      if (FEATURE_QUOTA_SUPPRESS_FAILURES) await push;
      else await assert.rejects(push, /broken/);
      assert.equal((await deps.sql`select from tag`).length, FEATURE_QUOTA_SUPPRESS_FAILURES ? 1 : 0);
    });
  }
});

Deno.test("counting what is counted touches the blobs' rows alone, among 50,000", async () => {
  await withSite(ON, async ({ deps }) => {
    const { sql } = deps;
    const one = await Content.of(deps, "acme/one");
    await one.image({ word: "a", tag: "a" });
    await sql`
      insert into imagestorage (content_checksum, image_size, uploading)
      select 'sha256:filler' || g, 1, false from generate_series(1, 50000) g`;
    await sql`
      insert into quotablob (repository_id, blob_id, namespace_user_id, size_bytes)
      select ${one.repository.id}, id, ${one.repository.namespaceId}, 1 from imagestorage where content_checksum like '%filler%'`;
    await sql`analyze quotablob`;
    const blobIds = (await sql<{ id: number }[]>`select blob_id as id from manifestblob`).map((row) =>
      row.id
    );
    let plan = "";
    const explaining = async (strings: TemplateStringsArray, ...values: number[]) => {
      const text = Object.assign([`explain ${strings[0]}`, ...strings.slice(1)], { raw: strings.raw });
      const rows = await sql(text as TemplateStringsArray, ...values);
      plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
      return rows;
    };
    await lockCountedBlobs(explaining as unknown as Deps["sql"], {
      repositoryId: one.repository.id,
      blobIds,
    });
    assert.match(plan, /Index/);
    assert.doesNotMatch(plan, /Seq Scan|Filter: \(repository_id/, plan);
  });
});
