/**
 * How much repositories are used: a worker counts each day's rows of the action log once, when the day is over, and scores
 * repositories by the counts. Searches and listings read the results only.
 */
import {
  countActionsOf,
  deleteCountsBefore,
  selectActionCounts,
  selectLastCountedDay,
  selectNextRepositoryId,
  tryLockCounting,
  updateSearchScores,
} from "../../drivers/database/queries/popularity.ts";
import type { Deps } from "../deps.ts";
import { utcDay } from "../../lib/utc_day.ts";

const DAY_MS = 86_400_000;
/** What was done before is not counted when counting starts. */
const FIRST_DAYS = 31;
/** Rows of the log may be written a little late. */
const LATE_MS = 10 * 60_000;
/** Counts are told for three months and scored for six; older ones go. */
const KEPT_DAYS = 366;
const BATCH = 1000;
/** A repository's page shows three months. */
const SHOWN_DAYS = 91;

/**
 * Counts the days that are over and have not been counted, and brings the scores up to date. Several nodes may do so at
 * once: one counts.
 * @returns how many days were counted
 */
export async function countRepositoryActions({ sql, now }: Pick<Deps, "sql" | "now">): Promise<number> {
  const nowMs = now();
  const lastOverMs = startOfDay(nowMs - LATE_MS) - DAY_MS;
  const counted = await sql.begin(async (tx) => {
    if (!await tryLockCounting(tx)) return 0;
    const last = await selectLastCountedDay(tx);
    const firstMs = last === undefined
      ? lastOverMs - (FIRST_DAYS - 1) * DAY_MS
      : Math.max(Date.parse(last) + DAY_MS, lastOverMs - (FIRST_DAYS - 1) * DAY_MS);
    let days = 0;
    for (let ms = firstMs; ms <= lastOverMs; ms += DAY_MS) {
      if (await countActionsOf(tx, utcDay(ms)) > 0) days++;
    }
    if (days > 0) await deleteCountsBefore(tx, utcDay(lastOverMs - KEPT_DAYS * DAY_MS));
    return days;
  });
  if (counted > 0) await scoreRepositories({ sql, now }, utcDay(lastOverMs));
  return counted;
}

/**
 * How often a repository was used on each of the last {@link SHOWN_DAYS} days, the oldest first; today is not counted yet.
 * @param repositoryId the caller has checked read permission
 */
export async function listActionCounts(
  { sql, now }: Pick<Deps, "sql" | "now">,
  repositoryId: number,
): Promise<{ day: string; count: number }[]> {
  const todayMs = startOfDay(now());
  const rows = await selectActionCounts(sql, repositoryId, utcDay(todayMs - SHOWN_DAYS * DAY_MS));
  const counted = new Map(rows.map(({ day, count }) => [day, count]));
  return Array.from({ length: SHOWN_DAYS }, (_, at) => {
    const day = utcDay(todayMs - (SHOWN_DAYS - at) * DAY_MS);
    return { day, count: counted.get(day) ?? 0 };
  });
}

async function scoreRepositories({ sql, now }: Pick<Deps, "sql" | "now">, day: string): Promise<void> {
  for (let afterId = 0;;) {
    const lastId = await selectNextRepositoryId(sql, afterId, BATCH);
    if (lastId === undefined) return;
    await updateSearchScores(sql, { afterId, lastId, day, nowMs: now() });
    afterId = lastId;
  }
}

function startOfDay(ms: number): number {
  return Math.floor(ms / DAY_MS) * DAY_MS;
}
