import type { Sql } from "../postgres.ts";
import { containing } from "./like.ts";

/** One period in which a name meant a manifest. */
export interface TagPeriodRow {
  readonly id: number;
  readonly name: string;
  readonly startMs: number;
  /** Null: it has no end. */
  readonly endMs: number | null;
  /** It was restored. */
  readonly reversion: boolean;
  readonly digest: string;
  readonly mediaType: string;
  /** Of the layers together; null for an index. */
  readonly sizeBytes: number | null;
  readonly manifestId: number;
  readonly immutable: boolean;
}

/** A manifest that an index names. */
export interface IndexChildRow {
  readonly indexId: number;
  readonly digest: string;
  /** It is in the repository: an index that a mirror has filtered need not have all. */
  readonly present: boolean;
}

/** What the indexes name, in their order. @param indexIds manifests that are indexes */
export function selectIndexChildren(sql: Sql, indexIds: readonly number[]): Promise<IndexChildRow[]> {
  return sql<IndexChildRow[]>`
    select m.id as "indexId", child.value ->> 'digest' as digest,
      exists (
        select from manifestchild c join manifest there on there.id = c.child_manifest_id
        where c.manifest_id = m.id and there.digest = child.value ->> 'digest') as present
    from manifest m
      cross join lateral json_array_elements(m.manifest_bytes::json -> 'manifests') with ordinality child (value, nth)
    where m.id = any(${[...indexIds]}::integer[]) order by m.id, child.nth`;
}

/** Which tags; both conditions hold when both are there. */
export interface TagFilter {
  readonly name?: string | undefined;
  /** A part of the name, upper and lower case alike. */
  readonly part?: string | undefined;
}

/**
 * Visible tags of a repository, the youngest first, of one moment by name. Rows before the page are counted off in the
 * index alone (`tag_history`), so that a late page costs little more than the first; only the page itself is read.
 * @param options.aliveAtMs only those that live then
 * @param options.after the row before the first: nothing has to be counted off then
 */
export function selectTagPeriods(
  sql: Sql,
  repositoryId: number,
  options: TagFilter & {
    aliveAtMs?: number | undefined;
    after?: Pick<TagPeriodRow, "startMs" | "name" | "id"> | undefined;
    offset: number;
    limit: number;
  },
): Promise<TagPeriodRow[]> {
  const { name, part, aliveAtMs, after, offset, limit } = options;
  const behind = after === undefined ? sql`` : sql`and lifetime_start_ms <= ${after.startMs}
    and (lifetime_start_ms < ${after.startMs} or name > ${after.name} or name = ${after.name} and id < ${after.id})`;
  const alive = aliveAtMs === undefined
    ? sql``
    : sql`and (lifetime_end_ms is null or lifetime_end_ms > ${aliveAtMs})`;
  const named = name === undefined ? sql`` : sql`and name = ${name}`;
  const like = part === undefined ? sql`` : sql`and name ilike ${containing(part)}`;
  return sql<TagPeriodRow[]>`
    select t.id, t.name, t.lifetime_start_ms as "startMs", t.lifetime_end_ms as "endMs", t.reversion, m.digest,
      mt.name as "mediaType", m.layers_compressed_size as "sizeBytes",
      t.manifest_id as "manifestId", t.immutable
    from (
      select id from tag
      where repository_id = ${repositoryId} and not hidden and manifest_id is not null ${alive} ${named} ${like} ${behind}
      order by lifetime_start_ms desc, name, id desc offset ${offset} limit ${limit}
    ) page
    join tag t on t.id = page.id join manifest m on m.id = t.manifest_id join mediatype mt on mt.id = m.media_type_id
    order by t.lifetime_start_ms desc, t.name, t.id desc`;
}

/**
 * The manifest with that digest if it can be restored: something visible pointed at it until `endedAfterMs` or later.
 * Locked, so that garbage collection cannot take it before the transaction ends.
 */
export async function selectRestorableManifest(
  sql: Sql,
  repositoryId: number,
  digest: string,
  endedAfterMs: number,
): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`
    select m.id from manifest m
    where m.repository_id = ${repositoryId} and m.digest = ${digest} and exists (
      select from tag t where t.manifest_id = m.id and not t.hidden
        and (t.lifetime_end_ms is null or t.lifetime_end_ms > ${endedAfterMs}))
    for key share of m`;
  return row?.id;
}

/** Ids of the ended, still restorable rows in which `name` meant the manifest. */
export async function selectEndedTagIds(
  sql: Sql,
  tag: { repositoryId: number; name: string; digest: string; nowMs: number; endedAfterMs: number },
): Promise<{ id: number; manifestId: number }[]> {
  return await sql<{ id: number; manifestId: number }[]>`
    select t.id, t.manifest_id as "manifestId" from tag t join manifest m on m.id = t.manifest_id
    where t.repository_id = ${tag.repositoryId} and t.name = ${tag.name} and not t.hidden and m.digest = ${tag.digest}
      and t.lifetime_end_ms <= ${tag.nowMs} and t.lifetime_end_ms > ${tag.endedAfterMs}`;
}

/**
 * Hides tags of one name and lets them have ended at `endMs` or a little before: of rows under one name no two may end
 * in one millisecond.
 */
export async function endForGood(
  sql: Sql,
  tag: { repositoryId: number; name: string; ids: readonly number[]; endMs: number },
): Promise<void> {
  await sql`
    with free as (
      select least(${tag.endMs}::bigint + 1, min(lifetime_end_ms)) as ms from tag
      where repository_id = ${tag.repositoryId} and name = ${tag.name}
    ), ended as (
      select id, row_number() over (order by id) as nth
      from unnest(${tag.ids as number[]}::integer[]) as given (id)
    )
    update tag set lifetime_end_ms = free.ms - ended.nth, hidden = true
    from free, ended where tag.id = ended.id`;
}

/** Ends the hidden tags that keep what an index holds, at all depths. */
export async function endHiddenTagsBelow(sql: Sql, manifestId: number, endMs: number): Promise<void> {
  await sql`
    with recursive below (id) as (
      select child_manifest_id from manifestchild where manifest_id = ${manifestId}
      union
      select c.child_manifest_id from below b join manifestchild c on c.manifest_id = b.id
    )
    update tag set lifetime_end_ms = ${endMs}
    where manifest_id in (select id from below) and hidden and name like '$temp-%'
      and (lifetime_end_ms is null or lifetime_end_ms > ${endMs})`;
}
