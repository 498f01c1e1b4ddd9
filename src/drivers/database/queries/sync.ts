/**
 * The columns by which workers share what is to be synchronized (Quay's `sync_status` and its companions, mirror.md §3 and
 * §4). Mirrors of repositories and of organizations both have them.
 */
import type { Sql } from "../postgres.ts";

export type SyncTable = "repomirrorconfig" | "orgmirrorconfig";

/** A piece of a statement. */
export type Fragment = ReturnType<typeof timeOf>;

export const msOf = (sql: Sql, column: Fragment) => sql`(extract(epoch from ${column}) * 1000)::bigint`;
export const timeOf = (sql: Sql, ms: number | null) =>
  sql`to_timestamp(${ms === null ? null : ms / 1000}::double precision) at time zone 'utc'`;

const rowsOf = (sql: Sql, table: SyncTable) =>
  table === "repomirrorconfig" ? sql`repomirrorconfig` : sql`orgmirrorconfig`;

export interface SyncClaim {
  readonly nowMs: number;
  readonly leaseMs: number;
  readonly transactionId: string;
  /** Rows whose turn this worker leaves out for now; asked for by hand they run all the same. */
  readonly except: readonly number[];
  /** False: only what was asked for by hand, and what another left lying. */
  readonly scheduled: boolean;
}

/**
 * Takes one row: first what somebody asked for, then those whose holder went silent (or whose pause is over), then the one
 * that has been due for longest. Conditions are Quay's (mirror.md §3) but for the claimed ones, of which Quay takes those of
 * repositories never back. Each branch reads an index of its own from the front.
 * @param joined what `table`, as `c`, is looked at with, and `free` what must hold there
 * @returns its id, `undefined` when nothing is due
 */
export async function claimSync(
  sql: Sql,
  { table, joined, free }: { table: SyncTable; joined: Fragment; free: Fragment },
  claim: SyncClaim,
): Promise<number | undefined> {
  const now = timeOf(sql, claim.nowMs);
  const from = sql`${rowsOf(sql, table)} c ${joined}`;
  const [row] = await sql<{ id: number }[]>`
    with asked as (
      select c.id from ${from} where c.sync_status = 3 and c.sync_expiration_date is null and ${free}
      order by c.sync_start_date limit 1 for update of c skip locked
    ), silent as (
      select c.id from ${from}
      where c.sync_status = 2 and c.sync_expiration_date <= ${now} and ${free} and not exists (select from asked)
      order by c.sync_expiration_date limit 1 for update of c skip locked
    ), due as (
      select c.id from ${from}
      where ${claim.scheduled} and c.is_enabled and c.sync_retries_remaining > 0 and c.sync_expiration_date is null
        and c.sync_status not in (2, -2) and c.sync_start_date <= ${now} and ${free}
        and not (c.id = any(${claim.except as number[]}::integer[]))
        and not exists (select from asked) and not exists (select from silent)
      order by c.sync_start_date limit 1 for update of c skip locked
    )
    update ${rowsOf(sql, table)} set sync_status = 2, sync_transaction_id = ${claim.transactionId},
      sync_expiration_date = ${timeOf(sql, claim.nowMs + claim.leaseMs)}
    where id in (select id from asked union all select id from silent union all select id from due)
    returning id`;
  return row?.id;
}

/** Whether a row `c` waits for its turn and nobody works on it. */
export const isDue = (sql: Sql, nowMs: number) =>
  sql`c.sync_expiration_date is null and (c.sync_status = 3 or c.is_enabled and c.sync_retries_remaining > 0
    and c.sync_status not in (2, -2) and c.sync_start_date <= ${timeOf(sql, nowMs)})`;

/** How a claimed row stands by now: whether the claim holds, and its status. */
export interface SyncState {
  readonly id: number;
  readonly status: number;
  readonly transactionId: string | null;
}

export async function selectSyncStates(
  sql: Sql,
  table: SyncTable,
  ids: readonly number[],
): Promise<SyncState[]> {
  return await sql<SyncState[]>`
    select id, sync_status as status, sync_transaction_id as "transactionId"
    from ${rowsOf(sql, table)} where id = any(${ids as number[]}::integer[])`;
}

/** What proves that a row is held: the transaction id that its claim wrote. */
export type HeldSync = { readonly id: number; readonly transactionId: string };

/** Sets when the lease ends. @returns false when it was lost, or the run cancelled */
export async function renewSyncLease(
  sql: Sql,
  table: SyncTable,
  { id, transactionId }: HeldSync,
  untilMs: number,
): Promise<boolean> {
  const { count } = await sql`
    update ${rowsOf(sql, table)} set sync_expiration_date = ${timeOf(sql, untilMs)}
    where id = ${id} and sync_transaction_id = ${transactionId} and sync_status = 2`;
  return count > 0;
}

export interface SyncEnd {
  readonly status: number;
  readonly startMs: number | null;
  readonly retriesRemaining: number;
}

/**
 * Ends a run.
 * @param also more columns, `, name = value`
 * @returns false, and nothing has changed, when the claim was lost or the run cancelled
 */
export async function releaseSync(
  sql: Sql,
  table: SyncTable,
  { id, transactionId }: HeldSync,
  end: SyncEnd,
  also: Fragment = sql``,
): Promise<boolean> {
  const { count } = await sql`
    update ${rowsOf(sql, table)} set sync_status = ${end.status}, sync_start_date = ${
    timeOf(sql, end.startMs)
  },
      sync_retries_remaining = ${end.retriesRemaining}, sync_expiration_date = null,
      sync_transaction_id = ${crypto.randomUUID()} ${also}
    where id = ${id} and sync_transaction_id = ${transactionId} and sync_status = 2`;
  return count > 0;
}

/** Lets every lease end now: for a start at which no other node can be holding one. A pause goes on to its own end. */
export async function endSyncLeases(
  sql: Sql,
  table: SyncTable,
  nowMs: number,
  longestMs: number,
): Promise<void> {
  await sql`
    update ${rowsOf(sql, table)} set sync_expiration_date = ${timeOf(sql, nowMs)}
    where sync_status = 2 and sync_expiration_date <= ${timeOf(sql, nowMs + longestMs)}`;
}

/** What asks for a run by hand, whatever the row's dates say. */
export const askedSync = (sql: Sql) =>
  sql`sync_status = 3, sync_expiration_date = null, sync_retries_remaining = greatest(sync_retries_remaining, 1),
    sync_transaction_id = gen_random_uuid()::text`;

/** What ends a run, or the wait for one; nothing starts again before somebody asks. */
export const cancelledSync = (sql: Sql) =>
  sql`sync_status = -2, sync_expiration_date = null, sync_retries_remaining = 0,
    sync_transaction_id = gen_random_uuid()::text`;

/** A pause, and a run whose settings were changed, are over this long after the change. */
const REREAD_MS = 10_000;

/**
 * What a change of settings does to a run. `keeps`: whoever has the claim goes on; otherwise the claim is void, and the run
 * is taken up anew in a moment, unless the change disables. A pause ends either way: what it waits for may have been changed.
 */
export function rereadSync(
  sql: Sql,
  { nowMs, keeps, disables }: { nowMs: number; keeps: boolean; disables: boolean },
): Fragment {
  // Of a run that is under way the lease is short, and stays. (least() would take the time where there is no lease.)
  const longerThanMs = keeps ? 10 * REREAD_MS : REREAD_MS;
  const lease = sql`case when sync_expiration_date > ${timeOf(sql, nowMs + longerThanMs)}
    then ${timeOf(sql, nowMs + REREAD_MS)} else sync_expiration_date end`;
  // Whoever disables wants no run: one that is under way, or waits for its window, ends.
  const ended = disables ? sql`sync_status = 2` : sql`false`;
  return sql`
    sync_expiration_date = case when not (${ended}) then ${lease} end,
    sync_status = case when ${ended} then 0 else sync_status end,
    sync_transaction_id = ${keeps ? sql`sync_transaction_id` : sql`gen_random_uuid()::text`}`;
}
