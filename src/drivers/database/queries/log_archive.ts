import type { Sql } from "../postgres.ts";
import type { LogTable } from "./log_reading.ts";

/** Rows that go into one file of the archive and are deleted with it. */
export interface ArchiveBatch {
  readonly table: LogTable;
  readonly file: string;
  readonly ids: readonly number[];
  /** Proves whose it is. */
  readonly holder: string;
}

function time(sql: Sql, ms: number) {
  return sql`to_timestamp(${ms / 1000}) at time zone 'utc'`;
}

/** The oldest rows from before that moment. */
export async function selectOldLogIds(
  sql: Sql,
  table: LogTable,
  { beforeMs, limit }: { beforeMs: number; limit: number },
): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select id from ${sql(table)} where datetime < ${
    time(sql, beforeMs)
  } order by datetime, id limit ${limit}`;
  return rows.map((row) => row.id);
}

/** Makes the batch the one of its table. @returns false while there is another */
export async function insertArchiveBatch(sql: Sql, batch: ArchiveBatch, untilMs: number): Promise<boolean> {
  const result = await sql`
    insert into logarchivebatch (table_name, file, row_ids, holder, expires)
    values (${batch.table}, ${batch.file}, ${batch.ids as number[]}::bigint[], ${batch.holder}, ${
    time(sql, untilMs)
  })
    on conflict do nothing`;
  return result.count === 1;
}

/** Takes the table's batch over from a holder that went silent. */
export async function takeOverArchiveBatch(
  sql: Sql,
  { table, holder, nowMs, untilMs }: { table: LogTable; holder: string; nowMs: number; untilMs: number },
): Promise<ArchiveBatch | undefined> {
  const [row] = await sql<{ file: string; ids: string }[]>`
    update logarchivebatch set holder = ${holder}, expires = ${time(sql, untilMs)}
    where table_name = ${table} and expires <= ${time(sql, nowMs)} returning file, row_ids::text as ids`;
  if (row === undefined) return undefined;
  return { table, holder, file: row.file, ids: JSON.parse(`[${row.ids.slice(1, -1)}]`) };
}

/** Lets others take the batch over. */
export async function releaseArchiveBatch(sql: Sql, { table, holder }: ArchiveBatch): Promise<void> {
  await sql`
    update logarchivebatch set expires = '-infinity' where table_name = ${table} and holder = ${holder}`;
}

/** Ends the batch. @returns false when another had taken it over */
export async function deleteArchiveBatch(sql: Sql, { table, holder }: ArchiveBatch): Promise<boolean> {
  return (await sql`delete from logarchivebatch where table_name = ${table} and holder = ${holder}`).count ===
    1;
}

/** A row as it is stored. */
export interface RawLogRow {
  readonly kind_id: number;
  readonly account_id: number | null;
  readonly performer_id: number | null;
  readonly repository_id: number | null;
  readonly datetime: string;
  readonly ip: string | null;
  readonly metadata_json: string;
}

export function selectRawLogs(sql: Sql, table: LogTable, ids: readonly number[]): Promise<RawLogRow[]> {
  return sql<RawLogRow[]>`
    select kind_id, account_id, performer_id, repository_id, to_char(datetime, 'YYYY-MM-DD HH24:MI:SS.US') as datetime,
      ip, metadata_json
    from ${sql(table)} l where id = any(${ids as number[]}::bigint[]) order by l.datetime, l.id`;
}

export async function deleteLogs(sql: Sql, table: LogTable, ids: readonly number[]): Promise<void> {
  await sql`delete from ${sql(table)} where id = any(${ids as number[]}::bigint[])`;
}
