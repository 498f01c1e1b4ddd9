import type { Deps } from "../domain/deps.ts";
import { mirrorOf } from "../domain/mirroring/mirrors.ts";
import { type Mirror, type RunOutcome, SYNC_STATUS } from "../domain/mirroring/model.ts";
import type { MirrorLimits, RunLimits } from "../domain/mirroring/limits.ts";
import { MirrorPacing, type PacedLimits } from "../domain/mirroring/pacing.ts";
import { RunProgress } from "../domain/mirroring/progress.ts";
import { releaseOf } from "../domain/mirroring/release.ts";
import { RunEnded, runMirror } from "../domain/mirroring/run.ts";
import { MirrorMetrics } from "./mirror_metrics.ts";
import { createUploadWorkspace } from "../domain/content/upload_workspace.ts";
import {
  claimMirror,
  countDueMirrors,
  releaseMirror,
  renewMirrorLease,
  selectClaims,
  selectMirrorById,
  upsertMirrorProgress,
} from "../drivers/database/queries/mirror.ts";
import { deleteOldMirrorTraffic } from "../drivers/database/queries/mirror_traffic.ts";

/** A worker that is silent for so long has died: its mirrors are taken over. */
export const MIRROR_LEASE_MS = 60_000;
const RENEW_MS = 15_000;
/** How often is asked for runs that somebody wants now, for cancelled ones, and progress is written. */
const BEAT_MS = 1_000;
const RELEASE_ATTEMPTS = 20;
/** How often old days of what mirrors took are forgotten. */
const FORGET_MS = 24 * 3600_000;

export interface MirrorWorkerOptions {
  /** What the mirror may take of its link, instead of what is stored with it and with its upstream. */
  readonly limitsOf?: (mirror: Mirror) => RunLimits;
}

interface Running {
  readonly mirror: Mirror;
  readonly transactionId: string;
  readonly stop: AbortController;
  readonly progress: RunProgress;
  readonly paced: PacedLimits;
  /** As {@link paced} has them. */
  limitsJson: string;
  renewedMs: number;
  ended: Promise<void>;
}

/**
 * Runs the mirrors that are due, `REPO_MIRROR_PARALLEL` at once, until it is stopped. Any number of nodes may do so: a mirror
 * has one holder, which keeps it by renewing its lease.
 * @returns stops what runs (it is taken up by whoever comes next) and waits for it
 */
export function startMirrorWorker(deps: Deps, options: MirrorWorkerOptions = {}): () => Promise<void> {
  const worker = new MirrorWorker(deps, options);
  const timer = setInterval(() => worker.beat(), BEAT_MS);
  worker.beat();
  return async () => {
    clearInterval(timer);
    await worker.stop();
  };
}

class MirrorWorker {
  readonly #running = new Map<number, Running>();
  readonly #pacing: MirrorPacing;
  readonly #buffers = createUploadWorkspace().buffers;
  /** Mirrors whose run has just failed, and until when they are left alone: Quay tries them again in its next round. */
  readonly #resting = new Map<number, number>();
  #beating: Promise<void> | undefined;
  /** A slot became free meanwhile. */
  #again = false;
  readonly #told: MirrorMetrics;
  #scheduledMs = 0;
  #forgotMs = 0;
  #stopping = false;

  constructor(readonly deps: Deps, readonly options: MirrorWorkerOptions) {
    this.#pacing = new MirrorPacing(deps, deps.config);
    this.#told = new MirrorMetrics(deps);
  }

  beat(): void {
    if (this.#beating !== undefined) {
      this.#again = true;
      return;
    }
    this.#beating = this.#beat().catch((error) => {
      this.deps.log.warn("mirroring waits for the database", { error });
    }).finally(() => {
      this.#beating = undefined;
      if (!this.#again || this.#stopping) return;
      this.#again = false;
      this.beat();
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#beating;
    for (const { stop } of this.#running.values()) stop.abort(new RunEnded("given_up"));
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  async #beat(): Promise<void> {
    await this.#watch();
    await this.#claimAll();
    const { sql, config, now } = this.deps;
    if (config.REGISTRY_STATE === "readonly" || now() - this.#forgotMs < FORGET_MS) return;
    await deleteOldMirrorTraffic(sql, now());
    this.#forgotMs = now();
  }

  /** Ends what was cancelled or lost; renews the other leases; writes down how far each is. */
  async #watch(): Promise<void> {
    if (this.#running.size === 0) return;
    const { sql, now } = this.deps;
    const claims = new Map((await selectClaims(sql, [...this.#running.keys()])).map((row) => [row.id, row]));
    for (const [id, running] of this.#running) {
      const claim = claims.get(id);
      if (claim?.status === SYNC_STATUS.SYNCING && claim.transactionId === running.transactionId) {
        if (now() - running.renewedMs >= RENEW_MS) {
          await renewMirrorLease(sql, { id, transactionId: running.transactionId }, now() + MIRROR_LEASE_MS);
          running.renewedMs = now();
        }
        if (claim.limitsJson !== running.limitsJson) {
          running.limitsJson = claim.limitsJson;
          running.paced.change(JSON.parse(claim.limitsJson) as MirrorLimits);
        }
        await this.#writeProgress(running);
      } else if (!running.stop.signal.aborted) {
        // Whoever changed the row did not want this run: a cancel, or another worker after a long silence of ours.
        running.stop.abort(new RunEnded(claim?.status === SYNC_STATUS.SYNCING ? "given_up" : "cancelled"));
      }
    }
  }

  async #claimAll(): Promise<void> {
    const { sql, config, now, metrics } = this.deps;
    for (const [id, untilMs] of this.#resting) if (untilMs <= now()) this.#resting.delete(id);
    const scheduled = now() - this.#scheduledMs >= config.REPO_MIRROR_INTERVAL * 1000;
    if (config.REGISTRY_STATE === "readonly") return;
    while (!this.#stopping && this.#running.size < config.REPO_MIRROR_PARALLEL) {
      const transactionId = crypto.randomUUID();
      const id = await claimMirror(sql, {
        nowMs: now(),
        leaseMs: MIRROR_LEASE_MS,
        transactionId,
        except: [...this.#resting.keys()],
        scheduled,
      });
      if (id === undefined) {
        // A round ends when nothing is due; until then each free slot takes the next one.
        if (scheduled) {
          this.#scheduledMs = now();
          await this.#forgetGone();
        }
        break;
      }
      await this.#start(id, transactionId);
    }
    metrics.mirrorWorkersActive.labels().set(this.#running.size);
  }

  async #forgetGone(): Promise<void> {
    const rows = await selectClaims(this.deps.sql, this.#told.ids);
    const claimed = new Map(rows.map(({ id, status }) => [id, status === SYNC_STATUS.SYNCING]));
    this.#told.forgetGone(claimed, (id) => this.#running.has(id));
  }

  async #start(id: number, transactionId: string): Promise<void> {
    const row = await selectMirrorById(this.deps.sql, id);
    if (row === undefined) return; // deleted a moment ago
    const mirror = mirrorOf(row);
    const running: Running = {
      mirror,
      paced: this.#pacing.limitsOf(mirror),
      limitsJson: row.limitsJson,
      transactionId,
      stop: new AbortController(),
      progress: new RunProgress(this.deps.now),
      renewedMs: this.deps.now(),
      ended: Promise.resolve(),
    };
    this.#running.set(id, running);
    running.ended = this.#run(running).catch((error) => {
      this.deps.log.error("a mirror's run ended unexpectedly", { mirror: id, error });
    }).finally(() => {
      this.#running.delete(id);
      if (!this.#stopping) this.beat();
    });
  }

  async #run(running: Running): Promise<void> {
    const { deps, options } = this;
    const { mirror, progress, stop } = running;
    const startedMs = deps.now();
    this.#told.began(mirror);
    await this.#writeProgress(running);
    let outcome: RunOutcome = { kind: "given_up" };
    try {
      outcome = await runMirror({ ...deps, buffers: this.#buffers }, mirror, {
        limits: options.limitsOf?.(mirror) ?? running.paced,
        report: (event) => {
          progress.report(event);
          if (event.kind === "fetched") deps.metrics.mirroredBytes.labels().inc(event.bytes);
        },
        signal: stop.signal,
      });
    } finally {
      await running.paced.close();
      await this.#release(running, outcome);
      await this.#writeProgress(running, outcome);
      this.#measure(running, outcome, deps.now() - startedMs);
    }
  }

  /** Gives the mirror back. While the database is away this waits; when it stays away, the lease runs out by itself. */
  async #release({ mirror, transactionId }: Running, outcome: RunOutcome): Promise<void> {
    const { sql, now, log, config } = this.deps;
    const claim = { id: mirror.id, transactionId };
    for (let attempt = 1;; attempt++) {
      try {
        if (outcome.kind === "paused") await renewMirrorLease(sql, claim, outcome.untilMs);
        else if (outcome.kind === "given_up") await renewMirrorLease(sql, claim, now());
        else if (outcome.kind !== "cancelled") {
          await releaseMirror(sql, claim, releaseOf(mirror, outcome, now()));
        }
        break;
      } catch (error) {
        if (attempt === RELEASE_ATTEMPTS || this.#stopping) {
          log.error("a mirror could not be released; its lease runs out by itself", {
            mirror: mirror.id,
            error,
          });
          break;
        }
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
    if (outcome.kind === "failed") this.#resting.set(mirror.id, now() + config.REPO_MIRROR_INTERVAL * 1000);
  }

  async #writeProgress({ mirror, progress }: Running, outcome?: RunOutcome): Promise<void> {
    if (outcome?.kind === "success") progress.report({ kind: "phase", phase: "done" });
    if (outcome?.kind === "failed") progress.report({ kind: "phase", phase: "failed" });
    if (outcome?.kind === "cancelled") progress.report({ kind: "phase", phase: "cancelled" });
    const state = progress.snapshot();
    this.#told.stands(mirror, state);
    try {
      await upsertMirrorProgress(this.deps.sql, mirror.repositoryId, JSON.stringify(state), state.updatedMs);
    } catch (error) {
      this.deps.log.warn("the progress of a mirror was not written", { mirror: mirror.id, error });
    }
  }

  #measure({ mirror }: Running, outcome: RunOutcome, tookMs: number): void {
    const { log } = this.deps;
    const fields = {
      repository: `${mirror.namespace}/${mirror.name}`,
      seconds: Math.round(tookMs / 1000),
    };
    if (outcome.kind === "success") log.info("mirrored", { ...fields, tags: outcome.tags.length });
    else if (outcome.kind === "failed") {
      const { reason, message, failed } = outcome;
      log.warn("mirroring failed", { ...fields, reason, message, failedTags: failed.length });
    } else log.info(`mirroring ${outcome.kind}`, fields);
    this.#countDue();
    this.#told.ended(mirror, outcome, tookMs);
  }

  #countDue(): void {
    const { sql, now, metrics } = this.deps;
    countDueMirrors(sql, now()).then(
      (count) => metrics.repositoryRowsUnmirrored.labels().set(count),
      () => {}, // the next run counts again
    );
  }
}
