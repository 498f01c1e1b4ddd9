import assert from "node:assert/strict";
import { selectByDigests, selectByTags } from "../../src/drivers/database/queries/manifest.ts";
import { selectTagNames } from "../../src/drivers/database/queries/tag.ts";
import type { Pool } from "../../src/drivers/database/postgres.ts";
import { withRegistry } from "./fixture.ts";

/** Rows that the plan's scans touched for `query`, and whether one of them read a whole table. */
async function cost(sql: Pool, query: unknown): Promise<{ rows: number; wholeTables: string[] }> {
  type Plan = Record<string, unknown> & { Plans?: Plan[] };
  const [row] = await sql<{ "QUERY PLAN": [{ Plan: Plan }] }[]>`
    explain (analyze, format json) ${query as ReturnType<Pool>}`;
  let rows = 0;
  const wholeTables: string[] = [];
  const visit = (plan: Plan) => {
    const loops = Number(plan["Actual Loops"]);
    const removed = Number(plan["Rows Removed by Filter"] ?? 0);
    if (`${plan["Node Type"]}`.includes("Scan") && plan["Relation Name"] !== undefined && loops > 0) {
      rows += (Number(plan["Actual Rows"]) + removed) * loops;
      if (plan["Node Type"] === "Seq Scan") wholeTables.push(`${plan["Relation Name"]}`);
    }
    plan.Plans?.forEach(visit);
  };
  visit(row!["QUERY PLAN"][0].Plan);
  return { rows, wholeTables };
}

Deno.test("lookups and tag pages touch a few rows among 100,000 tags, however long a tag's history is", () =>
  withRegistry(async ({ sql, repositoryId }) => {
    await sql`
      insert into manifest (repository_id, digest, media_type_id, manifest_bytes)
      select ${repositoryId}, 'sha256:' || lpad(g::text, 64, '0'), (select min(id) from mediatype), '{}'
      from generate_series(1, 20000) g`;
    await sql`
      insert into tag (name, repository_id, manifest_id, lifetime_start_ms, tag_kind_id)
      select 'v' || g, ${repositoryId}, (select min(id) from manifest) + g % 20000, 1, 1 from generate_series(1, 100000) g`;
    await sql`
      insert into tag (name, repository_id, manifest_id, lifetime_start_ms, lifetime_end_ms, tag_kind_id)
      select 'v7', ${repositoryId}, (select min(id) from manifest) + 3, g, g + 1, 1 from generate_series(1, 5000) g`;
    await sql`
      insert into repository (namespace_user_id, name, visibility_id, description, badge_token, kind_id, trust_enabled, state)
      select namespace_user_id, 'filler' || g, visibility_id, '', g::text, kind_id, false, 0
      from repository, generate_series(1, 2000) g`;
    await sql`
      insert into "user" (uuid, username, email, organization, robot, verified, enabled, invoice_email,
        invalid_login_attempts, last_invalid_login, removed_tag_expiration_s)
      select g::text, 'filler' || g, 'filler' || g, true, false, false, true, false, 0, now(), 0
      from generate_series(1, 2000) g`;
    await sql`analyze`;

    const nowMs = Date.now();
    const question = { namespaces: ["acme"], names: ["app"] };
    const digest = `sha256:${"4".padStart(64, "0")}`;
    const cases: [string, unknown, number][] = [
      ["by tag", selectByTags(sql, { ...question, references: ["v7"] }, nowMs), 6],
      ["by digest", selectByDigests(sql, { ...question, references: [digest] }, nowMs), 6],
      ["a page", selectTagNames(sql, repositoryId, { after: "v5", limit: 101, nowMs }), 110],
    ];
    for (const [what, query, most] of cases) {
      const { rows, wholeTables } = await cost(sql, query);
      assert.deepEqual(wholeTables, [], what);
      assert.ok(rows <= most, `${what} touched ${rows} rows`);
    }
    const page = await selectTagNames(sql, repositoryId, { after: "v70", limit: 3, nowMs });
    assert.deepEqual(page.map((row) => row.name), ["v700", "v7000", "v70000"]);
  }));
