/** What a mirror asks of the tags and manifests of its repository. */
import type { Sql } from "../postgres.ts";

export interface LiveTagRow {
  readonly name: string;
  readonly digest: string;
  readonly manifestId: number;
}

/** All live visible tags of a repository with what they point at. */
export async function selectLiveTags(sql: Sql, repositoryId: number, nowMs: number): Promise<LiveTagRow[]> {
  return await sql<LiveTagRow[]>`
    select t.name, m.digest, m.id as "manifestId" from tag t join manifest m on m.id = t.manifest_id
    where t.repository_id = ${repositoryId} and not t.hidden and t.lifetime_end_ms is null
    union all
    select t.name, m.digest, m.id from tag t join manifest m on m.id = t.manifest_id
    where t.repository_id = ${repositoryId} and not t.hidden and t.lifetime_end_ms > ${nowMs}`;
}

export interface FamilyRow {
  readonly rootId: number;
  readonly id: number;
  readonly digest: string;
}

/** The manifests below (and including) each of `rootIds`, through indexes, and what names one of them as its subject. */
export async function selectFamilies(sql: Sql, rootIds: readonly number[]): Promise<FamilyRow[]> {
  if (rootIds.length === 0) return [];
  return await sql<FamilyRow[]>`
    with recursive family (root_id, id, depth) as (
      select id, id, 0 from unnest(${rootIds as number[]}::integer[]) as root (id)
      union
      select f.root_id, next.id, f.depth + 1 from family f
      join lateral (
        select c.child_manifest_id as id from manifestchild c where c.manifest_id = f.id
        union all
        select r.id from manifest m join manifest r on r.repository_id = m.repository_id and r.subject = m.digest
        where m.id = f.id
      ) next on true
      where f.depth < 8
    )
    select distinct f.root_id as "rootId", m.id, m.digest from family f join manifest m on m.id = f.id`;
}

export interface IndexRow {
  readonly id: number;
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: string;
  /** Digests of the children that are here. */
  readonly children: readonly string[];
}

/** Those of `ids` that have a media type of `mediaTypes`, with the children that are here. */
export async function selectIndexes(
  sql: Sql,
  ids: readonly number[],
  mediaTypes: readonly string[],
): Promise<IndexRow[]> {
  if (ids.length === 0) return [];
  return await sql<IndexRow[]>`
    select m.id, m.digest, mt.name as "mediaType", m.manifest_bytes as bytes,
      array(select child.digest from manifestchild c join manifest child on child.id = c.child_manifest_id
        where c.manifest_id = m.id) as children
    from manifest m join mediatype mt on mt.id = m.media_type_id
    where m.id = any(${ids as number[]}::integer[]) and mt.name = any(${sql.array([...mediaTypes])}::text[])`;
}

/**
 * Ends what keeps referrers whose subject is no longer there: neither a live tag nor a live index holds it, nor is it
 * itself a referrer of something that is there. One level a call. @returns how many
 */
export async function endLostReferrers(sql: Sql, repositoryId: number, nowMs: number): Promise<number> {
  const { count } = await sql`
    with alive (manifest_id) as materialized (
      select t.manifest_id from tag t where t.repository_id = ${repositoryId}
        and (t.lifetime_end_ms is null or t.lifetime_end_ms > ${nowMs})
    ), reachable as (
      with recursive below (id) as (
        select manifest_id from alive
        union
        select c.child_manifest_id from below b join manifestchild c on c.manifest_id = b.id
      )
      select id from below
    ), lost as (
      select r.id from manifest r
      where r.repository_id = ${repositoryId} and r.subject is not null and not exists (
        select from manifest s join reachable on reachable.id = s.id
        where s.repository_id = ${repositoryId} and s.digest = r.subject)
    )
    update tag set lifetime_end_ms = ${nowMs}
    where repository_id = ${repositoryId} and hidden and name like '$temp-%' and manifest_id in (select id from lost)
      and (lifetime_end_ms is null or lifetime_end_ms > ${nowMs})`;
  return count;
}

/** Ends what kept manifests without a tag, other than referrers: a tag or an index holds them by now. */
export async function endKeepers(
  sql: Sql,
  repositoryId: number,
  digests: readonly string[],
  nowMs: number,
): Promise<void> {
  await sql`
    update tag set lifetime_end_ms = ${nowMs}
    where hidden and name like '$temp-%' and (lifetime_end_ms is null or lifetime_end_ms > ${nowMs})
      and manifest_id in (
        select id from manifest where repository_id = ${repositoryId} and subject is null
          and digest = any(${sql.array([...digests])}::text[]))`;
}
