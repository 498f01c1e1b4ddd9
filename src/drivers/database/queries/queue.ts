import type { Sql } from "../postgres.ts";

export interface NewQueueItem {
  /** `<queue>/<part>/…/` (db.md, "queue names"). */
  readonly queueName: string;
  readonly body: string;
  /** When it may be taken first, epoch milliseconds. */
  readonly nowMs: number;
  readonly retries: number;
}

export async function insertQueueItem(sql: Sql, item: NewQueueItem): Promise<number> {
  const [row] = await sql<{ id: number }[]>`
    insert into queueitem (queue_name, body, available_after, available, processing_expires, retries_remaining, state_id)
    values (${item.queueName}, ${item.body}, to_timestamp(${
    item.nowMs / 1000
  }) at time zone 'utc', true, null,
      ${item.retries}, ${crypto.randomUUID()})
    returning id`;
  if (row === undefined) throw new Error("queueitem: the insert returned no row");
  return row.id;
}

/** As {@link insertQueueItem}, for several at once: one statement. */
export async function insertQueueItems(sql: Sql, items: readonly NewQueueItem[]): Promise<void> {
  await sql`
    insert into queueitem (queue_name, body, available_after, available, processing_expires, retries_remaining, state_id)
    select item.name, item.body, to_timestamp(item.at_s) at time zone 'utc', true, null, item.retries,
      gen_random_uuid()::text
    from unnest(${items.map((item) => item.queueName)}::text[], ${items.map((item) => item.body)}::text[],
      ${items.map((item) => item.nowMs / 1000)}::double precision[],
      ${items.map((item) => item.retries)}::integer[]) with ordinality item (name, body, at_s, retries, nth)
    order by item.nth`;
}

export interface ClaimedItem {
  readonly id: number;
  readonly queueName: string;
  readonly body: string;
  /** Tries that are left beside this one. */
  readonly retriesRemaining: number;
  /** Proves the claim: what ends or renews it must still find this. */
  readonly stateId: string;
}

/**
 * Takes the item of the queue that has been due the longest and is free, or whose holder went silent; `undefined` without
 * one. Found in the index `queueitem_due`, past those that others hold.
 */
export async function claimQueueItem(
  sql: Sql,
  { queue, nowMs, processingMs }: { queue: string; nowMs: number; processingMs: number },
): Promise<ClaimedItem | undefined> {
  const [row] = await sql<ClaimedItem[]>`
    update queueitem set available = false, retries_remaining = retries_remaining - 1,
      processing_expires = to_timestamp(${(nowMs + processingMs) / 1000}) at time zone 'utc',
      state_id = ${crypto.randomUUID()}
    where id = (${dueItem(sql, queue, nowMs)})
    returning id, queue_name as "queueName", body, retries_remaining as "retriesRemaining", state_id as "stateId"`;
  return row;
}

/** Id of the item that is to be taken next. */
export function dueItem(sql: Sql, queue: string, nowMs: number) {
  const now = new Date(nowMs).toISOString();
  return sql`
    select id from queueitem
    where ${inQueue(sql, queue)} and available_after <= ${now}::timestamp
      and (available or processing_expires <= ${now}::timestamp) and retries_remaining > 0
    order by available_after, id limit 1 for update skip locked`;
}

/** The work is done. @returns false when another had taken it over meanwhile */
export async function deleteQueueItem(sql: Sql, { id, stateId }: ClaimedItem): Promise<boolean> {
  return (await sql`delete from queueitem where id = ${id} and state_id = ${stateId}`).count === 1;
}

/** The work was done without a claim, before anybody's turn came: an item that is being worked on stays. */
export async function deleteWaitingQueueItem(sql: Sql, id: number): Promise<void> {
  await sql`delete from queueitem where id = ${id} and available`;
}

/** Keeps the claim until `untilMs`. @returns false when another had taken it over meanwhile */
export async function renewQueueItem(
  sql: Sql,
  { id, stateId }: ClaimedItem,
  untilMs: number,
): Promise<boolean> {
  const result = await sql`
    update queueitem set processing_expires = to_timestamp(${untilMs / 1000}) at time zone 'utc'
    where id = ${id} and state_id = ${stateId}`;
  return result.count === 1;
}

/** Gives the item back, to be taken again from `againMs` on. @param keepRetry this try does not count */
export async function releaseQueueItem(
  sql: Sql,
  { id, stateId }: ClaimedItem,
  { againMs, keepRetry }: { againMs: number; keepRetry: boolean },
): Promise<void> {
  await sql`
    update queueitem set available = true, processing_expires = null, state_id = ${crypto.randomUUID()},
      available_after = to_timestamp(${againMs / 1000}) at time zone 'utc',
      retries_remaining = retries_remaining + ${keepRetry ? 1 : 0}
    where id = ${id} and state_id = ${stateId}`;
}

/**
 * Removes items of the queue that have no tries left and are nobody's: the holder of the last try went silent.
 * @returns their bodies, at most `limit`
 */
export async function deleteSpentQueueItems(
  sql: Sql,
  queue: string,
  { nowMs, limit }: { nowMs: number; limit: number },
): Promise<string[]> {
  const rows = await sql<{ body: string }[]>`
    delete from queueitem where id in (
      select id from queueitem where ${inQueue(sql, queue)} and retries_remaining <= 0
        and (available or processing_expires <= ${new Date(nowMs).toISOString()}::timestamp)
      limit ${limit} for update skip locked)
    returning body`;
  return rows.map((row) => row.body);
}

export interface QueueCount {
  readonly queue: string;
  /** Distinct queue names, as Quay counts: being worked on, due, and due without anybody working on that name. */
  readonly locked: number;
  readonly available: number;
  readonly availableUnlocked: number;
}

/** Every queue that has items. Reads all of them. */
export function countQueueItems(sql: Sql, nowMs: number): Promise<QueueCount[]> {
  const now = new Date(nowMs).toISOString();
  return sql<QueueCount[]>`
    select split_part(queue_name, '/', 1) as queue, count(*) filter (where locked)::integer as locked,
      count(*) filter (where due)::integer as available,
      count(*) filter (where due and not locked)::integer as "availableUnlocked"
    from (
      select queue_name, bool_or(not available and processing_expires > ${now}::timestamp) as locked,
        bool_or(available_after <= ${now}::timestamp and retries_remaining > 0
          and (available or processing_expires <= ${now}::timestamp)) as due
      from queueitem group by queue_name
    ) names group by 1`;
}

/** As the indexes on the first part of the name have it. */
const inQueue = (sql: Sql, queue: string) => sql`split_part(queue_name, '/', 1) = ${queue}`;
