import { expect } from "@std/testing";
import type { Pool } from "../../src/drivers/database/postgres.ts";
import { selectActiveNotifications } from "../../src/drivers/database/queries/notification.ts";
import { Content } from "../api/content.ts";
import { withSite } from "../api/site.ts";

async function planOf(sql: Pool, query: unknown): Promise<{ text: string; pages: number }> {
  const [row] = await sql`explain (analyze, buffers, format json) ${query as ReturnType<Pool>}`;
  const { Plan: top } = row!["QUERY PLAN"][0];
  return {
    text: JSON.stringify(row!["QUERY PLAN"]),
    pages: top["Shared Hit Blocks"] + top["Shared Read Blocks"],
  };
}

Deno.test("a push finds who wants to be told by an index, among 40,000 notifications of 2,000 repositories", async () => {
  await withSite({}, async ({ deps: { sql }, deps }) => {
    const quiet = await Content.of(deps, "acme/quiet");
    const loud = await Content.of(deps, "acme/loud");
    await sql`
      insert into repository (namespace_user_id, name, visibility_id, badge_token, kind_id, state)
      select namespace_user_id, 'r' || g, visibility_id, gen_random_uuid()::text, kind_id, 0
      from repository, generate_series(1, 2000) g where id = ${quiet.repository.id}`;
    await sql`
      insert into repositorynotification (repository_id, event_id, method_id, config_json, number_of_failures)
      select r.id, 1 + g % 11, 3, '{}', g % 4 from repository r, generate_series(1, 20) g
      where r.id not in (${quiet.repository.id}, ${loud.repository.id})`;
    await sql`
      insert into repositorynotification (repository_id, event_id, method_id, config_json, number_of_failures)
      select ${loud.repository.id}, 1, 3, '{}', g % 4 from generate_series(1, 8) g`;
    await sql`vacuum analyze repositorynotification, repository, "user"`;
    for (const [repository, rows] of [[quiet.repository, 0], [loud.repository, 6]] as const) {
      expect((await selectActiveNotifications(sql, repository.id, "repo_push")).length).toBe(rows);
      const { text, pages } = await planOf(sql, selectActiveNotifications(sql, repository.id, "repo_push"));
      expect(text).toContain("repositorynotification_repository_id");
      expect(text).not.toMatch(/"Seq Scan"[^{}]*"Relation Name":"(repositorynotification|repository)"/);
      expect([repository.name, pages < 60, pages]).toEqual([repository.name, true, pages]);
    }
  });
});
