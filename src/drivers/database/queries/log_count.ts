import type { PendingQuery, Row } from "postgres";
import type { Sql } from "../postgres.ts";

/**
 * Adds the rows of `source` (a query or CTE with the columns of `logentry3`) to the counts of their days.
 * @param sign -1 takes them out
 */
function addToCounts(sql: Sql, source: PendingQuery<Row[]>, sign: 1 | -1) {
  return sql`
    insert into logdailycount as c (scope, owner_id, performer_id, day, kind_id, count)
    select case when grouping(account_id) = 0 then 'n' when grouping(repository_id) = 0 then 'r' else 's' end::"char",
      coalesce(case when grouping(account_id) = 0 then account_id when grouping(repository_id) = 0 then repository_id end, 0),
      coalesce(performer_id, 0), day, kind_id, ${sign} * count(*)
    from (select account_id, repository_id, performer_id, datetime::date as day, kind_id from ${source}) l
    group by grouping sets (
      (account_id, day, kind_id), (account_id, performer_id, day, kind_id), (repository_id, day, kind_id),
      (day, kind_id), (performer_id, day, kind_id))
    having (grouping(performer_id) = 1 or performer_id is not null)
      and (grouping(repository_id) = 1 or repository_id is not null)
    on conflict (scope, owner_id, performer_id, day, kind_id) do update set count = c.count + excluded.count`;
}

/**
 * Counts what has been written since the last time, at most a day of it.
 * @param tx a transaction: whoever counts meanwhile waits, and goes on where this ended
 * @param beforeMs nothing younger is counted: it may still be on its way
 * @returns whether there is more to count
 */
export async function countNextLogs(tx: Sql, beforeMs: number): Promise<boolean> {
  const [span] = await tx<{ from: string; to: string; more: boolean }[]>`
    select until_time::text as from, least(until_time + interval '1 day', b.before)::text as to,
      until_time + interval '1 day' < b.before as more
    from logcounted, (select to_timestamp(${beforeMs / 1000}) at time zone 'utc' as before) b
    where until_time < b.before for update of logcounted`;
  if (span === undefined) return false;
  const rows = tx`(
    select * from logentry3 where datetime >= ${span.from}::timestamp and datetime < ${span.to}::timestamp) e`;
  await addToCounts(tx, rows, 1);
  await tx`update logcounted set until_time = ${span.to}::timestamp`;
  return span.more;
}

/** How far counting has come, epoch milliseconds, rounded down: it only goes on. */
export async function selectCountedMs(sql: Sql): Promise<number> {
  const [row] = await sql<{ ms: number }[]>`
    select floor(extract(epoch from until_time) * 1000)::float8 as ms from logcounted`;
  return row?.ms ?? 0;
}

/** Keeps counting from going on until the transaction ends. @returns how far it has come, epoch milliseconds */
export async function holdCounting(tx: Sql): Promise<number> {
  const [row] = await tx<{ ms: number }[]>`
    select (extract(epoch from until_time) * 1000)::float8 as ms from logcounted for share`;
  return row?.ms ?? 0;
}

/** Adds rows that were written late, behind what has been counted. @param ids of `logentry3` */
export async function countLateLogs(tx: Sql, ids: readonly number[], countedMs: number): Promise<void> {
  const rows = tx`(
    select * from logentry3 where id = any(${ids as number[]}::bigint[])
      and datetime < to_timestamp(${countedMs / 1000}) at time zone 'utc') e`;
  await addToCounts(tx, rows, 1);
}

/** Takes rows of `logentry3` that are about to be deleted out of the counts. They had all been counted. */
export async function uncountLogs(tx: Sql, ids: readonly number[]): Promise<void> {
  const rows = tx`(select * from logentry3 where id = any(${ids as number[]}::bigint[])) e`;
  await addToCounts(tx, rows, -1);
}

/** Forgets days that have no rows any more. */
export async function deleteEmptyCounts(sql: Sql): Promise<void> {
  await sql`delete from logdailycount where count = 0`;
}
