import type { Deps } from "../domain/deps.ts";
import { isOfOrganization, type Mirror, type RunOutcome } from "../domain/mirroring/model.ts";
import { type MirrorProgress, shareOf } from "../domain/mirroring/progress.ts";

type Named = Pick<Mirror, "id" | "namespace" | "name">;

/** What the metrics tell of each mirror that this node has run; nothing of those that are gone. */
export class MirrorMetrics {
  readonly #told = new Map<number, Named>();
  /** Why the last run of a mirror failed, by its id. */
  readonly #reasons = new Map<number, string>();
  /** Of them, those whose run waits for its window or budget. */
  readonly #paused = new Set<number>();

  constructor(readonly deps: Pick<Deps, "metrics" | "now">) {}

  /** A run begins, or goes on. */
  began(mirror: Named): void {
    const { id, namespace, name } = mirror;
    this.#told.set(id, { id, namespace, name });
    this.#paused.delete(id);
    this.deps.metrics.mirrorLastSyncStatus.labels(namespace, name, "").set(2);
  }

  /** How far a run is. */
  stands({ namespace, name }: Named, progress: MirrorProgress): void {
    const { metrics } = this.deps;
    const { tagsWanted, tagsDone, tagsFailed, phase, bytesPerSecond } = progress;
    metrics.mirrorPendingTags.labels(namespace, name).set(Math.max(0, tagsWanted - tagsDone - tagsFailed));
    metrics.mirrorPercentDone.labels(namespace, name).set(shareOf(progress).percent);
    metrics.mirrorBytesPerSecond.labels(namespace, name).set(phase === "paused" ? 0 : bytesPerSecond);
    metrics.mirrorPaused.labels(namespace, name).set(phase === "paused" ? 1 : 0);
  }

  /** How a run ended, or that it pauses; then how far it is stays told. */
  ended(mirror: Mirror, outcome: RunOutcome, tookMs: number): void {
    const { metrics, now } = this.deps;
    const { id, namespace, name } = mirror;
    if (outcome.kind === "paused") {
      this.#paused.add(id);
      return;
    }
    this.#forgetRun(mirror);
    const reason = this.#reasons.get(id);
    if (reason !== undefined) {
      metrics.mirrorLastSyncStatus.forget(namespace, name, reason);
      this.#reasons.delete(id);
    }
    if (outcome.kind !== "success" && outcome.kind !== "failed") {
      metrics.mirrorLastSyncStatus.forget(namespace, name, "");
      return;
    }
    const succeeded = outcome.kind === "success";
    if (isOfOrganization(mirror)) {
      metrics.orgMirrorRepoSyncs.labels(succeeded ? "success" : "failure").inc();
      metrics.orgMirrorRepoSyncDuration.labels().observe(tookMs / 1000);
    }
    metrics.mirrorSyncDuration.labels(namespace).observe(tookMs / 1000);
    metrics.mirrorLastSyncTimestamp.labels(namespace, name).set(Math.floor(now() / 1000));
    metrics.mirrorSyncComplete.labels(namespace, name).set(succeeded ? 1 : 0);
    metrics.mirrorLastSyncStatus.labels(namespace, name, "").set(succeeded ? 1 : 0);
    if (succeeded) return;
    metrics.mirrorLastSyncStatus.labels(namespace, name, outcome.reason).set(0);
    this.#reasons.set(id, outcome.reason);
    metrics.mirrorSyncFailures.labels(namespace, outcome.reason).inc();
  }

  /** Mirrors of which something is told. */
  get ids(): number[] {
    return [...this.#told.keys()];
  }

  /**
   * Forgets those that no longer exist, and pauses that are over without this node.
   * @param claimed of {@link ids}: whether some run has the mirror; absent: the mirror is gone
   * @param isRunning whether this node runs it
   */
  forgetGone(claimed: ReadonlyMap<number, boolean>, isRunning: (id: number) => boolean): void {
    for (const mirror of this.#told.values()) {
      if (isRunning(mirror.id)) continue;
      if (!claimed.has(mirror.id)) this.#forget(mirror);
      else if (this.#paused.has(mirror.id) && claimed.get(mirror.id) === false) this.#forgetRun(mirror);
    }
  }

  #forgetRun({ id, namespace, name }: Named): void {
    const { metrics } = this.deps;
    this.#paused.delete(id);
    metrics.mirrorPercentDone.forget(namespace, name);
    metrics.mirrorBytesPerSecond.forget(namespace, name);
    metrics.mirrorPaused.forget(namespace, name);
  }

  #forget(mirror: Named): void {
    const { metrics } = this.deps;
    const { id, namespace, name } = mirror;
    this.#forgetRun(mirror);
    metrics.mirrorPendingTags.forget(namespace, name);
    metrics.mirrorSyncComplete.forget(namespace, name);
    metrics.mirrorLastSyncTimestamp.forget(namespace, name);
    for (const reason of ["", this.#reasons.get(id)]) {
      if (reason !== undefined) metrics.mirrorLastSyncStatus.forget(namespace, name, reason);
    }
    this.#reasons.delete(id);
    this.#told.delete(id);
  }
}
