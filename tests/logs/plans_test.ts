import { expect } from "@std/testing";
import { countActions } from "../../src/domain/logs/log_counts.ts";
import { selectCountedMs } from "../../src/drivers/database/queries/log_count.ts";
import { countLogs, type LogFilter, selectLogs } from "../../src/drivers/database/queries/log_reading.ts";
import type { Pool } from "../../src/drivers/database/postgres.ts";
import { testDeps, withDatabase } from "../database.ts";

interface Plan {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Actual Loops": number;
  "Shared Hit Blocks": number;
  "Shared Read Blocks": number;
  Plans?: Plan[];
}

/** 8 KiB pages that were looked at, and tables of the log that were read whole. */
async function cost(sql: Pool, query: unknown): Promise<{ pages: number; wholeTables: string[] }> {
  const [row] = await sql<{ "QUERY PLAN": [{ Plan: Plan }] }[]>`
    explain (analyze, buffers, format json) ${query as ReturnType<Pool>}`;
  const { Plan: top } = row!["QUERY PLAN"][0];
  const wholeTables: string[] = [];
  const visit = (plan: Plan) => {
    const relation = plan["Relation Name"] ?? "";
    if (plan["Node Type"] === "Seq Scan" && plan["Actual Loops"] > 0 && LARGE.has(relation)) {
      wholeTables.push(relation);
    }
    plan.Plans?.forEach(visit);
  };
  visit(top);
  return { pages: top["Shared Hit Blocks"] + top["Shared Read Blocks"], wholeTables };
}

const LARGE = new Set(["logentry3", "logdailycount"]);
const ROWS = 300_000;
const DAY = 86_400_000;
const NOW = Date.parse("2026-05-20T12:00:00Z");

/** A month of a site: 20 namespaces, 200 repositories, 50 performers; the first of each has more than the others. */
async function fill(sql: Pool): Promise<void> {
  await sql`
    insert into logentry3 (kind_id, account_id, performer_id, repository_id, datetime, ip, metadata_json)
    select case when n % 10 = 0 then 42 else 41 end, case when n % 2 = 0 then 1 else 1 + n % 20 end,
      case when n % 3 = 0 then null else 1 + n % 50 end, case when n % 4 = 0 then 1 else 1 + n % 200 end,
      to_timestamp(${(NOW - 30 * DAY) / 1000} + n * ${
    30 * DAY / 1000 / ROWS
  }::float8) at time zone 'utc', '192.0.2.1', '{}'
    from generate_series(1, ${ROWS}::integer) n`;
  await sql`update logcounted set until_time = '2026-04-01'`;
  await sql`vacuum analyze logentry3`;
}

Deno.test("pages and counts of the log: an index leads to each, early or late, among 300,000 rows", async () => {
  await withDatabase(async (sql) => {
    await fill(sql);
    const deps = { ...await testDeps(sql), now: () => NOW + 600_000 };
    await countActions(deps);
    await sql`vacuum analyze logdailycount`;
    const range = { fromMs: NOW - 31 * DAY, toMs: NOW + DAY };
    const late = { at: new Date(NOW - 29 * DAY).toISOString().slice(0, -1), id: 1_000_000 };
    const ask = (filter: Partial<LogFilter>, after?: typeof late) =>
      cost(sql, selectLogs(sql, "logentry3", { ...range, ...filter, after, limit: 21 }));
    const countedMs = await selectCountedMs(sql);
    const count = (filter: Partial<LogFilter>) =>
      cost(sql, countLogs(sql, { ...range, ...filter }, countedMs));
    const rows: [what: string, cost: { pages: number; wholeTables: string[] }, pages: number][] = [
      ["a namespace, page 1", await ask({ accountId: 1 }), 150],
      ["a namespace, late", await ask({ accountId: 1 }, late), 150],
      ["a small namespace, late", await ask({ accountId: 7 }, late), 250],
      ["a repository, page 1", await ask({ repositoryId: 1 }), 150],
      ["a repository, late", await ask({ repositoryId: 1 }, late), 150],
      ["the site, page 1", await ask({}), 150],
      ["the site, late", await ask({}, late), 150],
      ["a performer on the site, late", await ask({ performerId: 8 }, late), 250],
      ["a performer who never was in a namespace", await ask({ accountId: 1, performerId: 8 }), 20],
      ["a performer in a namespace, late", await ask({ accountId: 8, performerId: 8 }, late), 150],
      ["counts of a namespace", await count({ accountId: 1 }), 100],
      ["counts of a performer in it", await count({ accountId: 1, performerId: 8 }), 100],
      ["counts of a repository", await count({ repositoryId: 1 }), 100],
      ["counts of the site", await count({}), 100],
      ["counts of a performer", await count({ performerId: 8 }), 150],
    ];
    for (const [what, { pages, wholeTables }, most] of rows) {
      expect([what, wholeTables]).toEqual([what, []]);
      expect([what, pages <= most, pages]).toEqual([what, true, pages]);
    }
    const [sum] = await sql<{ sum: number }[]>`
      select sum(count)::integer as sum from logdailycount where scope = 's' and performer_id = 0`;
    expect(sum?.sum).toBe(ROWS);
  });
});
