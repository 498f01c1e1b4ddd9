import type { Sql } from "../postgres.ts";

export interface RegistrySizeRow {
  readonly sizeBytes: number;
  readonly running: boolean;
  readonly queued: boolean;
  /** When it was last counted, epoch milliseconds. */
  readonly completedMs: number | null;
}

/** What was counted last; undefined when nobody has asked for it yet. */
export async function selectRegistrySize(sql: Sql): Promise<RegistrySizeRow | undefined> {
  const [row] = await sql<RegistrySizeRow[]>`
    select size_bytes::float8 as "sizeBytes", running, queued, completed_ms::float8 as "completedMs"
    from quotaregistrysize order by id limit 1`;
  return row;
}

/** Held until the transaction ends: of several who ask for a count, one queues it. */
export async function lockRegistrySize(sql: Sql): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('quaylet registry size'))`;
}

/** Changes the one row, making it when there is none. The caller holds {@link lockRegistrySize}. */
export async function updateRegistrySize(
  sql: Sql,
  change: { queued: boolean; running: boolean; sizeBytes?: number; completedMs?: number },
): Promise<void> {
  const { queued, running, sizeBytes = null, completedMs = null } = change;
  await sql`
    with changed as (
      update quotaregistrysize set queued = ${queued}, running = ${running},
        size_bytes = coalesce(${sizeBytes}::bigint, size_bytes),
        completed_ms = coalesce(${completedMs}::bigint, completed_ms)
      returning id
    )
    insert into quotaregistrysize (size_bytes, queued, running, completed_ms)
    select coalesce(${sizeBytes}::bigint, 0), ${queued}, ${running}, ${completedMs}::bigint
    where not exists (select from changed)`;
}

/**
 * Bytes of the blobs that manifests hold, each once, among the `limit` rows after `afterId`.
 * @returns `lastId` undefined: there were none
 */
export async function sumStoredBytes(
  sql: Sql,
  { afterId, limit }: { afterId: number; limit: number },
): Promise<{ sizeBytes: number; lastId: number | undefined }> {
  const [row] = await sql<{ sizeBytes: number; lastId: number | null }[]>`
    select coalesce(sum(image_size) filter (
        where exists (select from manifestblob m where m.blob_id = page.id)), 0)::float8 as "sizeBytes",
      max(id) as "lastId"
    from (select id, image_size from imagestorage where id > ${afterId} order by id limit ${limit}) page`;
  return { sizeBytes: row?.sizeBytes ?? 0, lastId: row?.lastId ?? undefined };
}
