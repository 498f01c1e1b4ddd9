/** How all mirrors are, or those of one namespace: enabled ones of repositories in state MIRROR, as Quay counts them. */
import type { Sql } from "../postgres.ts";

const msOf = (sql: Sql, column: ReturnType<Sql>) => sql`(extract(epoch from ${column}) * 1000)::bigint`;
const timeOf = (sql: Sql, ms: number) => sql`to_timestamp(${ms / 1000}::double precision) at time zone 'utc'`;

const watched = (sql: Sql, namespaceId: number | undefined) =>
  sql`
  repomirrorconfig c join repository r on r.id = c.repository_id and r.state = 2
    join "user" n on n.id = r.namespace_user_id
  where c.is_enabled ${namespaceId === undefined ? sql`` : sql`and r.namespace_user_id = ${namespaceId}`}`;

/** Nobody works on it though its turn has come. */
const waiting = (sql: Sql) =>
  sql`
  c.sync_expiration_date is null and n.enabled and (c.sync_status = 3
    or c.sync_retries_remaining > 0 and c.sync_status not in (2, -2))`;

export interface MirrorCounts {
  readonly total: number;
  readonly syncing: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly neverRun: number;
  /** Since when the mirror waits for its turn that has waited for longest; null: none waits. */
  readonly waitingSinceMs: number | null;
}

export async function countMirrorStatuses(
  sql: Sql,
  namespaceId: number | undefined,
  nowMs: number,
): Promise<MirrorCounts> {
  const [row] = await sql<MirrorCounts[]>`
    select count(*) as total,
      count(*) filter (where c.sync_status = 2) as syncing,
      count(*) filter (where c.sync_status = 1) as succeeded,
      count(*) filter (where c.sync_status = -1) as failed,
      count(*) filter (where c.sync_status = 0) as "neverRun",
      ${
    msOf(
      sql,
      sql`min(c.sync_start_date) filter (where ${waiting(sql)}
        and c.sync_start_date <= ${timeOf(sql, nowMs)})`,
    )
  } as "waitingSinceMs"
    from ${watched(sql, namespaceId)}`;
  return row as MirrorCounts;
}

/** A claimed mirror: its run is under way, or pauses. */
export interface ClaimedMirrorRow {
  readonly expirationMs: number | null;
  /** What people see of the run. */
  readonly progressJson: string | null;
}

export async function selectClaimedMirrors(
  sql: Sql,
  namespaceId: number | undefined,
): Promise<ClaimedMirrorRow[]> {
  return await sql<ClaimedMirrorRow[]>`
    select ${msOf(sql, sql`c.sync_expiration_date`)} as "expirationMs",
      (select p.progress from repomirrorprogress p where p.repository_id = c.repository_id) as "progressJson"
    from ${watched(sql, namespaceId)} and c.sync_status = 2`;
}

export interface WatchedMirrorRow {
  readonly namespace: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly status: number;
  readonly startMs: number | null;
  readonly retriesRemaining: number;
  readonly progressJson: string | null;
}

const columns = (sql: Sql) =>
  sql`
  n.username as namespace, r.name, c.is_enabled as enabled, c.sync_status as status,
  ${msOf(sql, sql`c.sync_start_date`)} as "startMs", c.sync_retries_remaining as "retriesRemaining",
  (select p.progress from repomirrorprogress p where p.repository_id = c.repository_id) as "progressJson"`;

/** Mirrors whose last run failed. */
export async function selectFailedMirrors(
  sql: Sql,
  namespaceId: number | undefined,
  limit: number,
): Promise<WatchedMirrorRow[]> {
  return await sql<WatchedMirrorRow[]>`
    select ${columns(sql)} from ${
    watched(sql, namespaceId)
  } and c.sync_status = -1 order by c.id limit ${limit}`;
}

/** Mirrors that have waited for their turn since `beforeMs` or longer, the longest first. */
export async function selectLateMirrors(
  sql: Sql,
  namespaceId: number | undefined,
  { beforeMs, limit }: { beforeMs: number; limit: number },
): Promise<WatchedMirrorRow[]> {
  return await sql<WatchedMirrorRow[]>`
    select ${columns(sql)} from ${watched(sql, namespaceId)} and ${waiting(sql)}
      and c.sync_start_date <= ${timeOf(sql, beforeMs)}
    order by c.sync_start_date, c.id limit ${limit}`;
}

/** By namespace and name. Quay's API counts pages by offset; there are as many mirrors as somebody has set up. */
export async function selectMirrorPage(
  sql: Sql,
  namespaceId: number | undefined,
  { limit, offset }: { limit: number; offset: number },
): Promise<WatchedMirrorRow[]> {
  return await sql<WatchedMirrorRow[]>`
    select ${columns(sql)} from ${watched(sql, namespaceId)}
    order by n.username, r.name offset ${offset} limit ${limit}`;
}
