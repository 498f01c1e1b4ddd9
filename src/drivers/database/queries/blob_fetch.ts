import type { Digest } from "../../../oci/digest.ts";
import type { Sql } from "../postgres.ts";
import type { EndedUpload } from "./upload.ts";

/** A blob on its way from another registry that the caller alone may write to until its lease ends. */
export interface ClaimedFetch {
  readonly id: number;
  /** Its bytes are in `uploads/<uuid>`. */
  readonly uuid: string;
  /** Bytes that are durable. */
  readonly sizeBytes: number;
  /** The engine that has them; `undefined` before the first. */
  readonly locationName: string | undefined;
  /** What that engine wants to be told with the next bytes. */
  readonly storageState: string | undefined;
  readonly lease: string;
}

/** How far a fetch is. */
export interface FetchProgress {
  readonly sizeBytes: number;
  readonly locationName: string | undefined;
  readonly storageState: string | undefined;
}

/**
 * Opens or takes over the fetch of that digest: whoever began it, what has come is there to go on with. Committed
 * without waiting for the disk: a fetch that a power cut takes away has stored nothing yet.
 * @returns `undefined` while another holds it
 */
export async function claimFetch(
  sql: Sql,
  digest: Digest,
  { lease, leaseSeconds }: { lease: string; leaseSeconds: number },
): Promise<ClaimedFetch | undefined> {
  const [row] = await sql<(FetchProgress & { id: number; uuid: string })[]>`
    with relaxed as (select set_config('synchronous_commit', 'off', true))
    insert into blobfetch as f (digest, uuid, lease_token, lease_expires_at)
    select ${digest}, gen_random_uuid()::text, ${lease},
      (now() at time zone 'utc') + make_interval(secs => ${leaseSeconds}) from relaxed
    on conflict (digest) do update set lease_token = excluded.lease_token,
      lease_expires_at = excluded.lease_expires_at
    where f.lease_expires_at is null or f.lease_expires_at <= (now() at time zone 'utc')
    returning id, uuid, byte_count as "sizeBytes", location_name as "locationName", storage_state as "storageState"`;
  return row && {
    ...row,
    locationName: row.locationName ?? undefined,
    storageState: row.storageState ?? undefined,
    lease,
  };
}

/** Records how far it is by now, and keeps the lease. @returns false when it was lost */
export async function saveFetch(
  sql: Sql,
  fetch: ClaimedFetch,
  { sizeBytes, locationName, storageState }: FetchProgress,
  leaseSeconds: number,
): Promise<boolean> {
  const { count } = await sql`
    update blobfetch set byte_count = ${sizeBytes}, location_name = ${locationName ?? null},
      storage_state = ${storageState ?? null}, updated = now() at time zone 'utc',
      lease_expires_at = (now() at time zone 'utc') + make_interval(secs => ${leaseSeconds})
    where id = ${fetch.id} and lease_token = ${fetch.lease}`;
  return count > 0;
}

/** Keeps the lease. @returns false when it was lost */
export async function renewFetch(sql: Sql, fetch: ClaimedFetch, leaseSeconds: number): Promise<boolean> {
  const { count } = await sql`
    update blobfetch set lease_expires_at = (now() at time zone 'utc') + make_interval(secs => ${leaseSeconds})
    where id = ${fetch.id} and lease_token = ${fetch.lease}`;
  return count > 0;
}

/** Gives the fetch to whoever wants to go on with it. */
export async function releaseFetch(
  sql: Sql,
  fetch: ClaimedFetch,
  { sizeBytes, locationName, storageState }: FetchProgress,
): Promise<void> {
  await sql`
    update blobfetch set byte_count = ${sizeBytes}, location_name = ${locationName ?? null},
      storage_state = ${storageState ?? null}, updated = now() at time zone 'utc', lease_token = null,
      lease_expires_at = null
    where id = ${fetch.id} and lease_token = ${fetch.lease}`;
}

/** Ends the fetch. @returns false when the lease was lost */
export async function deleteFetch(sql: Sql, fetch: ClaimedFetch): Promise<boolean> {
  return (await sql`delete from blobfetch where id = ${fetch.id} and lease_token = ${fetch.lease}`).count > 0;
}

/** Takes every lease back: for a start at which nobody can be holding one. */
export async function endFetchLeases(sql: Sql): Promise<void> {
  await sql`update blobfetch set lease_token = null, lease_expires_at = null where lease_token is not null`;
}

/** Ends fetches that have not moved for `days`, and that nobody works on. */
export async function deleteStaleFetches(sql: Sql, days: number, limit: number): Promise<EndedUpload[]> {
  const rows = await sql<{ uuid: string; locationName: string | null; storageState: string | null }[]>`
    delete from blobfetch where id in (
      select id from blobfetch
      where updated < (now() at time zone 'utc') - make_interval(days => ${days})
        and (lease_expires_at is null or lease_expires_at <= (now() at time zone 'utc'))
      order by updated limit ${limit} for update skip locked
    ) returning uuid, location_name as "locationName", storage_state as "storageState"`;
  return rows.map(({ uuid, locationName, storageState }) => ({
    uuid,
    locationName: locationName ?? "",
    storageState: storageState ?? undefined,
  }));
}

/** Of `uuids` those that belong to a fetch. */
export async function selectFetchUuids(sql: Sql, uuids: readonly string[]): Promise<Set<string>> {
  const rows = await sql<{ uuid: string }[]>`
    select uuid from blobfetch where uuid = any(${sql.array([...uuids])}::text[])`;
  return new Set(rows.map((row) => row.uuid));
}

/** Bytes that have come of blobs that are under way, by digest. */
export async function selectFetchedBytes(
  sql: Sql,
  digests: readonly string[],
): Promise<Map<string, number>> {
  const rows = await sql<{ digest: string; sizeBytes: number }[]>`
    select digest, byte_count as "sizeBytes" from blobfetch
    where digest = any(${sql.array([...digests])}::text[])`;
  return new Map(rows.map((row) => [row.digest, row.sizeBytes]));
}
