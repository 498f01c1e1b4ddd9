import type { Digest, DigestAlgorithm } from "../../../oci/digest.ts";
import type { Sql } from "../postgres.ts";
import type { DigestClaim } from "./blob_claim.ts";

/** An upload session: a row of `blobupload`. */
export interface UploadRow {
  readonly id: number;
  readonly uuid: string;
  /** Bytes that are durable in storage; what lies beyond in the file does not count. */
  readonly sizeBytes: number;
  readonly algorithm: DigestAlgorithm;
  /** Digest of those bytes if it was known when they were stored. */
  readonly digestSoFar: Digest | undefined;
  /** Where the bytes are. */
  readonly locationName: string;
  /** What the storage engine wants to know at the next turn. */
  readonly storageState: string | undefined;
}

/** A session that this request alone may write to until `lease_expires_at`. */
export interface ClaimedUpload extends UploadRow {
  readonly lease: string;
}

interface RawRow {
  readonly id: number;
  readonly uuid: string;
  readonly byte_count: number;
  readonly sha_state: string | null;
  readonly algorithm: DigestAlgorithm;
  readonly location_name: string;
  readonly storage_metadata: string | null;
}

// Quay's sha_state is the inner state of a hash that node:crypto cannot load. Ours is the digest of the bytes so far;
// whatever is not one (a session adopted from Quay) means that the bytes are hashed again at the end.
function uploadOf(row: RawRow): UploadRow {
  const known = row.sha_state?.startsWith(`${row.algorithm}:`) ? row.sha_state as Digest : undefined;
  return {
    id: row.id,
    uuid: row.uuid,
    sizeBytes: row.byte_count,
    algorithm: row.algorithm,
    digestSoFar: known,
    locationName: row.location_name,
    storageState: row.storage_metadata === null || row.storage_metadata === "{}"
      ? undefined
      : row.storage_metadata,
  };
}

/**
 * Opens a session, and names the storage location on first use. Committed without waiting for the disk: a session
 * that a power cut takes away has stored nothing yet.
 */
export async function insertUpload(
  sql: Sql,
  upload: { uuid: string; repositoryId: number; locationName: string; algorithm: DigestAlgorithm },
): Promise<void> {
  await sql`
    with relaxed as (select set_config('synchronous_commit', 'off', true)),
    known as (select id from imagestoragelocation where name = ${upload.locationName}),
    made as (
      insert into imagestoragelocation (name)
      select ${upload.locationName} from relaxed where not exists (select 1 from known)
      on conflict (name) do update set name = excluded.name returning id
    )
    insert into blobupload (repository_id, uuid, byte_count, location_id, storage_metadata, chunk_count, created,
      hash_algorithm)
    select ${upload.repositoryId}, ${upload.uuid}, 0, place.id, '{}', 0, now() at time zone 'utc', ${upload.algorithm}
    from relaxed, (select id from known union all select id from made limit 1) place`;
}

/** The session of that uuid in that repository. */
export async function selectUpload(
  sql: Sql,
  repositoryId: number,
  uuid: string,
): Promise<UploadRow & { busy: boolean } | undefined> {
  const [row] = await sql<(RawRow & { busy: boolean })[]>`
    select u.id, u.uuid, u.byte_count, u.sha_state, u.hash_algorithm as algorithm, u.storage_metadata,
      l.name as location_name, coalesce(u.lease_expires_at > (now() at time zone 'utc'), false) as busy
    from blobupload u join imagestoragelocation l on l.id = u.location_id
    where u.uuid = ${uuid} and u.repository_id = ${repositoryId}`;
  return row && { ...uploadOf(row), busy: row.busy };
}

/**
 * Compare-and-set: makes the caller the session's only writer if nobody is, and if the session ends at `offset` (or
 * anywhere, for `undefined`). A lease that its holder stopped renewing has expired.
 */
export async function claimUpload(
  sql: Sql,
  claim: {
    repositoryId: number;
    uuid: string;
    offset: number | undefined;
    lease: string;
    leaseSeconds: number;
  },
): Promise<ClaimedUpload | undefined> {
  const [row] = await sql<RawRow[]>`
    with relaxed as (select set_config('synchronous_commit', 'off', true))
    update blobupload u set lease_token = ${claim.lease},
      lease_expires_at = (now() at time zone 'utc') + make_interval(secs => ${claim.leaseSeconds})
    from relaxed, imagestoragelocation l
    where u.uuid = ${claim.uuid} and u.repository_id = ${claim.repositoryId} and l.id = u.location_id
      and (u.lease_expires_at is null or u.lease_expires_at <= (now() at time zone 'utc'))
      and (${claim.offset ?? null}::bigint is null or u.byte_count = ${claim.offset ?? null})
    returning u.id, u.uuid, u.byte_count, u.sha_state, u.hash_algorithm as algorithm, u.storage_metadata,
      l.name as location_name`;
  return row && { ...uploadOf(row), lease: claim.lease };
}

/** Keeps the lease. @returns false when it was lost */
export async function renewLease(sql: Sql, upload: ClaimedUpload, leaseSeconds: number): Promise<boolean> {
  const { count } = await sql`
    update blobupload
    set lease_expires_at = (now() at time zone 'utc') + make_interval(secs => ${leaseSeconds})
    where id = ${upload.id} and lease_token = ${upload.lease}`;
  return count > 0;
}

/** Gives the session back as it was. */
export async function releaseUpload(sql: Sql, upload: ClaimedUpload): Promise<void> {
  await sql`
    update blobupload set lease_token = null, lease_expires_at = null
    where id = ${upload.id} and lease_token = ${upload.lease}`;
}

/** Takes every lease back: for a start at which no request can be holding one. */
export async function endLeases(sql: Sql): Promise<void> {
  await sql`update blobupload set lease_token = null, lease_expires_at = null where lease_token is not null`;
}

/** Records what is durable by now and gives the session back. @returns false when the lease was lost */
export async function saveUpload(
  sql: Sql,
  upload: ClaimedUpload,
  progress: { sizeBytes: number; digestSoFar: Digest | undefined; storageState: string | undefined },
): Promise<boolean> {
  const { count } = await sql`
    update blobupload set byte_count = ${progress.sizeBytes}, sha_state = ${progress.digestSoFar ?? null},
      storage_metadata = ${progress.storageState ?? "{}"},
      chunk_count = chunk_count + 1, lease_token = null, lease_expires_at = null
    where id = ${upload.id} and lease_token = ${upload.lease}`;
  return count > 0;
}

/** A verified object that is in its final place in storage. */
export interface StoredBlob {
  readonly repositoryId: number;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly locationName: string;
  /** How long the repository keeps it readable before a manifest names it. */
  readonly keepSeconds: number;
  /** Tries that copying it to other locations is given; `undefined`: it stays where it is. */
  readonly replicationRetries?: number | undefined;
}

/**
 * Everything that makes a stored object a readable blob of the repository, in one statement: `imagestorage`,
 * `imagestorageplacement`, `uploadedblob`; the session (if there is one) and the claim on the digest end.
 * @returns false, and nothing has changed, when the session's lease or the claim was lost
 */
export async function completeUpload(
  sql: Sql,
  blob: StoredBlob,
  upload: ClaimedUpload | undefined,
  claim: DigestClaim,
): Promise<boolean> {
  const rows = await sql`
    with claimed as (
      select 1 from blobclaim where digest = ${claim.digest} and token = ${claim.token} for update
    ), ended as (
      delete from blobupload where id = ${upload?.id ?? null} and lease_token = ${
    upload?.lease ?? null
  } and exists (select 1 from claimed) returning id
    ), go as (
      select 1 from claimed where ${upload === undefined} or exists (select 1 from ended)
    ), let_go as (
      delete from blobclaim c using go where c.digest = ${claim.digest} and c.token = ${claim.token}
    ), known_place as (
      select id from imagestoragelocation where name = ${blob.locationName}
    ), made_place as (
      insert into imagestoragelocation (name) select ${blob.locationName} from go
      where not exists (select 1 from known_place)
      on conflict (name) do update set name = excluded.name returning id
    ), place as (
      select id from known_place union all select id from made_place limit 1
    ), known as (
      select id, uuid, uploading, image_size from imagestorage where content_checksum = ${blob.digest}
      order by id limit 1 for update
    ), mended as (
      update imagestorage s set uploading = false, image_size = ${blob.sizeBytes}
      from known, go
      where s.id = known.id
        and (known.uploading is not false or known.image_size is distinct from ${blob.sizeBytes}::bigint)
    ), made as (
      insert into imagestorage (uuid, image_size, uploading, cas_path, content_checksum)
      select gen_random_uuid()::text, ${blob.sizeBytes}, false, true, ${blob.digest} from go
      where not exists (select 1 from known)
      returning id, uuid
    ), blob as (
      select id, uuid from known union all select id, uuid from made
    ), queued as (
      insert into queueitem (queue_name, body, available_after, available, retries_remaining, state_id)
      select 'imagestoragereplication/' || blob.uuid || '/',
        json_build_object('namespace_user_id', r.namespace_user_id, 'storage_id', blob.uuid)::text,
        now() at time zone 'utc', true, ${blob.replicationRetries ?? 0}, gen_random_uuid()::text
      from blob, go, repository r
      where r.id = ${blob.repositoryId} and ${blob.replicationRetries !== undefined} and not exists (
        select from queueitem q where q.queue_name = 'imagestoragereplication/' || blob.uuid || '/' and q.available)
    ), placed as (
      insert into imagestorageplacement as p (storage_id, location_id) select blob.id, place.id from blob, place, go
      on conflict (storage_id, location_id) do update set checked_at = excluded.checked_at, check_lease = null
    ), shown as (
      update manifestblob b set hidden = false from blob, go
      where b.repository_id = ${blob.repositoryId} and b.blob_id = blob.id and b.hidden
    )
    insert into uploadedblob (repository_id, blob_id, uploaded_at, expires_at)
    select ${blob.repositoryId}, blob.id, now() at time zone 'utc',
      (now() at time zone 'utc') + make_interval(secs => ${blob.keepSeconds})
    from blob, go
    returning id`;
  return rows.length > 0;
}

/** Ends a session. */
export async function deleteUpload(sql: Sql, upload: ClaimedUpload): Promise<void> {
  await sql`delete from blobupload where id = ${upload.id} and lease_token = ${upload.lease}`;
}

/** Where an ended session has left its bytes. */
export type EndedUpload = Pick<UploadRow, "uuid" | "locationName" | "storageState">;

/** Ends sessions that are older than `minutes` and that nobody writes to. */
export async function deleteStaleUploads(sql: Sql, minutes: number, limit: number): Promise<EndedUpload[]> {
  const rows = await sql<Pick<RawRow, "uuid" | "location_name" | "storage_metadata">[]>`
    delete from blobupload u using imagestoragelocation l where l.id = u.location_id and u.id in (
      select id from blobupload
      where created < (now() at time zone 'utc') - make_interval(mins => ${minutes})
        and (lease_expires_at is null or lease_expires_at <= (now() at time zone 'utc'))
      order by created limit ${limit} for update skip locked
    ) returning u.uuid, l.name as location_name, u.storage_metadata`;
  return rows.map((row) => ({
    uuid: row.uuid,
    locationName: row.location_name,
    storageState: row.storage_metadata ?? undefined,
  }));
}

/** Of `uuids` those that have a session. */
export async function selectUploadUuids(sql: Sql, uuids: readonly string[]): Promise<Set<string>> {
  const rows = await sql<{ uuid: string }[]>`
    select uuid from blobupload where uuid = any(${sql.array([...uuids])}::text[])`;
  return new Set(rows.map((row) => row.uuid));
}
