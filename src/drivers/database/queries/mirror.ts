import type { Sql } from "../postgres.ts";
import type { RepositoryState } from "./repository.ts";

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

const msOf = (sql: Sql, column: ReturnType<Sql>) => sql`(extract(epoch from ${column}) * 1000)::bigint`;
const timeOf = (sql: Sql, ms: number | null) =>
  sql`to_timestamp(${ms === null ? null : ms / 1000}::double precision) at time zone 'utc'`;

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

/** A pause, and a run whose settings were changed, are over this long after the change. */
const REREAD_MS = 10_000;

/**
 * Sets what is given. `keepsRun`: whoever has the claim goes on; otherwise the claim is void, and the run is taken up
 * anew in a moment, unless the mirror is disabled. A pause ends either way: what it waits for may have been changed.
 */
export async function updateMirror(
  sql: Sql,
  repositoryId: number,
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
  const lease = keepsRun
    // Of a run that is under way the lease is short, and stays.
    ? sql`case when sync_expiration_date > ${timeOf(sql, nowMs + 10 * REREAD_MS)}
        then ${timeOf(sql, nowMs + REREAD_MS)} else sync_expiration_date end`
    // least() would take the time where there is no lease.
    : sql`case when sync_expiration_date > ${timeOf(sql, nowMs + REREAD_MS)}
        then ${timeOf(sql, nowMs + REREAD_MS)} else sync_expiration_date end`;
  // Whoever disables a mirror wants no run of it: one that is under way, or waits for its window, ends.
  const ended = set.enabled === false ? sql`sync_status = 2` : sql`false`;
  await sql`
    with rule as (
      update repomirrorrule set rule_value = ${set.globsJson ?? null}
      where ${set.globsJson !== undefined}
        and id = (select root_rule_id from repomirrorconfig where repository_id = ${repositoryId})
    )
    update repomirrorconfig set ${sql(columns)},
      sync_start_date = ${start}, sync_expiration_date = case when not (${ended}) then ${lease} end,
      sync_status = case when ${ended} then 0 else sync_status end,
      sync_transaction_id = ${keepsRun ? sql`sync_transaction_id` : sql`gen_random_uuid()::text`}
    where repository_id = ${repositoryId}`;
}

export interface MirrorClaim {
  readonly nowMs: number;
  readonly leaseMs: number;
  readonly transactionId: string;
  /** Mirrors whose turn this worker leaves out for now; asked for by hand they run all the same. */
  readonly except: readonly number[];
  /** False: only what was asked for by hand, and what another left lying. */
  readonly scheduled: boolean;
}

/**
 * Takes one mirror: first what somebody asked for, then those whose holder went silent (or whose pause is over), then
 * the one that has been due for longest. Conditions are Quay's (mirror.md §3) but for the claimed ones, which Quay never
 * takes back. Each branch reads an index of its own from the front. @returns its id, `undefined` when nothing is due
 */
export async function claimMirror(sql: Sql, claim: MirrorClaim): Promise<number | undefined> {
  const now = timeOf(sql, claim.nowMs);
  const free = sql`r.state = 2 and n.enabled`;
  const from = sql`
    repomirrorconfig c join repository r on r.id = c.repository_id join "user" n on n.id = r.namespace_user_id`;
  const [row] = await sql<{ id: number }[]>`
    with asked as (
      select c.id from ${from} where c.sync_status = 3 and c.sync_expiration_date is null and ${free}
      order by c.sync_start_date limit 1 for update of c skip locked
    ), silent as (
      select c.id from ${from}
      where c.sync_status = 2 and c.sync_expiration_date <= ${now} and ${free} and not exists (select from asked)
      order by c.sync_expiration_date limit 1 for update of c skip locked
    ), due as (
      select c.id from ${from}
      where ${claim.scheduled} and c.is_enabled and c.sync_retries_remaining > 0 and c.sync_expiration_date is null
        and c.sync_status not in (2, -2) and c.sync_start_date <= ${now} and ${free}
        and not (c.id = any(${claim.except as number[]}::integer[]))
        and not exists (select from asked) and not exists (select from silent)
      order by c.sync_start_date limit 1 for update of c skip locked
    )
    update repomirrorconfig set sync_status = 2, sync_transaction_id = ${claim.transactionId},
      sync_expiration_date = ${timeOf(sql, claim.nowMs + claim.leaseMs)}
    where id in (select id from asked union all select id from silent union all select id from due)
    returning id`;
  return row?.id;
}

export async function selectMirrorById(sql: Sql, id: number): Promise<MirrorRow | undefined> {
  const [row] = await sql<MirrorRow[]>`select ${columns(sql)} from ${tables(sql)} where c.id = ${id}`;
  return row;
}

/** How a claimed mirror stands by now: whether the claim holds, and its status. */
export interface ClaimState {
  readonly id: number;
  readonly status: number;
  readonly transactionId: string | null;
  readonly limitsJson: string;
}

export async function selectClaims(sql: Sql, ids: readonly number[]): Promise<ClaimState[]> {
  return await sql<ClaimState[]>`
    select id, sync_status as status, sync_transaction_id as "transactionId", limits as "limitsJson"
    from repomirrorconfig where id = any(${ids as number[]}::integer[])`;
}

type Claim = { readonly id: number; readonly transactionId: string };

/** Sets when the lease ends. @returns false when it was lost, or the run cancelled */
export async function renewMirrorLease(
  sql: Sql,
  { id, transactionId }: Claim,
  untilMs: number,
): Promise<boolean> {
  const { count } = await sql`
    update repomirrorconfig set sync_expiration_date = ${timeOf(sql, untilMs)}
    where id = ${id} and sync_transaction_id = ${transactionId} and sync_status = 2`;
  return count > 0;
}

/** Ends a run. @returns false, and nothing has changed, when the claim was lost or the run cancelled */
export async function releaseMirror(
  sql: Sql,
  { id, transactionId }: Claim,
  end: { status: number; startMs: number | null; retriesRemaining: number },
): Promise<boolean> {
  const { count } = await sql`
    update repomirrorconfig set sync_status = ${end.status}, sync_start_date = ${timeOf(sql, end.startMs)},
      sync_retries_remaining = ${end.retriesRemaining}, sync_expiration_date = null,
      sync_transaction_id = ${crypto.randomUUID()}
    where id = ${id} and sync_transaction_id = ${transactionId} and sync_status = 2`;
  return count > 0;
}

/** Lets every lease end now: for a start at which no other node can be holding one. A pause goes on to its own end. */
export async function endMirrorLeases(sql: Sql, nowMs: number, longestMs: number): Promise<void> {
  await sql`
    update repomirrorconfig set sync_expiration_date = ${timeOf(sql, nowMs)}
    where sync_status = 2 and sync_expiration_date <= ${timeOf(sql, nowMs + longestMs)}`;
}

/** Queues a run, unless one is under way. @returns whether it was queued */
export async function requestMirrorSync(sql: Sql, repositoryId: number): Promise<boolean> {
  const { count } = await sql`
    update repomirrorconfig set sync_status = 3, sync_expiration_date = null,
      sync_retries_remaining = greatest(sync_retries_remaining, 1), sync_transaction_id = gen_random_uuid()::text
    where repository_id = ${repositoryId} and sync_status <> 2`;
  return count > 0;
}

/** Ends what runs or is queued; nothing starts again before somebody asks. @returns whether there was something */
export async function cancelMirrorSync(sql: Sql, repositoryId: number): Promise<boolean> {
  const { count } = await sql`
    update repomirrorconfig set sync_status = -2, sync_expiration_date = null, sync_retries_remaining = 0,
      sync_transaction_id = gen_random_uuid()::text
    where repository_id = ${repositoryId} and sync_status in (2, 3)`;
  return count > 0;
}

/** Mirrors whose turn has come and that nobody works on. */
export async function countDueMirrors(sql: Sql, nowMs: number): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*) as count from repomirrorconfig c join repository r on r.id = c.repository_id
    where r.state = 2 and c.sync_expiration_date is null and (c.sync_status = 3 or c.is_enabled
      and c.sync_retries_remaining > 0 and c.sync_status not in (2, -2) and c.sync_start_date <= ${
    timeOf(sql, nowMs)
  })`;
  return row?.count ?? 0;
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
