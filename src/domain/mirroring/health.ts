/** Whether mirroring works, for whoever watches it from outside (Quay 3.18; `issues` and their thresholds are as there). */
import {
  countMirrorStatuses,
  type MirrorCounts,
  selectClaimedMirrors,
  selectFailedMirrors,
  selectLateMirrors,
  selectMirrorPage,
  type WatchedMirrorRow,
} from "../../drivers/database/queries/mirror_health.ts";
import { isOrganizationMember } from "../../drivers/database/queries/team.ts";
import { selectNamespace } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, isGlobalReadonlySuperuser, isSuperuser } from "../access/access.ts";
import { hasScope, isOperator, refusal, requireSuperuserOrReader } from "../access/rights.ts";
import type { Deps } from "../deps.ts";
import type { SyncStatus } from "./model.ts";
import type { MirrorProgress } from "./progress.ts";
import { mirrorDate } from "./settings.ts";

type HealthDeps = Pick<Deps, "sql" | "config" | "now">;

/** More failing ones than this, of those that have ever run, are no accident. */
const FAILING_SHARE = 0.2;
const LATE_MS = 24 * 3600_000;
/** A mirror that is due is taken within a round, unless all workers are busy. */
const ROUNDS_UNTIL_IDLE = 10;
/** So many of each kind are named. */
const NAMED = 5;

export interface HealthIssue {
  readonly severity: "warning" | "error" | "critical";
  readonly message: string;
}

/** A mirror in the list that is shown on request. */
export interface WatchedMirror {
  readonly namespace: string;
  readonly name: string;
  readonly status: SyncStatus;
  readonly enabled: boolean;
  readonly retriesRemaining: number;
  /** When its last run ended; null: never, or one is under way. */
  readonly endedMs: number | null;
}

export interface MirrorHealth {
  readonly healthy: boolean;
  readonly counts: MirrorCounts;
  /** Runs under way, on all nodes. */
  readonly running: number;
  /** Runs that wait for their window or budget. */
  readonly paused: number;
  /** Tags that the runs under way have still to copy. */
  readonly tagsPending: number;
  readonly checkedMs: number;
  readonly issues: readonly HealthIssue[];
  readonly page: { readonly mirrors: readonly WatchedMirror[]; readonly hasMore: boolean } | undefined;
}

export interface HealthQuestion {
  /** Absent: the whole registry. */
  readonly namespace: string | undefined;
  /** Absent: no list of the mirrors. */
  readonly page: { readonly limit: number; readonly offset: number } | undefined;
}

/**
 * How the mirrors of the registry are: for superusers and who may look like one. Those of one namespace: also for its owner
 * and the organization's members.
 * @throws {AppError} `feature_disabled`, `not_found`, `unauthenticated`, `insufficient_scope`
 */
export async function mirrorHealth(
  deps: HealthDeps,
  actor: Actor,
  { namespace, page }: HealthQuestion,
): Promise<MirrorHealth> {
  const { sql, config, now } = deps;
  if (!config.FEATURE_REPO_MIRROR) throw new AppError("feature_disabled", "Not Found");
  if (namespace === undefined) requireSuperuserOrReader(config, actor);
  const namespaceId = namespace === undefined ? undefined : await openNamespace(deps, actor, namespace);
  const nowMs = now();
  const counts = await countMirrorStatuses(sql, namespaceId, nowMs);
  const claimed = (await selectClaimedMirrors(sql, namespaceId)).map(({ expirationMs, progressJson }) => ({
    isHeld: (expirationMs ?? 0) > nowMs,
    progress: progressOf(progressJson),
  }));
  const paused = claimed.filter(({ progress }) => progress?.phase === "paused").length;
  const running = claimed.filter(({ isHeld, progress }) => isHeld && progress?.phase !== "paused").length;
  const critical = criticalIssues(config, counts, running, nowMs);
  const late = await selectLateMirrors(sql, namespaceId, { beforeMs: nowMs - LATE_MS, limit: NAMED });
  const failed = await selectFailedMirrors(sql, namespaceId, NAMED);
  return {
    healthy: critical.length === 0,
    counts,
    running,
    paused,
    tagsPending: claimed.reduce((sum, { progress }) => sum + pendingOf(progress), 0),
    checkedMs: nowMs,
    issues: [...critical, ...late.map(lateIssue), ...failed.map(failedIssue)],
    page: page && await pageOf(deps, namespaceId, page),
  };
}

/** @returns its id; to who may not know, a missing namespace looks like a foreign one */
async function openNamespace(deps: HealthDeps, actor: Actor, name: string): Promise<number> {
  const { sql, config } = deps;
  const account = await selectNamespace(sql, name);
  const seesAll = isOperator(actor) || isSuperuser(config, actor) ||
    isGlobalReadonlySuperuser(config, actor) && hasScope(actor, "super:user");
  if (account === undefined) {
    if (!seesAll) throw refusal(actor);
    throw new AppError("not_found", "Not Found");
  }
  if (seesAll) return account.id;
  if (actor.kind !== "user") throw refusal(actor);
  const isTheirs = account.organization
    ? hasScope(actor, "org:admin") && await isOrganizationMember(sql, account.id, actor.id)
    : hasScope(actor, "user:admin") && account.id === actor.id;
  if (!isTheirs) throw refusal(actor);
  return account.id;
}

function criticalIssues(
  config: HealthDeps["config"],
  { total, neverRun, failed, waitingSinceMs }: MirrorCounts,
  running: number,
  nowMs: number,
): HealthIssue[] {
  const issues: HealthIssue[] = [];
  const share = failed / Math.max(1, total - neverRun);
  if (share > FAILING_SHARE) {
    const [percent, most] = [share, FAILING_SHARE].map((part) => `${(part * 100).toFixed(1)}%`);
    issues.push({
      severity: "critical",
      message: `${percent} of repositories are failing (threshold: ${most})`,
    });
  }
  const patienceMs = ROUNDS_UNTIL_IDLE * config.REPO_MIRROR_INTERVAL * 1000;
  // A registry that is read-only starts none, and that is meant so.
  const mayRun = config.REGISTRY_STATE !== "readonly";
  if (mayRun && running === 0 && waitingSinceMs !== null && nowMs - waitingSinceMs > patienceMs) {
    issues.push({
      severity: "critical",
      message: `No worker takes the mirrors that are due: one waits since ${mirrorDate(waitingSinceMs)}`,
    });
  }
  return issues;
}

function lateIssue({ namespace, name, startMs }: WatchedMirrorRow): HealthIssue {
  const since = mirrorDate(startMs ?? 0);
  return {
    severity: "warning",
    message: `Repository ${namespace}/${name} hasn't synced in over 24 hours: it has been due since ${since}`,
  };
}

function failedIssue({ namespace, name, progressJson }: WatchedMirrorRow): HealthIssue {
  const why = progressOf(progressJson)?.lastError;
  return {
    severity: "error",
    message: `The last synchronization of repository ${namespace}/${name} failed${why ? `: ${why}` : ""}`,
  };
}

async function pageOf(
  { sql }: HealthDeps,
  namespaceId: number | undefined,
  { limit, offset }: { limit: number; offset: number },
): Promise<MirrorHealth["page"]> {
  const rows = await selectMirrorPage(sql, namespaceId, { limit: limit + 1, offset });
  const mirrors = rows.slice(0, limit).map(({ progressJson, ...row }) => ({
    ...row,
    status: row.status as SyncStatus,
    endedMs: endOf(progressOf(progressJson)),
  }));
  return { mirrors, hasMore: rows.length > limit };
}

function progressOf(json: string | null): MirrorProgress | undefined {
  return json === null ? undefined : JSON.parse(json) as MirrorProgress;
}

function pendingOf(progress: MirrorProgress | undefined): number {
  if (progress === undefined) return 0;
  return Math.max(0, progress.tagsWanted - progress.tagsDone - progress.tagsFailed);
}

const ENDED: readonly MirrorProgress["phase"][] = ["done", "failed", "cancelled"];

function endOf(progress: MirrorProgress | undefined): number | null {
  return progress !== undefined && ENDED.includes(progress.phase) ? progress.updatedMs : null;
}
