import type { Sql } from "../postgres.ts";
import type { RepositoryState } from "./repository.ts";
import {
  askedSync,
  cancelledSync,
  claimSync,
  type Fragment,
  isDue,
  msOf,
  rereadSync,
  type SyncClaim,
  timeOf,
} from "./sync.ts";

/** A row of `repomirrorconfig` with its rule, repository and robot, as stored. */
export interface MirrorRow {
  readonly id: number;
  readonly repositoryId: number;
  readonly repositoryState: RepositoryState;
  readonly namespaceId: number;
  readonly namespace: string;
  readonly name: string;
  readonly robotId: number;
  readonly robotName: string;
  readonly enabled: boolean;
  readonly reference: string;
  readonly sealedUsername: string | null;
  readonly sealedPassword: string | null;
  /** Quay's `external_registry_config`, JSON. */
  readonly registryConfigJson: string;
  /** `rule_value`: a JSON list of globs. */
  readonly globsJson: string;
  readonly rulesJson: string;
  readonly limitsJson: string;
  /** A JSON list; null when it was never set. */
  readonly architecturesJson: string | null;
  readonly intervalS: number;
  readonly startMs: number | null;
  readonly expirationMs: number | null;
  readonly retriesRemaining: number;
  readonly status: number;
  readonly transactionId: string | null;
  readonly timeoutS: number;
}

const columns = (sql: Sql) =>
  sql`
  c.id, c.repository_id as "repositoryId", r.state as "repositoryState", r.namespace_user_id as "namespaceId",
  n.username as namespace, r.name, c.internal_robot_id as "robotId", robot.username as "robotName",
  c.is_enabled as enabled, c.external_reference as reference, c.external_registry_username as "sealedUsername",
  c.external_registry_password as "sealedPassword", c.external_registry_config as "registryConfigJson",
  rule.rule_value as "globsJson", c.rules as "rulesJson", c.limits as "limitsJson",
  c.architecture_filter as "architecturesJson", c.sync_interval as "intervalS",
  ${msOf(sql, sql`c.sync_start_date`)} as "startMs", ${
    msOf(sql, sql`c.sync_expiration_date`)
  } as "expirationMs",
  c.sync_retries_remaining as "retriesRemaining", c.sync_status as status, c.sync_transaction_id as "transactionId",
  c.skopeo_timeout as "timeoutS"`;

const tables = (sql: Sql) =>
  sql`
  repomirrorconfig c join repomirrorrule rule on rule.id = c.root_rule_id
  join repository r on r.id = c.repository_id join "user" n on n.id = r.namespace_user_id
  join "user" robot on robot.id = c.internal_robot_id`;

export async function selectMirror(sql: Sql, repositoryId: number): Promise<MirrorRow | undefined> {
  const [row] = await sql<MirrorRow[]>`
    select ${columns(sql)} from ${tables(sql)} where c.repository_id = ${repositoryId}`;
  return row;
}

/** All mirrors of a namespace, by name. */
export async function selectMirrorsOf(sql: Sql, namespaceId: number): Promise<MirrorRow[]> {
  return await sql<MirrorRow[]>`
    select ${columns(sql)} from ${tables(sql)} where r.namespace_user_id = ${namespaceId} order by r.name`;
}

/** What people set of a mirror, as stored. */
export interface MirrorSettingsRow {
  readonly robotId: number;
  readonly enabled: boolean;
  readonly reference: string;
  readonly sealedUsername: string | null;
  readonly sealedPassword: string | null;
  readonly registryConfigJson: string;
  readonly globsJson: string;
  readonly rulesJson: string;
  readonly limitsJson: string;
  readonly architecturesJson: string | null;
  readonly intervalS: number;
  readonly startMs: number;
  readonly timeoutS: number;
}

export interface NewMirror extends MirrorSettingsRow {
  readonly repositoryId: number;
}

/** @returns false, and nothing has changed, when the repository is a mirror already */
export async function insertMirror(sql: Sql, mirror: NewMirror): Promise<boolean> {
  const rows = await sql`
    with rule as (
      insert into repomirrorrule (repository_id, rule_type, rule_value)
      select ${mirror.repositoryId}, 1, ${mirror.globsJson}
      where not exists (select from repomirrorconfig where repository_id = ${mirror.repositoryId})
      returning id
    )
    insert into repomirrorconfig (repository_id, internal_robot_id, is_enabled, external_reference,
      external_registry_username, external_registry_password, external_registry_config, sync_interval, sync_start_date,
      root_rule_id, skopeo_timeout, architecture_filter, rules, limits)
    select ${mirror.repositoryId}, ${mirror.robotId}, ${mirror.enabled}, ${mirror.reference}, ${mirror.sealedUsername},
      ${mirror.sealedPassword}, ${mirror.registryConfigJson}, ${mirror.intervalS}, ${
    timeOf(sql, mirror.startMs)
  }, rule.id,
      ${mirror.timeoutS}, ${mirror.architecturesJson}, ${mirror.rulesJson}, ${mirror.limitsJson}
    from rule
    on conflict (repository_id) do nothing returning id`;
  return rows.length > 0;
}

/** The mirror of a repository, held until the transaction ends. */
export async function lockMirror(
  sql: Sql,
  repositoryId: number,
): Promise<{ id: number; registryConfigJson: string } | undefined> {
  const [row] = await sql<{ id: number; registryConfigJson: string }[]>`
    select id, external_registry_config as "registryConfigJson" from repomirrorconfig
    where repository_id = ${repositoryId} for update`;
  return row;
}

/** The only `mirror_type`. */
const PULL = 1;

/** Which mirrors: by repository ids, of one or of a query. */
export type MirroredRepositories = Fragment;

export const mirrorOfRepository = (sql: Sql, repositoryId: number): MirroredRepositories =>
  sql`select ${repositoryId}::integer`;

/** Sets what is given. `keepsRun`: whoever has the claim goes on; otherwise see {@link rereadSync}. */
export async function updateMirrors(
  sql: Sql,
  which: MirroredRepositories,
  set: Partial<MirrorSettingsRow>,
  { nowMs, keepsRun }: { nowMs: number; keepsRun: boolean },
): Promise<void> {
  const columns = {
    mirror_type: PULL,
    ...(set.robotId !== undefined && { internal_robot_id: set.robotId }),
    ...(set.enabled !== undefined && { is_enabled: set.enabled }),
    ...(set.reference !== undefined && { external_reference: set.reference }),
    ...(set.sealedUsername !== undefined && { external_registry_username: set.sealedUsername }),
    ...(set.sealedPassword !== undefined && { external_registry_password: set.sealedPassword }),
    ...(set.registryConfigJson !== undefined && { external_registry_config: set.registryConfigJson }),
    ...(set.rulesJson !== undefined && { rules: set.rulesJson }),
    ...(set.limitsJson !== undefined && { limits: set.limitsJson }),
    ...(set.architecturesJson !== undefined && { architecture_filter: set.architecturesJson }),
    ...(set.intervalS !== undefined && { sync_interval: set.intervalS }),
    ...(set.timeoutS !== undefined && { skopeo_timeout: set.timeoutS }),
  };
  const start = set.startMs === undefined ? sql`sync_start_date` : timeOf(sql, set.startMs);
  await sql`
    with rule as (
      update repomirrorrule set rule_value = ${set.globsJson ?? null}
      where ${set.globsJson !== undefined}
        and id in (select root_rule_id from repomirrorconfig where repository_id in (${which}))
    )
    update repomirrorconfig set ${sql(columns)}, sync_start_date = ${start},
      ${rereadSync(sql, { nowMs, keeps: keepsRun, disables: set.enabled === false })}
    where repository_id in (${which})`;
}

export interface MirrorClaim extends SyncClaim {
  /** Of the repositories whose mirrors are taken: MIRROR, ORG_MIRROR. */
  readonly states: readonly RepositoryState[];
}

/** Takes one mirror: {@link claimSync}. */
export async function claimMirror(sql: Sql, claim: MirrorClaim): Promise<number | undefined> {
  return await claimSync(sql, {
    table: "repomirrorconfig",
    joined: sql`join repository r on r.id = c.repository_id join "user" n on n.id = r.namespace_user_id`,
    free: sql`r.state = any(${claim.states as number[]}::integer[]) and n.enabled`,
  }, claim);
}

export async function selectMirrorById(sql: Sql, id: number): Promise<MirrorRow | undefined> {
  const [row] = await sql<MirrorRow[]>`select ${columns(sql)} from ${tables(sql)} where c.id = ${id}`;
  return row;
}

/** What mirrors may take of their links by now. */
export async function selectMirrorLimits(
  sql: Sql,
  ids: readonly number[],
): Promise<{ id: number; limitsJson: string }[]> {
  return await sql<{ id: number; limitsJson: string }[]>`
    select id, limits as "limitsJson" from repomirrorconfig where id = any(${ids as number[]}::integer[])`;
}

/** Queues a run, unless one is under way. @returns whether it was queued */
export async function requestMirrorSync(sql: Sql, repositoryId: number): Promise<boolean> {
  const { count } = await sql`
    update repomirrorconfig set ${askedSync(sql)} where repository_id = ${repositoryId} and sync_status <> 2`;
  return count > 0;
}

/** Ends what runs or is queued; nothing starts again before somebody asks. @returns whether there was something */
export async function cancelMirrorSync(sql: Sql, repositoryId: number): Promise<boolean> {
  const { count } = await sql`
    update repomirrorconfig set ${cancelledSync(sql)}
    where repository_id = ${repositoryId} and sync_status in (2, 3)`;
  return count > 0;
}

/**
 * Mirrors whose turn has come and that nobody works on: of single repositories, and of organizations'. One look into
 * `repository` for each: a join may be planned as all against all while the tables' statistics are young.
 */
export async function countDueMirrors(
  sql: Sql,
  nowMs: number,
): Promise<{ single: number; ofOrganizations: number }> {
  const [row] = await sql<{ single: number; ofOrganizations: number }[]>`
    select count(*) filter (where r.state = 2) as single, count(*) filter (where r.state = 4) as "ofOrganizations"
    from repomirrorconfig c
    cross join lateral (select state from repository where id = c.repository_id offset 0) r
    where r.state in (2, 4) and ${isDue(sql, nowMs)}`;
  return row ?? { single: 0, ofOrganizations: 0 };
}

/** Replaces what people see of a mirror's run. Committed without waiting for the disk: the next one is a second away. */
export async function upsertMirrorProgress(
  sql: Sql,
  repositoryId: number,
  progressJson: string,
  nowMs: number,
): Promise<void> {
  await sql`
    with relaxed as (select set_config('synchronous_commit', 'off', true))
    insert into repomirrorprogress (repository_id, progress, updated_ms)
    select ${repositoryId}, ${progressJson}, ${nowMs} from relaxed
    on conflict (repository_id) do update set progress = excluded.progress, updated_ms = excluded.updated_ms`;
}

export async function selectMirrorProgress(sql: Sql, repositoryId: number): Promise<string | undefined> {
  const [row] = await sql<{ progress: string }[]>`
    select progress from repomirrorprogress where repository_id = ${repositoryId}`;
  return row?.progress;
}

/** When the referrers of unchanged images were asked for last; 0 for never. */
export async function selectReferrersChecked(sql: Sql, repositoryId: number): Promise<number> {
  const [row] = await sql<{ checkedMs: number | null }[]>`
    select referrers_checked_ms as "checkedMs" from repomirrorprogress where repository_id = ${repositoryId}`;
  return row?.checkedMs ?? 0;
}

export async function updateReferrersChecked(sql: Sql, repositoryId: number, nowMs: number): Promise<void> {
  await sql`update repomirrorprogress set referrers_checked_ms = ${nowMs} where repository_id = ${repositoryId}`;
}
