import type { Sql } from "../postgres.ts";
import { liveTag } from "./tag.ts";

/** What a reference came to. All of `repositoryId`… are null when the repository is not there. */
export interface LookupRow {
  /** Position in the question, from 0. */
  readonly ord: number;
  readonly repositoryId: number | null;
  readonly namespaceId: number | null;
  readonly state: number | null;
  readonly namespaceEnabled: boolean | null;
  readonly kindId: number | null;
  readonly manifestId: number | null;
  readonly digest: string | null;
  readonly mediaTypeId: number | null;
}

/** References to resolve at once, as columns: the i-th of each array belong together. */
export interface LookupQuestion {
  readonly namespaces: readonly string[];
  readonly names: readonly string[];
  /** Tag names, or digests. */
  readonly references: readonly string[];
}

function lookupColumns(sql: Sql) {
  return sql`q.ord::integer - 1 as ord, r.id as "repositoryId", r.namespace_id as "namespaceId", r.state, r.enabled as "namespaceEnabled",
    r.kind_id as "kindId", m.id as "manifestId", m.digest, m.media_type_id as "mediaTypeId"`;
}

/**
 * The sub-selects hide the arrays' lengths from the planner: it would plan short batches anew each time, which takes
 * longer than running them. `limit 1` keeps it from reading whole tables for a few names.
 */
function lookupRepositories(sql: Sql, { namespaces, names, references }: LookupQuestion) {
  return sql`
    unnest((select ${namespaces as string[]}::text[]), (select ${names as string[]}::text[]),
      (select ${references as string[]}::text[])) with ordinality as q (namespace, name, reference, ord)
    left join lateral (
      select r.id, n.id as namespace_id, r.state, r.kind_id, n.enabled from "user" n join repository r on r.namespace_user_id = n.id
      where n.username = q.namespace and r.name = q.name and r.state <> 3
      limit 1
    ) r on true`;
}

/**
 * The manifests behind tags: one row a question, by the unique index of names and the one of live tags. Of two live
 * rows under one name, which only a foreign writer can leave, the younger counts.
 */
export function selectByTags(sql: Sql, question: LookupQuestion, nowMs: number): Promise<LookupRow[]> {
  return sql<LookupRow[]>`
    select ${lookupColumns(sql)} from ${lookupRepositories(sql, question)}
    left join lateral ${liveTag(sql, sql`r.id`, sql`q.reference`, nowMs)} t on true
    left join manifest m on m.id = t.manifest_id`;
}

/**
 * The manifests behind digests. One is there while a live tag, hidden ones included, or a manifest that is there
 * points at it.
 */
export function selectByDigests(sql: Sql, question: LookupQuestion, nowMs: number): Promise<LookupRow[]> {
  return sql<LookupRow[]>`
    select ${lookupColumns(sql)} from ${lookupRepositories(sql, question)}
    left join lateral (
      select m.id, m.digest, m.media_type_id from manifest m
      where m.repository_id = r.id and m.digest = q.reference and ${visible(sql, nowMs)}
    ) m on true`;
}

/** Condition on a manifest `m`: see {@link selectByDigests}. The climb to its parents runs only without a live tag. */
function visible(sql: Sql, nowMs: number) {
  return sql`(
    exists (select from tag t where t.manifest_id = m.id and t.lifetime_end_ms is null)
    or exists (select from tag t where t.manifest_id = m.id and t.lifetime_end_ms > ${nowMs})
    or exists (
      with recursive above (id) as (
        select c.manifest_id from manifestchild c where c.child_manifest_id = m.id
        union
        select c.manifest_id from above a join manifestchild c on c.child_manifest_id = a.id
      )
      select from above a join tag t on t.manifest_id = a.id
      where t.lifetime_end_ms is null or t.lifetime_end_ms > ${nowMs}
    ))`;
}

export interface ManifestBytesRow {
  readonly id: number;
  readonly bytes: string;
}

export function selectManifestBytes(sql: Sql, ids: readonly number[]): Promise<ManifestBytesRow[]> {
  return sql<ManifestBytesRow[]>`
    select id, manifest_bytes as bytes from manifest where id = any(${ids as number[]}::integer[])`;
}

export interface ManifestRow {
  readonly id: number;
  readonly digest: string;
  readonly mediaTypeId: number;
}

/** Those of `digests` that are there (see {@link selectByDigests}) in one repository. */
export function selectManifests(
  sql: Sql,
  repositoryId: number,
  digests: readonly string[],
  nowMs: number,
): Promise<ManifestRow[]> {
  return sql<ManifestRow[]>`
    select m.id, m.digest, m.media_type_id as "mediaTypeId" from manifest m
    where m.repository_id = ${repositoryId} and m.digest = any(${digests as string[]}::text[])
      and ${visible(sql, nowMs)}`;
}

/** Undefined when it has gone. */
export async function selectManifestDigest(sql: Sql, id: number): Promise<string | undefined> {
  const [row] = await sql<{ digest: string }[]>`select digest from manifest where id = ${id}`;
  return row?.digest;
}

/** Manifests that an index holds. */
export async function selectChildIds(sql: Sql, manifestId: number): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select child_manifest_id as id from manifestchild where manifest_id = ${manifestId}`;
  return rows.map((row) => row.id);
}

export interface ManifestDetailRow {
  readonly id: number;
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: string;
  readonly configMediaType: string | null;
  readonly layersCompressedSize: number | null;
}

/** Everything about one manifest that is there (see {@link selectByDigests}). */
export async function selectManifestDetail(
  sql: Sql,
  repositoryId: number,
  digest: string,
  nowMs: number,
): Promise<ManifestDetailRow | undefined> {
  const [row] = await sql<ManifestDetailRow[]>`
    select m.id, m.digest, mt.name as "mediaType", m.manifest_bytes as bytes, m.config_media_type as "configMediaType",
      m.layers_compressed_size as "layersCompressedSize"
    from manifest m join mediatype mt on mt.id = m.media_type_id
    where m.repository_id = ${repositoryId} and m.digest = ${digest} and ${visible(sql, nowMs)}`;
  return row;
}

export interface NewManifest {
  readonly repositoryId: number;
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: string;
  readonly configMediaType: string | null;
  readonly layersCompressedSize: number | null;
  readonly subject: string | null;
  readonly artifactType: string | null;
}

/**
 * Stores a manifest, or finds and locks the one that is there, so that garbage collection cannot take it before the
 * transaction ends.
 */
export async function upsertManifest(sql: Sql, row: NewManifest): Promise<{ id: number; created: boolean }> {
  const [stored] = await sql<{ id: number; created: boolean }[]>`
    insert into manifest (repository_id, digest, media_type_id, manifest_bytes, config_media_type,
      layers_compressed_size, subject, subject_backfilled, artifact_type, artifact_type_backfilled)
    values (${row.repositoryId}, ${row.digest}, (select id from mediatype where name = ${row.mediaType}), ${row.bytes},
      ${row.configMediaType}, ${row.layersCompressedSize}, ${row.subject}, true, ${row.artifactType}, true)
    on conflict (repository_id, digest) do update set digest = excluded.digest
    returning id, (xmax = 0) as created`;
  if (stored === undefined) throw new Error("manifest: the insert returned no row");
  return stored;
}

/** Idempotent. */
export async function insertManifestBlobs(
  sql: Sql,
  row: { repositoryId: number; manifestId: number; blobIds: readonly number[] },
): Promise<void> {
  await sql`
    insert into manifestblob (repository_id, manifest_id, blob_id)
    select ${row.repositoryId}, ${row.manifestId}, id from unnest(${row
    .blobIds as number[]}::integer[]) as b (id)
    on conflict (manifest_id, blob_id) do nothing`;
}

/** Idempotent. */
export async function insertManifestChildren(
  sql: Sql,
  row: { repositoryId: number; manifestId: number; childIds: readonly number[] },
): Promise<void> {
  await sql`
    insert into manifestchild (repository_id, manifest_id, child_manifest_id)
    select ${row.repositoryId}, ${row.manifestId}, id from unnest(${row
    .childIds as number[]}::integer[]) as c (id)
    on conflict (manifest_id, child_manifest_id) do nothing`;
}

/** Lets all indexes go of a manifest. */
export async function deleteManifestParents(sql: Sql, manifestId: number): Promise<void> {
  await sql`delete from manifestchild where child_manifest_id = ${manifestId}`;
}

export interface ReferrerRow {
  readonly id: number;
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: string;
  readonly artifactType: string | null;
}

/** A page of the manifests that name `subject`, oldest first, starting after `afterId`. */
export function selectReferrers(
  sql: Sql,
  options: {
    repositoryId: number;
    subject: string;
    artifactType: string | undefined;
    afterId: number;
    limit: number;
    nowMs: number;
  },
): Promise<ReferrerRow[]> {
  const filtered = options.artifactType === undefined
    ? sql``
    : sql`and coalesce(m.artifact_type, m.config_media_type) = ${options.artifactType}`;
  return sql<ReferrerRow[]>`
    select m.id, m.digest, mt.name as "mediaType", m.manifest_bytes as bytes,
      coalesce(m.artifact_type, m.config_media_type) as "artifactType"
    from manifest m join mediatype mt on mt.id = m.media_type_id
    where m.repository_id = ${options.repositoryId} and m.subject = ${options.subject} and m.id > ${options.afterId}
      ${filtered} and ${visible(sql, options.nowMs)}
    order by m.id limit ${options.limit}`;
}

/** Of `digests` those whose manifests name `subject`. */
export async function selectReferrerDigests(
  sql: Sql,
  repositoryId: number,
  subject: string,
  digests: readonly string[],
): Promise<string[]> {
  const rows = await sql<{ digest: string }[]>`
    select digest from manifest
    where repository_id = ${repositoryId} and digest = any(${digests as string[]}::text[]) and subject = ${subject}`;
  return rows.map((row) => row.digest);
}
