/**
 * What the console asks of the API, on a database of realistic shape: no query of it reads a large table from end to end,
 * and a late page of a list reads no more than the first. PostgreSQL counts both; time is not looked at.
 */
import { expect } from "@std/testing";
import { defaultConfig } from "../../src/config/schema.ts";
import { countActions } from "../../src/domain/logs/log_counts.ts";
import { openPool, type Pool } from "../../src/drivers/database/postgres.ts";
import { API_CALLS, type ApiCall, LISTS } from "../bench/api_calls.ts";
import { CONFIG, issueTokens, type Tokens } from "../bench/api_data.ts";
import { populate, SMALL } from "../bench/population.ts";
import { testDeps, testServer, withDatabase, withTemplate } from "../database.ts";
import { mount } from "./api_client.ts";

/** Tables that grow with what is in the registry. */
const LARGE = [
  "user",
  "team",
  "teammember",
  "repository",
  "repositorypermission",
  "repositorysearchscore",
  "repositoryactioncount",
  "repositorynotification",
  "star",
  "manifest",
  "manifestblob",
  "manifestlabel",
  "label",
  "tag",
  "notification",
  "logentry3",
  "logdailycount",
];
/** From its sixth use on a prepared statement may have a plan that is made for every parameter. */
const USES = 8;
const MOST_PAGES = 60;

/** What a request made PostgreSQL read. */
interface Reading {
  readonly text: string;
  /** Rows of large tables that were read from end to end, by table. */
  readonly wholeTables: Readonly<Record<string, number>>;
  /** 8 KiB pages of tables and indexes. */
  readonly pages: number;
}

Deno.test("what the console asks: an index serves each query, and late pages read what first pages read", async (t) => {
  let tokens: Tokens;
  await withTemplate(async (sql) => {
    tokens = await fill(sql);
  }, (template) =>
    withDatabase(async (sql, database) => {
      // Tables of the suite's size are read whole for good reason; what cannot be served by an index still is.
      await sql.unsafe(`alter database ${database} set enable_seqscan = off`);
      const target = await testServer();
      const pool = openPool({ target, max: 1, applicationName: "plans", database });
      try {
        const app = mount(testDeps(pool, { config: defaultConfig(CONFIG) }));
        const ask = (as: keyof Tokens, path: string) => read(pool, app.fetch.bind(app), tokens[as], path);
        await t.step("no query reads a large table from end to end", async () => {
          const whole: string[] = [];
          for (const call of API_CALLS) {
            for (let use = 0; use < USES; use++) {
              const { wholeTables } = await ask(call.as, pathOf(call, use));
              if (Object.keys(wholeTables).length === 0) continue;
              whole.push(`${call.what}, use ${use + 1}: ${JSON.stringify(wholeTables)}`);
              break;
            }
          }
          expect(whole).toEqual([]);
        });
        await t.step("a late page reads no more than the first", async () => {
          const growing: string[] = [];
          for (const { what, as, path } of LISTS) {
            const pages = await walk((address) => ask(as, address), path);
            if (pages.length < 8) continue;
            const edge = Math.floor(pages.length / 4);
            // The last page of all is shorter.
            const [first, last] = [median(pages.slice(0, edge)), median(pages.slice(-edge - 1, -1))];
            if (last > 2 * first + 60) growing.push(`${what}: ${first} pages at first, ${last} at last`);
          }
          expect(growing).toEqual([]);
        });
      } finally {
        await pool.end({ timeout: 5 });
      }
    }, template));
});

/**
 * What is counted later must be of the requests alone, and the same in each run. Hence a copy of this is measured: there
 * no session of the filling is left that hands in its counts late (PostgreSQL lets idle ones wait 10 s), and nothing has
 * changed that the autovacuum would look through. And hence statistics of all rows: by default 30,000 of a table are
 * drawn by lot, fewer than there are log entries, and on the lot hangs which index the planner takes.
 */
async function fill(sql: Pool): Promise<Tokens> {
  const deps = testDeps(sql, { config: defaultConfig(CONFIG) });
  await populate(sql, SMALL, { sealedToken: deps.secrets.encrypt("X".repeat(64)) });
  await sql`update logcounted set until_time = (select min(datetime) from logentry3)`;
  await countActions(deps);
  const tokens = await issueTokens(deps);
  const session = await sql.reserve();
  try {
    // 300 rows for each.
    await session`set default_statistics_target = 1000`;
    await session`vacuum analyze`;
  } finally {
    session.release();
  }
  return tokens;
}

function pathOf({ path }: ApiCall, use: number): string {
  return typeof path === "string" ? path : path(use);
}

async function read(
  pool: Pool,
  fetch: (request: Request) => Response | Promise<Response>,
  token: string,
  path: string,
): Promise<Reading> {
  const before = await counters(pool);
  const headers: HeadersInit = token === "" ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(new Request(`http://localhost:8080${path}`, { headers }));
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text}`);
  const after = await counters(pool);
  const wholeTables: Record<string, number> = {};
  let pages = 0;
  for (const [table, now] of after) {
    const then = before.get(table) ?? { whole: 0, pages: 0 };
    if (now.whole > then.whole) wholeTables[table] = now.whole - then.whole;
    pages += now.pages - then.pages;
  }
  return { text, wholeTables, pages };
}

/** PostgreSQL's counts for the large tables; what this connection did is handed in first. */
async function counters(pool: Pool): Promise<Map<string, { whole: number; pages: number }>> {
  await pool`select pg_stat_force_next_flush()`;
  const rows = await pool<{ name: string; whole: number; pages: number }[]>`
    select t.relname as name, t.seq_tup_read::float8 as whole,
      (io.heap_blks_read + io.heap_blks_hit + coalesce(io.idx_blks_read + io.idx_blks_hit, 0))::float8 as pages
    from pg_stat_user_tables t join pg_statio_user_tables io on io.relid = t.relid
    where t.relname = any(${LARGE})`;
  return new Map(rows.map(({ name, whole, pages }) => [name, { whole, pages }]));
}

/** Pages that each page of the list made PostgreSQL read. */
async function walk(ask: (path: string) => Promise<Reading>, path: string): Promise<number[]> {
  const pages: number[] = [];
  let address = path.replace("{page}", "1");
  while (pages.length < MOST_PAGES) {
    const reading = await ask(address);
    pages.push(reading.pages);
    const { next_page: next, has_additional: more, additional } = JSON.parse(reading.text);
    if (path.includes("{page}")) {
      if (more !== true && additional !== true) break;
      address = path.replace("{page}", `${pages.length + 1}`);
    } else {
      if (next === undefined) break;
      address = `${path}${path.includes("?") ? "&" : "?"}next_page=${encodeURIComponent(next)}`;
    }
  }
  return pages;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}
