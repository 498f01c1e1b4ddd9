import { expect } from "@std/testing";
import { selectPrunableTags } from "../../src/drivers/database/queries/autoprune.ts";
import { selectMutableTags } from "../../src/drivers/database/queries/immutability_tag.ts";
import { selectTagPeriods } from "../../src/drivers/database/queries/tag_history.ts";
import type { Pool } from "../../src/drivers/database/postgres.ts";
import { Content } from "./content.ts";
import { withSite } from "./site.ts";

interface Plan {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Actual Rows": number;
  "Actual Loops": number;
  "Shared Hit Blocks": number;
  "Shared Read Blocks": number;
  Plans?: Plan[];
}

interface Cost {
  /** 8 KiB pages that were looked at. */
  pages: number;
  indexes: string[];
  wholeTables: string[];
}

/** What PostgreSQL did for `query`. */
async function cost(sql: Pool, query: unknown): Promise<Cost> {
  const [row] = await sql<{ "QUERY PLAN": [{ Plan: Plan }] }[]>`
    explain (analyze, buffers, format json) ${query as ReturnType<Pool>}`;
  const { Plan: top } = row!["QUERY PLAN"][0];
  const found: Cost = {
    pages: top["Shared Hit Blocks"] + top["Shared Read Blocks"],
    indexes: [],
    wholeTables: [],
  };
  const visit = (plan: Plan) => {
    if (plan["Actual Loops"] > 0) {
      if (plan["Index Name"] !== undefined) found.indexes.push(plan["Index Name"]);
      if (plan["Node Type"] === "Seq Scan") found.wholeTables.push(`${plan["Relation Name"]}`);
    }
    plan.Plans?.forEach(visit);
  };
  visit(top);
  return found;
}

Deno.test("tag pages: the index alone leads to a page, early or late, among 60,000 tags", async () => {
  await withSite({}, async ({ deps }) => {
    const { sql } = deps;
    const { repository } = await Content.of(deps, "acme/app");
    await sql`
      insert into manifest (repository_id, digest, media_type_id, manifest_bytes)
      select ${repository.id}, 'sha256:' || lpad(g::text, 64, '0'), 8, '{}' from generate_series(1, 1000) g`;
    await sql`
      insert into tag (name, repository_id, manifest_id, lifetime_start_ms, lifetime_end_ms, tag_kind_id)
      select 'v' || g, ${repository.id}, (select min(id) from manifest) + g % 1000, 1000 + g,
        case when g % 4 = 0 then 2000 + g end, 1
      from generate_series(1, 60000) g`;
    await sql`vacuum analyze tag`;
    await sql`analyze manifest`;
    const ask = (options: Partial<Parameters<typeof selectTagPeriods>[2]>) =>
      cost(sql, selectTagPeriods(sql, repository.id, { offset: 0, limit: 51, ...options }));
    const rows: [what: string, cost: Cost, pages: number][] = [
      ["page 1", await ask({}), 600],
      ["page 800", await ask({ offset: 40_000 }), 2000],
      [
        "page 800, behind the one before",
        await ask({ after: { startMs: 21_000, name: "v20000", id: 1 } }),
        600,
      ],
      ["page 1 of those that live", await ask({ aliveAtMs: 1e12 }), 600],
      ["page 800 of those that live", await ask({ aliveAtMs: 1e12, offset: 40_000 }), 2000],
      ["a part of the name", await ask({ part: "v5999" }), 600],
      ["a part that no name has", await ask({ part: "nothing" }), 50],
      ["one name", await ask({ name: "v7" }), 30],
    ];
    for (const [what, { pages, indexes, wholeTables }, most] of rows) {
      expect([what, wholeTables]).toEqual([what, []]);
      const index = what.startsWith("a part") ? "tag_name_trgm" : "tag_history";
      if (what !== "one name") expect([what, indexes]).toEqual([what, expect.arrayContaining([index])]);
      expect([what, pages <= most, pages]).toEqual([what, true, pages]);
    }
  });
});

Deno.test("immutability and pruning policies: pages of tags that may change come from one index, early or late, among 60,000", async () => {
  await withSite({}, async ({ deps }) => {
    const { sql } = deps;
    const { repository } = await Content.of(deps, "acme/app");
    await sql`
      insert into manifest (repository_id, digest, media_type_id, manifest_bytes)
      select ${repository.id}, 'sha256:' || lpad('1', 64, '0'), 8, '{}'`;
    await sql`
      insert into tag (name, repository_id, manifest_id, lifetime_start_ms, lifetime_end_ms, tag_kind_id)
      select 'v' || lpad(g::text, 6, '0'), ${repository.id}, (select min(id) from manifest), 1000 + g,
        case when g % 4 = 0 then 1e13 when g % 4 = 1 then 2000 + g end, 1
      from generate_series(1, 60000) g`;
    await sql`vacuum analyze tag`;
    for (const [expiring, index] of [[false, "tag_alive_by_name"], [true, "tag_expiring_by_name"]] as const) {
      for (const afterName of ["", "v050000"]) {
        const page = { afterName, expiring, nowMs: 1e12, limit: 100 };
        const { pages, indexes, wholeTables } = await cost(sql, selectMutableTags(sql, repository.id, page));
        expect([afterName, indexes, wholeTables]).toEqual([afterName, [index], []]);
        expect([afterName, pages <= 60, pages]).toEqual([afterName, true, pages]);
      }
    }
    for (const untilMs of [1e12, 20_000]) {
      const after = { id: 0, name: "v1", startMs: untilMs };
      for (const page of [{ untilMs }, { untilMs, after }]) {
        const query = selectPrunableTags(sql, repository.id, { ...page, nowMs: 1e12, limit: 100 });
        const { pages, indexes, wholeTables } = await cost(sql, query);
        expect([page, indexes, wholeTables]).toEqual([page, ["tag_history"], []]);
        expect([page, pages <= 200, pages]).toEqual([page, true, pages]);
      }
    }
  });
});
