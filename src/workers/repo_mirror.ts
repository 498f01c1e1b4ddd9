import type { Deps } from "../domain/deps.ts";
import { mirrorOf } from "../domain/mirroring/mirrors.ts";
import { isOfOrganization, type Mirror, type RunOutcome, SYNC_STATUS } from "../domain/mirroring/model.ts";
import type { MirrorLimits, RunLimits } from "../domain/mirroring/limits.ts";
import { MirrorPacing, type PacedLimits } from "../domain/mirroring/pacing.ts";
import { RunProgress } from "../domain/mirroring/progress.ts";
import { releaseOf } from "../domain/mirroring/release.ts";
import { runMirror } from "../domain/mirroring/run.ts";
import { createUploadWorkspace } from "../domain/content/upload_workspace.ts";
import {
  claimMirror,
  countDueMirrors,
  selectMirrorById,
  selectMirrorLimits,
  upsertMirrorProgress,
} from "../drivers/database/queries/mirror.ts";
import { deleteOldMirrorTraffic } from "../drivers/database/queries/mirror_traffic.ts";
import { noteRunEnd } from "../drivers/database/queries/organization_mirror_repository.ts";
import { REPOSITORY_STATE } from "../drivers/database/queries/repository.ts";
import { releaseSync, renewSyncLease, selectSyncStates } from "../drivers/database/queries/sync.ts";
import { type HeldRun, LeasedRuns } from "./leased_runs.ts";
import { MirrorMetrics } from "./mirror_metrics.ts";

const TABLE = "repomirrorconfig";

/** How often old days of what mirrors took are forgotten. */
const FORGET_MS = 24 * 3600_000;
/** How often those that wait for their turn are counted, at most, while runs end. */
const COUNT_DUE_MS = 2_000;

export interface MirrorWorkerOptions {
  /** What the mirror may take of its link, instead of what is stored with it and with its upstream. */
  readonly limitsOf?: (mirror: Mirror) => RunLimits;
}

interface Running {
  readonly mirror: Mirror;
  readonly progress: RunProgress;
  readonly paced: PacedLimits;
  /** As {@link paced} has them. */
  limitsJson: string;
}

/**
 * Runs the mirrors that are due, `REPO_MIRROR_PARALLEL` at once, until it is stopped: {@link LeasedRuns}.
 * @returns stops what runs (it is taken up by whoever comes next) and waits for it
 */
export function startMirrorWorker(deps: Deps, options: MirrorWorkerOptions = {}): () => Promise<void> {
  const worker = new MirrorWorker(deps, options);
  return () => worker.runs.stop();
}

class MirrorWorker {
  readonly runs: LeasedRuns;
  readonly #running = new Map<number, Running>();
  readonly #pacing: MirrorPacing;
  readonly #buffers = createUploadWorkspace().buffers;
  readonly #told: MirrorMetrics;
  #forgotMs = 0;
  #countedMs = 0;
  /** A run has ended since those that wait were counted. */
  #endedSince = true;

  constructor(readonly deps: Deps, readonly options: MirrorWorkerOptions) {
    const { sql, config } = deps;
    this.#pacing = new MirrorPacing(deps, config);
    this.#told = new MirrorMetrics(deps);
    const states = [
      ...(config.FEATURE_REPO_MIRROR ? [REPOSITORY_STATE.MIRROR] : []),
      ...(config.FEATURE_ORG_MIRROR ? [REPOSITORY_STATE.ORG_MIRROR] : []),
    ];
    this.runs = new LeasedRuns(deps, {
      table: "repomirrorconfig",
      what: "a mirror's run",
      most: config.REPO_MIRROR_PARALLEL,
      everyMs: config.REPO_MIRROR_INTERVAL * 1000,
      claim: (claim) => claimMirror(sql, { ...claim, states }),
      run: (held) => this.#start(held),
      beat: (held) => this.#beat(held),
      roundOver: () => this.#forgetGone(),
    });
  }

  /** Lets changed limits act; writes down how far each run is. */
  async #beat(held: readonly number[]): Promise<void> {
    const { sql, config, now, metrics } = this.deps;
    const known = held.length === 0 ? [] : await selectMirrorLimits(sql, held);
    for (const { id, limitsJson } of known) {
      const running = this.#running.get(id);
      if (running === undefined) continue;
      if (limitsJson !== running.limitsJson) {
        running.limitsJson = limitsJson;
        running.paced.change(JSON.parse(limitsJson) as MirrorLimits);
      }
      await this.#writeProgress(running);
    }
    metrics.mirrorWorkersActive.labels().set(this.runs.count);
    await this.#countDue();
    if (config.REGISTRY_STATE === "readonly" || now() - this.#forgotMs < FORGET_MS) return;
    await deleteOldMirrorTraffic(sql, now());
    this.#forgotMs = now();
  }

  async #forgetGone(): Promise<void> {
    const rows = await selectSyncStates(this.deps.sql, TABLE, this.#told.ids);
    const claimed = new Map(rows.map(({ id, status }) => [id, status === SYNC_STATUS.SYNCING]));
    this.#told.forgetGone(claimed, (id) => this.#running.has(id));
  }

  async #start(held: HeldRun): Promise<void> {
    const row = await selectMirrorById(this.deps.sql, held.id);
    if (row === undefined) return; // deleted a moment ago
    const mirror = mirrorOf(row);
    const running: Running = {
      mirror,
      paced: this.#pacing.limitsOf(mirror),
      limitsJson: row.limitsJson,
      progress: new RunProgress(this.deps.now),
    };
    this.#running.set(held.id, running);
    try {
      await this.#run(running, held);
    } finally {
      this.#running.delete(held.id);
    }
  }

  async #run(running: Running, held: HeldRun): Promise<void> {
    const { deps, options } = this;
    const { mirror, progress } = running;
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
        signal: held.signal,
      });
    } finally {
      await running.paced.close();
      await this.#release(mirror, held, outcome);
      await this.#writeProgress(running, outcome);
      this.#measure(running, outcome, deps.now() - startedMs);
    }
  }

  async #release(mirror: Mirror, held: HeldRun, outcome: RunOutcome): Promise<void> {
    const { sql, now } = this.deps;
    await this.runs.release(mirror.id, async () => {
      if (outcome.kind === "paused") return await renewSyncLease(sql, TABLE, held, outcome.untilMs);
      if (outcome.kind === "given_up") return await renewSyncLease(sql, TABLE, held, now());
      if (outcome.kind === "cancelled") return;
      const end = releaseOf(mirror, outcome, now());
      if (!await releaseSync(sql, TABLE, held, end) || !isOfOrganization(mirror)) return;
      const message = outcome.kind === "failed" ? outcome.message : null;
      await noteRunEnd(sql, mirror.repositoryId, { status: end.status, message, nowMs: now() });
    }, outcome.kind === "failed");
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
    this.#endedSince = true;
    this.#told.ended(mirror, outcome, tookMs);
  }

  /** Many runs that end within a moment are counted after once. */
  async #countDue(): Promise<void> {
    const { sql, now, metrics } = this.deps;
    if (!this.#endedSince || now() - this.#countedMs < COUNT_DUE_MS) return;
    this.#countedMs = now();
    this.#endedSince = false;
    const { single, ofOrganizations } = await countDueMirrors(sql, now());
    metrics.repositoryRowsUnmirrored.labels().set(single);
    metrics.orgMirrorRepositoriesUnmirrored.labels().set(ofOrganizations);
  }
}
