import type { Digest } from "../../../oci/digest.ts";
import type { Sql } from "../postgres.ts";

/** One location's copy of a blob, to be looked at. */
export interface CopyToCheck {
  readonly placementId: number;
  readonly blobId: number;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly location: string;
  /** Known to be nowhere: readers are told that there is no such blob. */
  readonly isLost: boolean;
}

/** Takes the copy that has not been looked at for longest, and not since `beforeMs`; nobody else takes it for `leaseSeconds`. */
export async function claimCopyToCheck(
  sql: Sql,
  { locations, beforeMs, leaseSeconds }: {
    locations: readonly string[];
    beforeMs: number;
    leaseSeconds: number;
  },
): Promise<CopyToCheck | undefined> {
  const [row] = await sql<CopyToCheck[]>`
    update imagestorageplacement p
    set check_lease = (now() at time zone 'utc') + make_interval(secs => ${leaseSeconds})
    from imagestorage s, imagestoragelocation l
    where s.id = p.storage_id and l.id = p.location_id and p.id = (
      select d.id from imagestorageplacement d
      join imagestoragelocation dl on dl.id = d.location_id
      join imagestorage ds on ds.id = d.storage_id
      where d.checked_at < to_timestamp(${beforeMs / 1000}) at time zone 'utc'
        and (d.check_lease is null or d.check_lease < (now() at time zone 'utc'))
        and dl.name = any(${sql.array([...locations])}::text[]) and ds.content_checksum is not null
      order by d.checked_at limit 1 for update of d skip locked)
    returning p.id as "placementId", s.id as "blobId", s.content_checksum as digest,
      coalesce(s.image_size, 0) as "sizeBytes", l.name as location, coalesce(s.uploading, false) as "isLost"`;
  return row;
}

/** Ends the claim; with `leaseSeconds` the copy is looked at again after them. */
export async function endCheck(sql: Sql, placementId: number, leaseSeconds?: number): Promise<void> {
  if (leaseSeconds === undefined) {
    await sql`update imagestorageplacement set checked_at = now() at time zone 'utc', check_lease = null
      where id = ${placementId}`;
  } else {
    await sql`update imagestorageplacement
      set check_lease = (now() at time zone 'utc') + make_interval(secs => ${leaseSeconds}) where id = ${placementId}`;
  }
}

/**
 * Marks that no location has the blob, or (`false`) that one has it again. While it is lost readers and pushers are told that
 * it is unknown, so that it is pushed again. @returns whether that changed anything
 */
export async function markLost(sql: Sql, blobId: number, isLost: boolean): Promise<boolean> {
  const { count } = await sql`
    update imagestorage set uploading = ${isLost} where id = ${blobId} and uploading is distinct from ${isLost}`;
  return count > 0;
}

/** A repository that has a blob. */
export interface Holder {
  readonly id: number;
  readonly name: string;
}

/** Repositories whose manifests name the blob, or that it was pushed to lately. */
export async function selectBlobHolders(sql: Sql, blobId: number, limit: number): Promise<Holder[]> {
  return await sql<Holder[]>`
    select r.id, n.username || '/' || r.name as name from repository r
    join "user" n on n.id = r.namespace_user_id
    where r.state <> 3 and r.id in (
      select repository_id from manifestblob where blob_id = ${blobId}
      union
      select repository_id from uploadedblob
      where blob_id = ${blobId} and expires_at > (now() at time zone 'utc'))
    order by r.id limit ${limit}`;
}

export interface StoredBlobRow {
  readonly id: number;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Blobs by id, lost ones too. */
export async function selectBlobsAfter(sql: Sql, afterId: number, limit: number): Promise<StoredBlobRow[]> {
  return await sql<StoredBlobRow[]>`
    select id, content_checksum as digest, coalesce(image_size, 0) as "sizeBytes" from imagestorage
    where id > ${afterId} and content_checksum is not null order by id limit ${limit}`;
}
