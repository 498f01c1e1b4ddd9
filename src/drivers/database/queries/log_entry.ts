import type { Sql } from "../postgres.ts";

/** One row of `logentry3`. */
export interface NewLogEntry {
  readonly kindId: number;
  /** 0: nobody's. */
  readonly accountId: number;
  readonly performerId: number | null;
  readonly repositoryId: number | null;
  readonly atMs: number;
  readonly ip: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** @param exceptIn names of namespaces whose rows are left out (`DISABLED_FOR_AUDIT_LOGS`) */
export async function insertLogEntry(
  sql: Sql,
  entry: NewLogEntry,
  exceptIn: readonly string[] = [],
): Promise<void> {
  const unlessExcepted = exceptIn.length === 0 ? sql`` : sql`
    where not exists (
      select from "user" u where u.id = ${entry.accountId} and u.username = any(${exceptIn as string[]}::text[]))`;
  await sql`
    insert into logentry3 (kind_id, account_id, performer_id, repository_id, datetime, ip, metadata_json)
    select ${entry.kindId}::integer, ${entry.accountId}::integer, ${entry.performerId}::integer,
      ${entry.repositoryId}::integer, to_timestamp(${
    entry.atMs / 1000
  }) at time zone 'utc', ${entry.ip}::text,
      ${JSON.stringify(entry.metadata)}::text
    ${unlessExcepted}`;
}

/**
 * Many rows by one statement. It does not wait for the disk: a power cut may take what was written within the last
 * half second, a stop of the server takes nothing.
 */
export async function insertLogEntries(sql: Sql, entries: readonly NewLogEntry[]): Promise<void> {
  await insertAll(sql, entries, sql``);
}

/** As {@link insertLogEntries}. @returns the ids of the rows */
export async function insertLateLogEntries(sql: Sql, entries: readonly NewLogEntry[]): Promise<number[]> {
  return (await insertAll(sql, entries, sql`returning id`)).map((row) => row.id);
}

function insertAll(sql: Sql, entries: readonly NewLogEntry[], returning: ReturnType<Sql>) {
  const column = <Value>(read: (entry: NewLogEntry) => Value) => entries.map(read);
  return sql<{ id: number }[]>`
    with lazily as materialized (select set_config('synchronous_commit', 'off', true))
    insert into logentry3 (kind_id, account_id, performer_id, repository_id, datetime, ip, metadata_json)
    select e.kind_id, e.account_id, e.performer_id, e.repository_id,
      to_timestamp(e.at_ms / 1000) at time zone 'utc', e.ip, e.metadata
    from lazily, unnest(
      ${column((entry) => entry.kindId)}::integer[], ${column((entry) => entry.accountId)}::integer[],
      ${column((entry) => entry.performerId) as number[]}::integer[],
      ${column((entry) => entry.repositoryId) as number[]}::integer[],
      ${column((entry) => entry.atMs)}::float8[], ${column((entry) => entry.ip) as string[]}::text[],
      ${column((entry) => JSON.stringify(entry.metadata))}::text[]
    ) as e (kind_id, account_id, performer_id, repository_id, at_ms, ip, metadata)
    ${returning}`;
}
