import type { Digest } from "../../../oci/digest.ts";
import type { Sql } from "../postgres.ts";

/** A finished blob: a row of `imagestorage`. */
export interface BlobRow {
  readonly id: number;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/**
 * The blob of that digest when it can be read in the repository: it was pushed or mounted there lately
 * (`uploadedblob`), or a manifest of the repository names it (`manifestblob`). A client's DELETE hides it from
 * manifests that are deleted already (`manifestblob.hidden`); it counts again when the time machine brings one back.
 */
export async function selectBlob(
  sql: Sql,
  repositoryId: number,
  digest: Digest,
): Promise<BlobRow | undefined> {
  const [row] = await selectRepositoryBlobs(sql, repositoryId, [digest]);
  return row;
}

/** A repository on the way to one of its blobs. */
export interface BlobPlace {
  readonly repositoryId: number;
  readonly namespaceEnabled: boolean;
  readonly kind: "image" | "application";
  /** `undefined` also for a blob that only a hidden link names: {@link selectBlob} knows more. */
  readonly blob: BlobRow | undefined;
}

/** Repository and blob of a pull in one statement; `undefined` without a live repository of that name. */
export async function selectBlobPlace(
  sql: Sql,
  { namespace, name }: { namespace: string; name: string },
  digest: Digest,
): Promise<BlobPlace | undefined> {
  const [row] = await sql<
    (Omit<BlobPlace, "blob"> & { blobId: number | null; sizeBytes: number })[]
  >`
    select r.id as "repositoryId", n.enabled as "namespaceEnabled", k.name as kind,
      found.id as "blobId", found.image_size as "sizeBytes"
    from "user" n
    join repository r on r.namespace_user_id = n.id
    join repositorykind k on k.id = r.kind_id
    left join lateral (
      select s.id, s.image_size from imagestorage s
      where s.content_checksum = ${digest} and s.uploading is not true and (
        exists (select 1 from manifestblob b
          where b.blob_id = s.id and b.repository_id = r.id and not b.hidden)
        or exists (select 1 from uploadedblob u
          where u.blob_id = s.id and u.repository_id = r.id and u.expires_at > (now() at time zone 'utc'))
      )
      order by s.id limit 1
    ) found on true
    where n.username = ${namespace} and r.name = ${name} and r.state <> 3`;
  if (row === undefined) return undefined;
  const { blobId, sizeBytes, ...place } = row;
  return { ...place, blob: blobId === null ? undefined : { id: blobId, digest, sizeBytes } };
}

/** Of `digests` those that can be read in the repository, as {@link selectBlob} decides; for checking a manifest. */
export async function selectRepositoryBlobs(
  sql: Sql,
  repositoryId: number,
  digests: readonly string[],
): Promise<BlobRow[]> {
  if (digests.length === 0) return [];
  return await sql<BlobRow[]>`
    select distinct on (s.content_checksum)
      s.id, s.content_checksum as digest, s.image_size as "sizeBytes"
    from imagestorage s
    where s.content_checksum = any(${sql.array([...digests])}::text[]) and s.uploading is not true and (
      exists (select 1 from manifestblob b
        where b.blob_id = s.id and b.repository_id = ${repositoryId} and not b.hidden)
      or exists (select 1 from uploadedblob u
        where u.blob_id = s.id and u.repository_id = ${repositoryId}
          and u.expires_at > (now() at time zone 'utc'))
      or exists (select 1 from manifestblob b
        where b.blob_id = s.id and b.repository_id = ${repositoryId} and b.hidden
          and ${manifestIsAlive(sql)})
    )
    order by s.content_checksum, s.id`;
}

/** SQL condition: manifest `b.manifest_id`, or an index that it belongs to, has a live tag (hidden ones too). */
function manifestIsAlive(sql: Sql) {
  return sql`exists (
    with recursive family(id) as (
      select b.manifest_id
      union
      select c.manifest_id from manifestchild c join family f on c.child_manifest_id = f.id
    )
    select 1 from family f join tag t on t.manifest_id = f.id
    where t.lifetime_end_ms is null or t.lifetime_end_ms > extract(epoch from now()) * 1000
  )`;
}

/** Of `digests` those that any row of `imagestorage` names, readable or not. */
export async function selectStoredDigests(sql: Sql, digests: readonly string[]): Promise<Set<string>> {
  const rows = await sql<{ digest: string }[]>`
    select content_checksum as digest from imagestorage
    where content_checksum = any(${sql.array([...digests])}::text[])`;
  return new Set(rows.map((row) => row.digest));
}

export interface NewMount {
  readonly repositoryId: number;
  readonly digest: Digest;
  /** `namespace/name` of the only source to try; `undefined` tries every repository. */
  readonly source: string | undefined;
  /** `namespace/name` of private repositories that the caller may pull; `"all"` for a superuser. */
  readonly readable: readonly string[] | "all";
  /** Public repositories count for everyone. */
  readonly publicReadable: boolean;
  readonly keepSeconds: number;
}

/**
 * Makes a blob of another repository readable in this one, if the source is readable by the caller. One statement:
 * the blob's row is locked against collection while the new link is made.
 * @returns the blob, or `undefined` when there is none to mount
 */
export async function insertMount(sql: Sql, mount: NewMount): Promise<BlobRow | undefined> {
  const readable = mount.readable === "all" ? [] : [...mount.readable];
  const [row] = await sql<BlobRow[]>`
    with source as materialized (
      select s.id, s.content_checksum as digest, s.image_size
      from imagestorage s
      where s.content_checksum = ${mount.digest} and s.uploading is not true and exists (
        select 1 from (
          select b.repository_id from manifestblob b where b.blob_id = s.id and not b.hidden
          union all
          select u.repository_id from uploadedblob u
          where u.blob_id = s.id and u.expires_at > (now() at time zone 'utc')
        ) place
        join repository r on r.id = place.repository_id
        join "user" n on n.id = r.namespace_user_id
        join visibility v on v.id = r.visibility_id
        where r.state <> 3 and n.enabled
          and (${mount.source ?? null}::text is null or n.username || '/' || r.name = ${mount.source ?? null})
          and (${mount.readable === "all"} or (${mount.publicReadable} and v.name = 'public')
            or n.username || '/' || r.name = any(${sql.array(readable)}::text[]))
      )
      order by s.id limit 1
      for key share of s
    ), link as (
      insert into uploadedblob (repository_id, blob_id, uploaded_at, expires_at)
      select ${mount.repositoryId}, id, now() at time zone 'utc',
        (now() at time zone 'utc') + make_interval(secs => ${mount.keepSeconds}) from source
    )
    select id, digest, image_size as "sizeBytes" from source`;
  return row;
}

/**
 * Makes stored blobs readable in the repository, whoever else has them; the caller decides whether that may be. Each
 * blob's row is locked against collection while its link is made; a link that lives for half as long still is enough.
 * @returns those of `digests` that are stored
 */
export async function insertLinks(
  sql: Sql,
  { repositoryId, digests, keepSeconds }: {
    repositoryId: number;
    digests: readonly string[];
    keepSeconds: number;
  },
): Promise<BlobRow[]> {
  if (digests.length === 0) return [];
  return await sql<BlobRow[]>`
    with stored as materialized (
      select s.id, s.content_checksum as digest, s.image_size from imagestorage s
      where s.content_checksum = any(${sql.array([...digests])}::text[]) and s.uploading is not true
        and s.image_size is not null
      order by s.id for key share of s
    ), link as (
      insert into uploadedblob (repository_id, blob_id, uploaded_at, expires_at)
      select ${repositoryId}, id, now() at time zone 'utc',
        (now() at time zone 'utc') + make_interval(secs => ${keepSeconds})
      from stored
      where not exists (select from uploadedblob u where u.repository_id = ${repositoryId} and u.blob_id = stored.id
        and u.expires_at > (now() at time zone 'utc') + make_interval(secs => ${keepSeconds / 2}))
    )
    select id, digest, image_size as "sizeBytes" from stored`;
}

/** Lets the repository's links to blobs that a manifest holds by now end after `keepSeconds` at the latest. */
export async function shortenLinks(
  sql: Sql,
  { repositoryId, digests, keepSeconds }: {
    repositoryId: number;
    digests: readonly string[];
    keepSeconds: number;
  },
): Promise<void> {
  if (digests.length === 0) return;
  await sql`
    update uploadedblob u set expires_at = (now() at time zone 'utc') + make_interval(secs => ${keepSeconds})
    from imagestorage s
    where s.content_checksum = any(${sql.array([...digests])}::text[]) and u.blob_id = s.id
      and u.repository_id = ${repositoryId}
      and u.expires_at > (now() at time zone 'utc') + make_interval(secs => ${keepSeconds})`;
}

/** Of `digests` the sizes of those that are stored, for whomever. */
export async function selectStoredSizes(sql: Sql, digests: readonly string[]): Promise<Map<string, number>> {
  const rows = await sql<{ digest: string; sizeBytes: number }[]>`
    select content_checksum as digest, image_size as "sizeBytes" from imagestorage
    where content_checksum = any(${sql.array([...digests])}::text[]) and uploading is not true
      and image_size is not null`;
  return new Map(rows.map((row) => [row.digest, row.sizeBytes]));
}

/** Repositories that hold the blob, of enabled namespaces; only the one named `source` when there is one. */
export async function selectHolders(
  sql: Sql,
  digest: string,
  source: string | undefined,
  limit: number,
): Promise<BlobHolder[]> {
  return await sql<BlobHolder[]>`
    select r.id, r.namespace_user_id as "namespaceId", n.username as namespace, r.name, v.name as visibility,
      n.organization as "inOrganization"
    from repository r
    join "user" n on n.id = r.namespace_user_id
    join visibility v on v.id = r.visibility_id
    where r.state <> 3 and n.enabled
      and (${source ?? null}::text is null or n.username || '/' || r.name = ${source ?? null})
      and r.id in (
        select b.repository_id from imagestorage s join manifestblob b on b.blob_id = s.id and not b.hidden
        where s.content_checksum = ${digest}
        union
        select u.repository_id from imagestorage s join uploadedblob u on u.blob_id = s.id
        where s.content_checksum = ${digest} and u.expires_at > (now() at time zone 'utc'))
    order by r.id limit ${limit}`;
}

/** A repository as the rules about reading it see it. */
export interface BlobHolder {
  readonly id: number;
  readonly namespaceId: number;
  readonly namespace: string;
  readonly name: string;
  readonly visibility: "public" | "private";
  readonly inOrganization: boolean;
}

/** True when a live manifest of the repository names the blob. */
export async function selectBlobInUse(sql: Sql, repositoryId: number, blobId: number): Promise<boolean> {
  const rows = await sql`
    select 1 from manifestblob b
    where b.repository_id = ${repositoryId} and b.blob_id = ${blobId} and ${manifestIsAlive(sql)} limit 1`;
  return rows.length > 0;
}

/** Takes the blob away from the repository's readers; deleted manifests that the time machine keeps still name it. */
export async function hideBlob(sql: Sql, repositoryId: number, blobId: number): Promise<void> {
  await sql`
    with freed as (
      delete from uploadedblob where repository_id = ${repositoryId} and blob_id = ${blobId}
    )
    update manifestblob set hidden = true
    where repository_id = ${repositoryId} and blob_id = ${blobId} and not hidden`;
}

/** Names of the locations that have the digest's object, as far as is recorded. */
export async function selectPlacements(sql: Sql, digest: Digest): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select l.name from imagestorage s
    join imagestorageplacement p on p.storage_id = s.id
    join imagestoragelocation l on l.id = p.location_id
    where s.content_checksum = ${digest}`;
  return rows.map(({ name }) => name);
}
