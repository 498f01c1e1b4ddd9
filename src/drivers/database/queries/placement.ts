import type { Digest } from "../../../oci/digest.ts";
import type { Sql } from "../postgres.ts";

/** A blob and where its object is, as far as is recorded. */
export interface PlacedBlob {
  readonly id: number;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly locations: readonly string[];
}

interface RawBlob {
  readonly id: number;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly locations: string[] | null;
}

/** `s` is `imagestorage`. */
const columns = (sql: Sql) =>
  sql`s.id, s.content_checksum as digest, s.image_size as "sizeBytes", (
    select array_agg(l.name order by l.name) from imagestorageplacement p
    join imagestoragelocation l on l.id = p.location_id where p.storage_id = s.id) as locations`;

const placedOf = (row: RawBlob): PlacedBlob => ({ ...row, locations: row.locations ?? [] });

/** The blob with that `imagestorage.uuid`; `undefined` when it has been collected. */
export async function selectPlacedBlob(sql: Sql, uuid: string): Promise<PlacedBlob | undefined> {
  const [row] = await sql<RawBlob[]>`
    select ${columns(sql)} from imagestorage s
    where s.uuid = ${uuid} and s.content_checksum is not null and s.uploading is not true`;
  return row && placedOf(row);
}

/** The next blobs by id that `wanted` lacks; with `from`, only those that are there. */
export async function selectBlobsMissingAt(
  sql: Sql,
  { wanted, from, afterId, limit }: {
    wanted: string;
    from?: string | undefined;
    afterId: number;
    limit: number;
  },
): Promise<PlacedBlob[]> {
  const rows = await sql<RawBlob[]>`
    select ${columns(sql)} from imagestorage s
    where s.id > ${afterId} and s.content_checksum is not null and s.uploading is not true
      and not exists (
        select from imagestorageplacement p join imagestoragelocation l on l.id = p.location_id
        where p.storage_id = s.id and l.name = ${wanted})
      and (${from ?? null}::text is null or exists (
        select from imagestorageplacement p join imagestoragelocation l on l.id = p.location_id
        where p.storage_id = s.id and l.name = ${from ?? null}))
    order by s.id limit ${limit}`;
  return rows.map(placedOf);
}

/** Queues copying for each blob that lacks one of `wanted` and is not queued yet. @returns the last id, how many were queued */
export async function queueMissing(
  sql: Sql,
  { wanted, afterId, limit, nowMs, retries }: {
    wanted: readonly string[];
    afterId: number;
    limit: number;
    nowMs: number;
    retries: number;
  },
): Promise<{ lastId: number | undefined; queued: number }> {
  const [row] = await sql<{ lastId: number | null; queued: number }[]>`
    with looked as (
      select s.id, s.uuid from imagestorage s
      where s.id > ${afterId} and s.content_checksum is not null and s.uploading is not true
      order by s.id limit ${limit}
    ), missing as (
      select looked.uuid from looked where exists (
        select from unnest(${sql.array([...wanted])}::text[]) wanted (name) where not exists (
          select from imagestorageplacement p join imagestoragelocation l on l.id = p.location_id
          where p.storage_id = looked.id and l.name = wanted.name))
    ), queued as (
      insert into queueitem (queue_name, body, available_after, available, retries_remaining, state_id)
      select 'imagestoragereplication/' || uuid || '/', json_build_object('storage_id', uuid)::text,
        to_timestamp(${nowMs / 1000}) at time zone 'utc', true, ${retries}, gen_random_uuid()::text
      from missing where not exists (
        select from queueitem q where q.queue_name = 'imagestoragereplication/' || missing.uuid || '/')
      returning 1
    )
    select (select max(id) from looked) as "lastId", (select count(*) from queued)::int as queued`;
  return { lastId: row?.lastId ?? undefined, queued: row?.queued ?? 0 };
}

/** Records that the location has the digest's object. @returns false when there is no such blob (any more) */
export async function insertPlacement(sql: Sql, digest: Digest, locationName: string): Promise<boolean> {
  const rows = await sql`
    with place as (
      insert into imagestoragelocation (name) values (${locationName})
      on conflict (name) do update set name = excluded.name returning id
    ), blob as (
      select s.id from imagestorage s where s.content_checksum = ${digest} for key share
    ), placed as (
      insert into imagestorageplacement as p (storage_id, location_id)
      select blob.id, place.id from blob, place
      on conflict (storage_id, location_id) do update set checked_at = excluded.checked_at, check_lease = null
    )
    select id from blob`;
  return rows.length > 0;
}

/** Records that the location has it no longer. */
export async function deletePlacement(sql: Sql, blobId: number, locationName: string): Promise<void> {
  await sql`
    delete from imagestorageplacement p using imagestoragelocation l
    where l.id = p.location_id and p.storage_id = ${blobId} and l.name = ${locationName}`;
}

export interface LocationUse {
  /** Blobs that are recorded there. */
  readonly blobs: number;
  /** Of these, those that no other location has. */
  readonly onlyHere: number;
  /** Uploads under way there. */
  readonly uploads: number;
}

/** What depends on the location; `undefined` when the database does not know it. */
export async function selectLocationUse(sql: Sql, name: string): Promise<LocationUse | undefined> {
  const [row] = await sql<LocationUse[]>`
    select
      (select count(*) from imagestorageplacement p where p.location_id = l.id)::int as blobs,
      (select count(*) from imagestorageplacement p where p.location_id = l.id and not exists (
        select from imagestorageplacement o where o.storage_id = p.storage_id and o.location_id <> l.id))::int
        as "onlyHere",
      (select count(*) from blobupload u where u.location_id = l.id)::int as uploads
    from imagestoragelocation l where l.name = ${name}`;
  return row;
}

/** Forgets up to `limit` blobs' being there, but never of one that is nowhere else. @returns how many */
export async function deletePlacementsAt(sql: Sql, name: string, limit: number): Promise<number> {
  const { count } = await sql`
    delete from imagestorageplacement where id in (
      select p.id from imagestorageplacement p join imagestoragelocation l on l.id = p.location_id
      where l.name = ${name} and exists (
        select from imagestorageplacement o where o.storage_id = p.storage_id and o.location_id <> p.location_id
        for update)
      limit ${limit})`;
  return count;
}

/** Forgets the location itself. @returns false while something refers to it */
export async function deleteLocation(sql: Sql, name: string): Promise<boolean> {
  const { count } = await sql`
    delete from imagestoragelocation l where l.name = ${name}
      and not exists (select from imagestorageplacement p where p.location_id = l.id)
      and not exists (select from blobupload u where u.location_id = l.id)`;
  return count > 0;
}
