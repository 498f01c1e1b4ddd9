import type { Sql } from "../postgres.ts";

/** A piece of SQL. */
type Fragment = ReturnType<Sql>;

export interface TagRow {
  readonly id: number;
  readonly name: string;
  readonly manifestId: number;
  readonly startMs: number;
  /** Null: the tag does not end by itself. */
  readonly endMs: number | null;
  /** It is not to be moved, deleted or ended. */
  readonly immutable: boolean;
}

const columns = (sql: Sql) =>
  sql`id, name, manifest_id as "manifestId", lifetime_start_ms as "startMs", lifetime_end_ms as "endMs",
  immutable`;

const alive = (sql: Sql, nowMs: number) => sql`(lifetime_end_ms is null or lifetime_end_ms > ${nowMs})`;

/**
 * The live row of a name without reading its history, however long: two ranges of the unique index instead of one `or`.
 * Of two live rows, which only a foreign writer can leave, the younger.
 */
export function liveTag(sql: Sql, repositoryId: Fragment, name: Fragment, nowMs: number) {
  return sql`
    (select id, name, manifest_id, lifetime_start_ms, lifetime_end_ms, immutable from tag
     where repository_id = ${repositoryId} and name = ${name} and lifetime_end_ms is null and not hidden
     union all
     select id, name, manifest_id, lifetime_start_ms, lifetime_end_ms, immutable from tag
     where repository_id = ${repositoryId} and name = ${name} and lifetime_end_ms > ${nowMs} and not hidden
     order by lifetime_start_ms desc, id desc limit 1)`;
}

/**
 * Waits for every other change of that tag to end, until this transaction does. Row locks would not do: two pushes of a
 * new tag find no row to lock.
 */
export async function lockTag(sql: Sql, repositoryId: number, name: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`tag:${repositoryId}:${name}`}, 0))`;
}

export async function selectLiveTag(
  sql: Sql,
  repositoryId: number,
  name: string,
  nowMs: number,
): Promise<TagRow | undefined> {
  const [row] = await sql<TagRow[]>`
    select ${columns(sql)} from ${liveTag(sql, sql`${repositoryId}::integer`, sql`${name}`, nowMs)} live`;
  return row;
}

/** Whether the time machine still holds an ended tag of that name. */
export async function selectEndedTagExists(sql: Sql, repositoryId: number, name: string): Promise<boolean> {
  const rows = await sql`
    select from tag where repository_id = ${repositoryId} and name = ${name} and not hidden limit 1`;
  return rows.length > 0;
}

/** A page of live tag names in byte order, starting after `after`. Served by the index of live tags by name. */
export function selectTagNames(
  sql: Sql,
  repositoryId: number,
  options: { after: string; limit: number; nowMs: number },
): Promise<{ name: string }[]> {
  const { after, limit, nowMs } = options;
  return sql<{ name: string }[]>`
    select distinct name from (
      (select name from tag where repository_id = ${repositoryId} and name > ${after} and not hidden
         and lifetime_end_ms is null order by name limit ${limit})
      union all
      (select name from tag where repository_id = ${repositoryId} and name > ${after} and not hidden
         and lifetime_end_ms > ${nowMs} order by name limit ${limit})
    ) page order by name limit ${limit}`;
}

/**
 * Expression for the end of tag rows at `nowMs`: of rows under one name no two may end in one millisecond, so the next
 * free one before it is taken.
 */
const freeEnd = (sql: Sql, nowMs: number) =>
  sql`(
  select g.ms from generate_series(${nowMs}::bigint, ${nowMs}::bigint - 1000, -1) as g (ms)
  where not exists (select from tag o
    where o.repository_id = tag.repository_id and o.name = tag.name and o.lifetime_end_ms = g.ms)
  limit 1)`;

/** Ends one tag now. */
export async function endTag(sql: Sql, id: number, nowMs: number): Promise<void> {
  await sql`update tag set lifetime_end_ms = ${freeEnd(sql, nowMs)} where id = ${id}`;
}

/** Names of the live tags of a manifest, hidden ones included. */
export async function selectTagNamesOf(sql: Sql, manifestId: number, nowMs: number): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select name from tag where manifest_id = ${manifestId} and ${alive(sql, nowMs)} order by name`;
  return rows.map((row) => row.name);
}

/** Ends every live tag of a manifest, hidden ones included. @returns the names that were visible */
export async function endTagsOf(sql: Sql, manifestId: number, nowMs: number): Promise<string[]> {
  const rows = await sql<{ name: string; hidden: boolean }[]>`
    update tag set lifetime_end_ms = ${freeEnd(sql, nowMs)}
    where manifest_id = ${manifestId} and ${alive(sql, nowMs)} returning name, hidden`;
  return rows.filter((row) => !row.hidden).map((row) => row.name);
}

export async function insertTag(
  sql: Sql,
  row: {
    repositoryId: number;
    name: string;
    manifestId: number;
    startMs: number;
    endMs: number | null;
    hidden: boolean;
    reversion: boolean;
    immutable?: boolean;
  },
): Promise<void> {
  await sql`
    insert into tag (name, repository_id, manifest_id, lifetime_start_ms, lifetime_end_ms, hidden, reversion, immutable,
      tag_kind_id)
    values (${row.name}, ${row.repositoryId}, ${row.manifestId}, ${row.startMs}, ${row.endMs}, ${row.hidden},
      ${row.reversion}, ${row.immutable ?? false}, (select id from tagkind where name = 'tag'))`;
}

/** Sets a tag's end, or takes it away. Whoever was told of the old end will be told of the new one. */
export async function updateTagEnd(sql: Sql, id: number, endMs: number | null): Promise<void> {
  await sql`
    with told as (delete from tagnotificationsuccess where tag_id = ${id})
    update tag set lifetime_end_ms = ${endMs} where id = ${id}`;
}

export async function updateTagImmutable(sql: Sql, id: number, immutable: boolean): Promise<void> {
  await sql`update tag set immutable = ${immutable} where id = ${id}`;
}

/** An immutable tag that points at the manifest now; `undefined` without one. */
export async function selectImmutableTagOf(
  sql: Sql,
  manifestId: number,
  nowMs: number,
): Promise<string | undefined> {
  const [row] = await sql<{ name: string }[]>`
    select name from tag where manifest_id = ${manifestId} and ${alive(sql, nowMs)} and immutable limit 1`;
  return row?.name;
}

/** Prolongs the live hidden tag of a manifest, never shortening it. @returns whether there was one */
export async function prolongHiddenTag(
  sql: Sql,
  manifestId: number,
  endMs: number | null,
  nowMs: number,
): Promise<boolean> {
  const rows = await sql`
    update tag set lifetime_end_ms =
      case when lifetime_end_ms is null or ${endMs}::bigint is null then null
        else greatest(lifetime_end_ms, ${endMs}::bigint) end
    where id = (select id from tag where manifest_id = ${manifestId} and hidden and ${alive(sql, nowMs)}
      order by lifetime_end_ms desc nulls first limit 1)
    returning id`;
  return rows.length > 0;
}
