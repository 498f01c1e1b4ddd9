import type { Sql } from "../postgres.ts";

/** Pulls of one thing. */
export interface PullCount {
  readonly repositoryId: number;
  readonly count: number;
  /** Of the last one. */
  readonly atMs: number;
}

function columns(sql: Sql, pulls: readonly (PullCount & { name: string; digest: string })[]) {
  return sql`unnest(
    ${pulls.map((pull) => pull.repositoryId)}::integer[], ${pulls.map((pull) => pull.name)}::text[],
    ${pulls.map((pull) => pull.digest)}::text[], ${pulls.map((pull) => pull.count)}::bigint[],
    ${pulls.map((pull) => pull.atMs)}::float8[]) as p (repository_id, name, digest, count, at_ms)`;
}

/** Adds pulls of tags, each once, in the order of the table's index. Repositories that are gone are left out. */
export async function addTagPulls(
  sql: Sql,
  pulls: readonly (PullCount & { tag: string; digest: string })[],
): Promise<void> {
  await sql`
    insert into tagpullstatistics as t (repository_id, tag_name, tag_pull_count, last_tag_pull_date,
      current_manifest_digest)
    select p.repository_id, p.name, p.count, to_timestamp(p.at_ms / 1000) at time zone 'utc', p.digest
    from ${
    columns(sql, pulls.map((pull) => ({ ...pull, name: pull.tag })))
  } join repository r on r.id = p.repository_id
    order by p.repository_id, p.name
    on conflict (repository_id, tag_name) do update set tag_pull_count = t.tag_pull_count + excluded.tag_pull_count,
      last_tag_pull_date = greatest(t.last_tag_pull_date, excluded.last_tag_pull_date),
      current_manifest_digest = excluded.current_manifest_digest`;
}

/** As {@link addTagPulls}, for manifests. */
export async function addManifestPulls(
  sql: Sql,
  pulls: readonly (PullCount & { digest: string })[],
): Promise<void> {
  await sql`
    insert into manifestpullstatistics as m (repository_id, manifest_digest, manifest_pull_count,
      last_manifest_pull_date)
    select p.repository_id, p.digest, p.count, to_timestamp(p.at_ms / 1000) at time zone 'utc'
    from ${
    columns(sql, pulls.map((pull) => ({ ...pull, name: "" })))
  } join repository r on r.id = p.repository_id
    order by p.repository_id, p.digest
    on conflict (repository_id, manifest_digest) do update
      set manifest_pull_count = m.manifest_pull_count + excluded.manifest_pull_count,
        last_manifest_pull_date = greatest(m.last_manifest_pull_date, excluded.last_manifest_pull_date)`;
}

export interface PullStatisticsRow {
  readonly count: number;
  readonly lastMs: number;
}

export async function selectTagPulls(
  sql: Sql,
  repositoryId: number,
  tag: string,
): Promise<PullStatisticsRow | undefined> {
  const [row] = await sql<PullStatisticsRow[]>`
    select tag_pull_count as count, (extract(epoch from last_tag_pull_date) * 1000)::float8 as "lastMs"
    from tagpullstatistics where repository_id = ${repositoryId} and tag_name = ${tag}`;
  return row;
}

export async function selectManifestPulls(
  sql: Sql,
  repositoryId: number,
  digest: string,
): Promise<PullStatisticsRow | undefined> {
  const [row] = await sql<PullStatisticsRow[]>`
    select manifest_pull_count as count, (extract(epoch from last_manifest_pull_date) * 1000)::float8 as "lastMs"
    from manifestpullstatistics where repository_id = ${repositoryId} and manifest_digest = ${digest}`;
  return row;
}
