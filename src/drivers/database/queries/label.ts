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
