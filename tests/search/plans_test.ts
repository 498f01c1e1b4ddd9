/** Searches among 60,000 repositories: which indexes lead to the answer, and how many pages are looked at. */
import { expect } from "@std/testing";
import type { Pool } from "../../src/drivers/database/postgres.ts";
import {
  countWithWord,
  rankRepositories,
  type SearchViewer,
} from "../../src/drivers/database/queries/search_repository.ts";
import { searchNamespaces, selectUsersByPrefix } from "../../src/drivers/database/queries/search_entity.ts";
import { withSite } from "../api/site.ts";

interface Plan {
  "Node Type": string;
  "Relation Name"?: string;
  "Actual Loops": number;
  "Shared Hit Blocks": number;
  "Shared Read Blocks": number;
  Plans?: Plan[];
}

/** Big tables that were read as a whole, and 8 KiB pages that were looked at. */
async function cost(sql: Pool, query: unknown): Promise<{ whole: string[]; pages: number }> {
  const [row] = await sql<{ "QUERY PLAN": [{ Plan: Plan }] }[]>`
    explain (analyze, buffers, format json) ${query as ReturnType<Pool>}`;
  const { Plan: top } = row!["QUERY PLAN"][0];
  const whole: string[] = [];
  const visit = (plan: Plan) => {
    const name = plan["Relation Name"];
    if (
      plan["Node Type"] === "Seq Scan" && plan["Actual Loops"] > 0 &&
      (name === "repository" || name === "user")
    ) {
      whole.push(name);
    }
    plan.Plans?.forEach(visit);
  };
  visit(top);
  return { whole, pages: top["Shared Hit Blocks"] + top["Shared Read Blocks"] };
}

/** Both statements of a search for repositories. */
async function costOfSearch(sql: Pool, viewer: SearchViewer, namespace: string, word: string, rare: boolean) {
  const page = { offset: 0, limit: 11 };
  const { whole, pages } = await cost(sql, rankRepositories(sql, viewer, { namespace, word, rare }, page));
  if (word.length < 3) return { whole, pages };
  const counting = await cost(sql, countWithWord(sql, word));
  return { whole: rare ? [...counting.whole, ...whole] : whole, pages: counting.pages + pages };
}

Deno.test("searches: no table is read as a whole for a word that few have, whoever asks", async () => {
  await withSite({}, async ({ deps: { sql } }) => {
    await sql`
      insert into "user" (username, email, organization)
      select 'org' || g, 'org' || g, true from generate_series(1, 2000) g`;
    await sql`
      insert into repository (namespace_user_id, name, visibility_id, description)
      select (select id from "user" where username = 'org' || (1 + g % 2000)), 'app-' || g || '-' || md5(g::text),
        case when g % 3 = 0 then 1 else 2 end, 'Does something of use number ' || g
      from generate_series(1, 60000) g`;
    await sql`vacuum analyze repository`;
    await sql`vacuum analyze "user"`;
    const [{ id: alice }] = await sql<[{ id: number }]>`select id from "user" where username = 'alice'`;
    const viewers = [
      { all: false, userId: null },
      { all: false, userId: alice },
      { all: true, userId: null },
    ];
    for (const viewer of viewers) {
      const rows: [what: string, cost: { whole: string[]; pages: number }, most: number][] = [
        [
          "a whole name",
          await costOfSearch(sql, viewer, "", "app-777-", true),
          400,
        ],
        [
          "no such word",
          await costOfSearch(sql, viewer, "", "zzzzzz", true),
          100,
        ],
        [
          "two letters",
          await costOfSearch(sql, viewer, "", "zz", false),
          100,
        ],
        [
          "of a namespace",
          await costOfSearch(sql, viewer, "org777", "app", false),
          1500,
        ],
        ["namespaces", await cost(sql, searchNamespaces(sql, viewer, "org777", 5)), 300],
      ];
      for (const [what, { whole, pages }, most] of rows) {
        expect([what, viewer, whole]).toEqual([what, viewer, []]);
        expect([what, viewer, pages <= most, pages]).toEqual([what, viewer, true, pages]);
      }
      // Everything fits: so many candidates are ranked and no more.
      const broad = await costOfSearch(sql, viewer, "", "app", false);
      expect([viewer, broad.pages < 20_000, broad.pages]).toEqual([viewer, true, broad.pages]);
    }
    const people = await cost(
      sql,
      selectUsersByPrefix(sql, { prefix: "org77", robotPrefix: "alice+org77", exactOnly: false, limit: 10 }),
    );
    expect([people.whole, people.pages <= 100, people.pages]).toEqual([[], true, people.pages]);
  });
});
