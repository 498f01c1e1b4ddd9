import type { Sql } from "../postgres.ts";

/** Blobs that a repository is to be counted with. */
export interface BlobsOfRepository {
  readonly repositoryId: number;
  readonly blobIds: readonly number[];
}

/**
 * Whether all are counted already. Then their rows are locked against the collection of others that name them, until the
 * transaction ends; otherwise nothing is locked.
 */
export async function lockCountedBlobs(
  sql: Sql,
  { repositoryId, blobIds }: BlobsOfRepository,
): Promise<boolean> {
  const wanted = blobIds as number[];
  const rows = await sql`
    select from quotablob
    where repository_id = ${repositoryId} and blob_id = any(${wanted}::integer[]) and (
      select count(*) from quotablob where repository_id = ${repositoryId} and blob_id = any(${wanted}::integer[])
    ) = ${blobIds.length}
    order by blob_id for key share`;
  return rows.length === blobIds.length;
}

/**
 * Waits for all others that count in the repository's namespace, until the transaction ends. What is counted must be looked
 * at in a later statement.
 */
export async function lockNamespaceSize(sql: Sql, repositoryId: number): Promise<void> {
  await sql`
    insert into quotanamespacesize as s (namespace_user_id)
    select namespace_user_id from repository where id = ${repositoryId}
    on conflict (namespace_user_id) do update set size_bytes = s.size_bytes`;
}

/**
 * Counts those that manifests name and that are not counted yet, for the repository and, the first of them, for its namespace.
 * Idempotent. The sizes of a repository that has come after its namespace was counted are whole from the start.
 * @param sql a transaction that holds {@link lockNamespaceSize}
 */
export async function insertCountedBlobs(
  sql: Sql,
  { repositoryId, blobIds }: BlobsOfRepository,
  nowMs: number,
): Promise<void> {
  await sql`
    with place as (
      select r.id, r.namespace_user_id, s.backfill_complete from repository r
      join quotanamespacesize s on s.namespace_user_id = r.namespace_user_id where r.id = ${repositoryId}
    ), counted as (
      insert into quotablob (repository_id, blob_id, namespace_user_id, size_bytes)
      select place.id, s.id, place.namespace_user_id, coalesce(s.image_size, 0) from place, imagestorage s
      where s.id = any(${blobIds as number[]}::integer[]) and exists (
        select from manifestblob b where b.repository_id = place.id and b.blob_id = s.id)
      order by s.id
      on conflict (repository_id, blob_id) do nothing
      returning blob_id, namespace_user_id, size_bytes
    ), repository_size as (
      insert into quotarepositorysize as r (repository_id, size_bytes, backfill_start_ms, backfill_complete)
      select place.id, (select coalesce(sum(size_bytes), 0) from counted),
        case when place.backfill_complete then ${nowMs}::bigint end, place.backfill_complete from place
      on conflict (repository_id) do update set size_bytes = r.size_bytes + excluded.size_bytes
    )
    update quotanamespacesize n set size_bytes = n.size_bytes + (
      select coalesce(sum(size_bytes), 0) from counted c
      where not exists (
        select from quotablob q where q.namespace_user_id = c.namespace_user_id and q.blob_id = c.blob_id))
    from place where n.namespace_user_id = place.namespace_user_id`;
}

/** Namespaces whose content from before counting is not counted yet, by id. */
export async function selectUncountedNamespaces(sql: Sql, afterId: number, limit: number): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select n.id from "user" n
    where n.id > ${afterId} and not n.robot and not exists (
      select from quotanamespacesize s where s.namespace_user_id = n.id and s.backfill_complete)
    order by n.id limit ${limit}`;
  return rows.map((row) => row.id);
}

/** Its sizes are being counted from now on; the first beginning stays. */
export async function beginNamespaceCount(sql: Sql, namespaceId: number, nowMs: number): Promise<void> {
  await sql`
    insert into quotanamespacesize as s (namespace_user_id, backfill_start_ms) values (${namespaceId}, ${nowMs})
    on conflict (namespace_user_id) do update set backfill_start_ms = coalesce(s.backfill_start_ms, excluded.backfill_start_ms)`;
}

/** Repositories of a namespace that are not counted whole yet. */
export async function selectUncountedRepositories(
  sql: Sql,
  namespaceId: number,
  limit: number,
): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select r.id from repository r
    where r.namespace_user_id = ${namespaceId} and not exists (
      select from quotarepositorysize s where s.repository_id = r.id and s.backfill_complete)
    order by r.id limit ${limit}`;
  return rows.map((row) => row.id);
}

/** Its size is being counted from now on. @returns whether it is there still */
export async function beginRepositoryCount(sql: Sql, repositoryId: number, nowMs: number): Promise<boolean> {
  const rows = await sql`
    insert into quotarepositorysize as s (repository_id, backfill_start_ms)
    select id, ${nowMs}::bigint from repository where id = ${repositoryId}
    on conflict (repository_id) do update set backfill_start_ms = coalesce(s.backfill_start_ms, excluded.backfill_start_ms)
    returning id`;
  return rows.length > 0;
}

export async function endRepositoryCount(sql: Sql, repositoryId: number): Promise<void> {
  await sql`update quotarepositorysize set backfill_complete = true where repository_id = ${repositoryId}`;
}

/** @returns false while a repository is not counted */
export async function endNamespaceCount(sql: Sql, namespaceId: number): Promise<boolean> {
  const rows = await sql`
    update quotanamespacesize n set backfill_complete = true
    where n.namespace_user_id = ${namespaceId} and not exists (
      select from repository r where r.namespace_user_id = ${namespaceId} and not exists (
        select from quotarepositorysize s where s.repository_id = r.id and s.backfill_complete))
    returning id`;
  return rows.length > 0;
}

/** A page of the blobs that manifests of a repository name, by id. */
export async function selectBlobsOfRepository(
  sql: Sql,
  repositoryId: number,
  afterId: number,
  limit: number,
): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    with recursive held (id) as (
      (select blob_id from manifestblob where repository_id = ${repositoryId} and blob_id > ${afterId}
        order by blob_id limit 1)
      union all
      select (select b.blob_id from manifestblob b where b.repository_id = ${repositoryId} and b.blob_id > held.id
        order by b.blob_id limit 1)
      from held where held.id is not null
    )
    select id from held where id is not null limit ${limit}`;
  return rows.map((row) => row.id);
}

/** Whether something was counted. */
export async function selectAnythingCounted(sql: Sql): Promise<boolean> {
  return (await sql`select from quotanamespacesize limit 1`).length > 0;
}

/** Forgets all sizes at once: pushes of the moment wait. */
export async function truncateSizes(sql: Sql): Promise<void> {
  await sql`truncate quotablob, quotarepositorysize, quotanamespacesize`;
}

/** What a check of a push's namespace has to know. */
export interface NamespaceRoomRow {
  readonly namespaceId: number;
  readonly namespace: string;
  readonly organization: boolean;
  readonly sizeBytes: number;
  /** Bytes of the repository's uploads that have not ended. */
  readonly uploadingBytes: number;
  /** Null: there is no quota. */
  readonly limitBytes: number | null;
  readonly limits: readonly { readonly type: "Warning" | "Reject"; readonly percent: number }[];
}

export async function selectRoom(sql: Sql, repositoryId: number): Promise<NamespaceRoomRow | undefined> {
  const [row] = await sql<NamespaceRoomRow[]>`
    select n.id as "namespaceId", n.username as namespace, n.organization, coalesce(s.size_bytes, 0)::float8 as "sizeBytes",
      (select coalesce(sum(byte_count), 0) from blobupload where repository_id = r.id)::float8 as "uploadingBytes",
      q.limit_bytes::float8 as "limitBytes",
      coalesce((
        select json_agg(json_build_object('type', t.name, 'percent', l.percent_of_limit))
        from quotalimits l join quotatype t on t.id = l.quota_type_id where l.quota_id = q.id), '[]'::json) as limits
    from repository r
    join "user" n on n.id = r.namespace_user_id
    left join quotanamespacesize s on s.namespace_user_id = n.id
    left join userorganizationquota q on q.namespace_id = n.id
    where r.id = ${repositoryId}`;
  return row;
}
