import type { Sql } from "../postgres.ts";

/** Where a label comes from; only those of the API may be changed. */
export type LabelSource = "manifest" | "api" | "internal";

export interface NewLabel {
  readonly key: string;
  readonly value: string;
  readonly mediaType: "text/plain" | "application/json";
}

/** Attaches labels to a manifest. */
export async function insertLabels(
  sql: Sql,
  row: { repositoryId: number; manifestId: number; source: LabelSource; labels: readonly NewLabel[] },
): Promise<void> {
  const keys = row.labels.map((label) => label.key);
  const values = row.labels.map((label) => label.value);
  const types = row.labels.map((label) => label.mediaType as string);
  await sql`
    with made as (
      insert into label (uuid, key, value, media_type_id, source_type_id)
      select gen_random_uuid()::text, l.key, l.value, mt.id, (select id from labelsourcetype where name = ${row.source})
      from unnest(${keys}::text[], ${values}::text[], ${types}::text[]) as l (key, value, type)
        join mediatype mt on mt.name = l.type
      returning id
    )
    insert into manifestlabel (repository_id, manifest_id, label_id)
    select ${row.repositoryId}, ${row.manifestId}, id from made`;
}

/** The distinct values of one label over several manifests, with how many of them carry it. */
export async function selectCommonLabel(
  sql: Sql,
  manifestIds: readonly number[],
  key: string,
): Promise<{ values: string[]; carriers: number }> {
  const [row] = await sql<{ values: string[] | null; carriers: number }[]>`
    select array_agg(distinct l.value) as values, count(distinct ml.manifest_id)::integer as carriers
    from manifestlabel ml join label l on l.id = ml.label_id
    where ml.manifest_id = any(${manifestIds as number[]}::integer[]) and l.key = ${key}`;
  return { values: row?.values ?? [], carriers: row?.carriers ?? 0 };
}

export interface LabelRow {
  readonly id: number;
  readonly uuid: string;
  readonly key: string;
  readonly value: string;
  readonly mediaType: string;
  readonly source: string;
  /** It came by the API and may go by it. */
  readonly mutable: boolean;
}

function selectLabels(sql: Sql, manifestId: number, condition: ReturnType<Sql>): Promise<LabelRow[]> {
  return sql<LabelRow[]>`
    select l.id, l.uuid, l.key, l.value, mt.name as "mediaType", s.name as source, s.mutable
    from manifestlabel ml join label l on l.id = ml.label_id join mediatype mt on mt.id = l.media_type_id
      join labelsourcetype s on s.id = l.source_type_id
    where ml.manifest_id = ${manifestId} and ${condition} order by l.id`;
}

/** Labels of a manifest whose keys start with `prefix`, oldest first. */
export function selectLabelsOf(sql: Sql, manifestId: number, prefix: string): Promise<LabelRow[]> {
  return selectLabels(sql, manifestId, sql`starts_with(l.key, ${prefix})`);
}

export async function selectLabel(
  sql: Sql,
  manifestId: number,
  uuid: string,
): Promise<LabelRow | undefined> {
  const [row] = await selectLabels(sql, manifestId, sql`l.uuid = ${uuid}`);
  return row;
}

/** @returns its public id */
export async function insertLabel(
  sql: Sql,
  row: { repositoryId: number; manifestId: number; source: LabelSource; label: NewLabel },
): Promise<string> {
  const { key, value, mediaType } = row.label;
  const [made] = await sql<{ uuid: string }[]>`
    with made as (
      insert into label (key, value, media_type_id, source_type_id)
      values (${key}, ${value}, (select id from mediatype where name = ${mediaType}),
        (select id from labelsourcetype where name = ${row.source}))
      returning id, uuid
    ), attached as (
      insert into manifestlabel (repository_id, manifest_id, label_id)
      select ${row.repositoryId}, ${row.manifestId}, id from made
    )
    select uuid from made`;
  if (made === undefined) throw new Error("label: the insert returned no row");
  return made.uuid;
}

/** Takes a label from a manifest. @returns whether it was there */
export async function deleteLabel(sql: Sql, manifestId: number, labelId: number): Promise<boolean> {
  const gone =
    await sql`delete from manifestlabel where manifest_id = ${manifestId} and label_id = ${labelId} returning id`;
  if (gone.length > 0) await sql`delete from label where id = ${labelId}`;
  return gone.length > 0;
}
