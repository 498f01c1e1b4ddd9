import type { Sql } from "../postgres.ts";

/** One row of `logentry3`. */
export interface NewLogEntry {
  readonly kindId: number;
  readonly accountId: number;
  readonly performerId: number | null;
  readonly repositoryId: number | null;
  readonly atMs: number;
  readonly ip: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export async function insertLogEntry(sql: Sql, entry: NewLogEntry): Promise<void> {
  await sql`
    insert into logentry3 (kind_id, account_id, performer_id, repository_id, datetime, ip, metadata_json)
    values (${entry.kindId}, ${entry.accountId}, ${entry.performerId}, ${entry.repositoryId},
      to_timestamp(${entry.atMs / 1000}) at time zone 'utc', ${entry.ip}, ${JSON.stringify(entry.metadata)})`;
}
