/**
 * Counts of the action log by day, so that a month of a site with ten million rows is summed from some hundred. Table
 * `logdailycount` has the rows of `logentry3` up to `logcounted.until_time`, exactly: whatever adds or deletes rows
 * behind that moment says so here, in its own transaction. Younger rows are counted when they are asked for.
 */
import {
  countLateLogs,
  countNextLogs,
  deleteEmptyCounts,
  holdCounting,
  uncountLogs,
} from "../../drivers/database/queries/log_count.ts";
import {
  insertLateLogEntries,
  insertLogEntries,
  type NewLogEntry,
} from "../../drivers/database/queries/log_entry.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import type { BufferedAction } from "./action_buffer.ts";
import type { Deps } from "../deps.ts";
import { countPulls } from "../repositories/pull_statistics.ts";

/** Rows are this old when they are counted: the transaction that wrote one has ended by then, on every node. */
const COUNT_AFTER_MS = 120_000;
/** Rows that have waited for longer may be behind what has been counted when they are written. */
const LATE_MS = COUNT_AFTER_MS / 2;

/** Writes what may have waited for the database, all or nothing. */
export async function storeActions(
  { sql, now }: Pick<Deps, "sql" | "now">,
  actions: readonly BufferedAction[],
): Promise<void> {
  const entries = actions.map(({ entry }) => entry).filter((entry) => entry !== undefined);
  const pulls = actions.map(({ pull }) => pull).filter((pull) => pull !== undefined);
  if (pulls.length === 0) return await storeEntries(sql, entries, now());
  await sql.begin(async (tx) => {
    await storeEntries(tx, entries, now());
    await countPulls(tx, pulls);
  });
}

async function storeEntries(sql: Sql, entries: readonly NewLogEntry[], nowMs: number): Promise<void> {
  if (entries.length === 0) return;
  const lateMs = nowMs - LATE_MS;
  if (!entries.some((entry) => entry.atMs < lateMs)) return await insertLogEntries(sql, entries);
  const store = async (tx: Sql) => {
    const countedMs = await holdCounting(tx);
    await countLateLogs(tx, await insertLateLogEntries(tx, entries), countedMs);
  };
  await ("begin" in sql ? sql.begin(store) : store(sql));
}

/** Counts what is there to be counted. Several nodes may do so at once. For `backgroundWork`. */
export async function countActions({ sql, now }: Pick<Deps, "sql" | "now">): Promise<void> {
  const beforeMs = now() - COUNT_AFTER_MS;
  while (await sql.begin((tx) => countNextLogs(tx, beforeMs))) { /* a day at a time */ }
}

/**
 * Holds the counts as they are until the transaction ends, for whoever deletes rows with {@link uncountActions}.
 * @returns rows younger than this, epoch milliseconds, are not counted and must stay
 */
export const holdCounts = (tx: Sql): Promise<number> => holdCounting(tx);

/** Takes rows that the same transaction deletes out of the counts. */
export const uncountActions = (tx: Sql, ids: readonly number[]): Promise<void> => uncountLogs(tx, ids);

/** After many deletions. */
export const forgetEmptyCounts = (sql: Sql): Promise<void> => deleteEmptyCounts(sql);
