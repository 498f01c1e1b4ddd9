/*
 * Mirroring: a repository that follows a repository of another registry.
 *
 *   repomirrorconfig --- leases.ts ----> workers/repo_mirror.ts: N at once, fair, heartbeat, cancel, release
 *   (one row a mirror)   compare-and-set        |
 *                                             run.ts        one run, from the log entry that starts it to its outcome
 *                                               |
 *                        +----------------------+---------------------------+
 *                     plan.ts                copy.ts                    switch.ts
 *                  which tags (rules.ts),  for each image:           tags moved and ended in one
 *                  which have changed      closure.ts  index ->      transaction an image; with
 *                  (one conditional          platforms -> config,    REPO_MIRROR_ROLLBACK in one
 *                  request a tag),           layers; signatures,     for the whole run, so that a
 *                  which go                  referrers               failed one changes nothing
 *                                          blob_fetch.ts  bytes
 *                                            that are nowhere yet
 *                                          manifests, children
 *                                            first, untagged
 *
 *   drivers/upstream   speaks to the other registry; this room sees its `driver.ts` only
 *   limits.ts          asked before each piece of a body, and before each image: waits (rate), or pauses the run
 *   progress.ts        what people see of a run: one row a mirror, written once a second
 *   blobfetch          one row a blob that is under way, whoever wants it: its bytes are in `uploads/<uuid>`
 *
 * What has arrived stays: a blob resumes at its last byte in any later run, a finished blob and a stored manifest are
 * found by digest. Nothing is removed because the other side failed. Facts about Quay's mirror: its statuses, candidates,
 * release rules and log entries are kept; that a dead worker's mirror stays claimed for ever is not.
 */
import { REPOSITORY_STATE, type RepositoryState } from "../../drivers/database/queries/repository.ts";
import type { MirrorLimits } from "./limits.ts";
import type { MirrorRules } from "./rules.ts";

/** `repomirrorconfig.sync_status`. */
export const SYNC_STATUS = {
  CANCEL: -2,
  FAIL: -1,
  NEVER_RUN: 0,
  SUCCESS: 1,
  /** Claimed. A paused run is too: its lease ends when its window opens, and whoever comes then goes on. */
  SYNCING: 2,
  SYNC_NOW: 3,
} as const;
export type SyncStatus = (typeof SYNC_STATUS)[keyof typeof SYNC_STATUS];

/** As Quay spells it. */
export function statusName(status: SyncStatus): string {
  return Object.entries(SYNC_STATUS).find(([, value]) => value === status)?.[0] ?? `${status}`;
}

/** Tries before a mirror waits for its next turn. */
export const SYNC_RETRIES = 3;

/** Where a mirror's content comes from, and how to get there. */
export interface MirrorSource {
  /** `host[:port]/path`, without scheme and tag. */
  readonly reference: string;
  /** As stored: sealed with `Deps.secrets`. */
  readonly sealedUsername: string | null;
  readonly sealedPassword: string | null;
  /** False also allows plain HTTP. */
  readonly verifyTls: boolean;
  readonly proxy: MirrorProxy;
}

export interface MirrorProxy {
  readonly httpProxy: string | null;
  readonly httpsProxy: string | null;
  readonly noProxy: string | null;
}

/** A mirror: one row of `repomirrorconfig` with its rule and its repository. */
export interface Mirror {
  readonly id: number;
  readonly repositoryId: number;
  readonly repositoryState: RepositoryState;
  readonly namespaceId: number;
  readonly namespace: string;
  /** Of the repository, without the namespace. */
  readonly name: string;
  readonly robotId: number;
  readonly robotName: string;
  readonly enabled: boolean;
  readonly source: MirrorSource;
  /** Stored for Quay's clients: signatures are copied either way, and checked by whoever pulls. */
  readonly unsignedImages: boolean;
  readonly rules: MirrorRules;
  /** Quay's filter, as it was set; what counts of it is in `rules`. */
  readonly architectures: readonly string[];
  readonly limits: MirrorLimits;
  readonly intervalS: number;
  /** Epoch milliseconds; when the next run is due, or the first one was. */
  readonly startMs: number | null;
  /** When the lease of the run ends; null without one. */
  readonly expirationMs: number | null;
  readonly retriesRemaining: number;
  readonly status: SyncStatus;
  /** Proves a claim: whatever ends or renews a run must still find this. */
  readonly transactionId: string | null;
  /** Longest time for one small request to the other registry. */
  readonly timeoutS: number;
}

/** Whether the mirror of an organization has made it: that one steers it, and no tag of it is ever removed. */
export function isOfOrganization({ repositoryState }: Pick<Mirror, "repositoryState">): boolean {
  return repositoryState === REPOSITORY_STATE.ORG_MIRROR;
}

/** Why a run failed, as `last_error_reason` of Quay's metrics spells it, and the two that are ours. */
export type FailureReason =
  | "auth_failed"
  | "network_timeout"
  | "connection_error"
  | "not_found"
  | "tls_error"
  | "decryption_failed"
  | "preempted"
  | "unknown_error"
  | "storage_full"
  | "quota_exceeded";

export interface TagFailure {
  readonly tag: string;
  readonly reason: FailureReason;
  /** In words, for people: what, where, and what to do. No secrets. */
  readonly message: string;
}

/** How a run ended. */
export type RunOutcome =
  /** `tags`: those of the rules, sorted; empty when nothing matched, and then nothing was removed. */
  | { readonly kind: "success"; readonly tags: readonly string[] }
  /** Nothing could be started (`failed` is empty then), or some tags could not be copied. */
  | {
    readonly kind: "failed";
    readonly reason: FailureReason;
    readonly message: string;
    readonly tags: readonly string[];
    readonly failed: readonly TagFailure[];
  }
  /** A window closed or a budget is used up: to be continued at `untilMs`, and no failure. */
  | { readonly kind: "paused"; readonly untilMs: number; readonly message: string }
  /** By a user (the status is CANCEL by now). */
  | { readonly kind: "cancelled" }
  /** The lease was lost, or the service stops: somebody else goes on. */
  | { readonly kind: "given_up" };
