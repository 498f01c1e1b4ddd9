import type { Deps } from "../domain/deps.ts";
import { SYNC_STATUS } from "../domain/mirroring/model.ts";
import { RunEnded } from "../domain/mirroring/run.ts";
import {
  type HeldSync,
  renewSyncLease,
  selectSyncStates,
  type SyncClaim,
  type SyncTable,
} from "../drivers/database/queries/sync.ts";
import { pause } from "../lib/pause.ts";

/** A worker that is silent for so long has died: what it held is taken over. */
export const LEASE_MS = 60_000;
const RENEW_MS = 15_000;
/** How often is asked for runs that somebody wants now, and for cancelled ones. */
const BEAT_MS = 1_000;
const RELEASE_ATTEMPTS = 20;

/** A run that this worker has begun. */
export interface HeldRun extends HeldSync {
  /** Aborted with a {@link RunEnded} when the run is to stop. */
  readonly signal: AbortSignal;
}

export interface LeasedRunsOptions {
  readonly table: SyncTable;
  /** In the service's log. */
  readonly what: string;
  /** How many this node runs at once. */
  readonly most: number;
  /** How often due ones are looked for, and how long one is left alone that has just failed. */
  readonly everyMs: number;
  claim(claim: SyncClaim): Promise<number | undefined>;
  /** Works until it is done, and gives the row back. */
  run(held: HeldRun): Promise<void>;
  /** Nothing is due any more, for now. */
  roundOver?(): Promise<void>;
  /** Once a beat, with the ids whose claims hold. */
  beat?(held: readonly number[]): Promise<void>;
}

interface Running extends HeldRun {
  readonly stop: AbortController;
  renewedMs: number;
  ended: Promise<void>;
}

/**
 * Runs what is due in a table with sync columns, until it is stopped. Any number of nodes may do so: a row has one holder,
 * which keeps it by renewing its lease.
 */
export class LeasedRuns {
  readonly #running = new Map<number, Running>();
  /** What has just failed, and until when it is left alone: Quay tries it again in its next round. */
  readonly #resting = new Map<number, number>();
  readonly #timer: ReturnType<typeof setInterval>;
  #beating: Promise<void> | undefined;
  /** A claim that is under way. */
  #claiming: Promise<unknown> | undefined;
  /** A slot became free meanwhile. */
  #again = false;
  #scheduledMs = 0;
  #stopping = false;

  constructor(
    readonly deps: Pick<Deps, "sql" | "config" | "now" | "log">,
    readonly options: LeasedRunsOptions,
  ) {
    this.#timer = setInterval(() => this.#nudge(), BEAT_MS);
    this.#nudge();
  }

  get count(): number {
    return this.#running.size;
  }

  /** Stops what runs (it is taken up by whoever comes next) and waits for it. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping = true;
    await this.#beating;
    for (const { stop } of this.#running.values()) stop.abort(new RunEnded("given_up"));
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  /**
   * Gives a row back. While the database is away this waits; when it stays away, the lease runs out by itself.
   * @param failed it is left alone for a round
   */
  async release(id: number, release: () => Promise<unknown>, failed: boolean): Promise<void> {
    if (failed) {
      this.#resting.set(id, this.deps.now() + this.options.everyMs);
      // A claim that is under way does not know that, and may reach the database after the row is given back.
      await this.#claiming;
    }
    for (let attempt = 1;; attempt++) {
      try {
        return void await release();
      } catch (error) {
        if (attempt === RELEASE_ATTEMPTS || this.#stopping) {
          const { what } = this.options;
          return this.deps.log.error(`${what} could not be released; its lease runs out by itself`, {
            id,
            error,
          });
        }
        await pause(1000);
      }
    }
  }

  #nudge(): void {
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
      this.#nudge();
    });
  }

  async #beat(): Promise<void> {
    await this.options.beat?.(await this.#watch());
    await this.#claimAll();
  }

  /** Ends what was cancelled or lost, and renews the other leases. @returns what is held */
  async #watch(): Promise<number[]> {
    if (this.#running.size === 0) return [];
    const { deps: { sql, now }, options: { table } } = this;
    const states = await selectSyncStates(sql, table, [...this.#running.keys()]);
    const stateOf = new Map(states.map((state) => [state.id, state]));
    const held: number[] = [];
    for (const [id, running] of this.#running) {
      const state = stateOf.get(id);
      if (state?.status === SYNC_STATUS.SYNCING && state.transactionId === running.transactionId) {
        held.push(id);
        if (now() - running.renewedMs < RENEW_MS) continue;
        await renewSyncLease(sql, table, running, now() + LEASE_MS);
        running.renewedMs = now();
      } else if (!running.signal.aborted) {
        // Whoever changed the row did not want this run: a cancel, or another worker after a long silence of ours.
        running.stop.abort(new RunEnded(state?.status === SYNC_STATUS.SYNCING ? "given_up" : "cancelled"));
      }
    }
    return held;
  }

  async #claimAll(): Promise<void> {
    const { deps: { config, now }, options: { most, everyMs } } = this;
    for (const [id, untilMs] of this.#resting) if (untilMs <= now()) this.#resting.delete(id);
    const scheduled = now() - this.#scheduledMs >= everyMs;
    if (config.REGISTRY_STATE === "readonly") return;
    while (!this.#stopping && this.#running.size < most) {
      const transactionId = crypto.randomUUID();
      const claim = this.options.claim({
        nowMs: now(),
        leaseMs: LEASE_MS,
        transactionId,
        except: [...this.#resting.keys()],
        scheduled,
      });
      this.#claiming = claim.catch(() => {});
      const id = await claim;
      if (id === undefined) {
        // A round ends when nothing is due; until then each free slot takes the next one.
        if (scheduled) {
          this.#scheduledMs = now();
          await this.options.roundOver?.();
        }
        break;
      }
      this.#start(id, transactionId);
    }
  }

  #start(id: number, transactionId: string): void {
    const stop = new AbortController();
    const running: Running = {
      id,
      transactionId,
      stop,
      signal: stop.signal,
      renewedMs: this.deps.now(),
      ended: Promise.resolve(),
    };
    this.#running.set(id, running);
    running.ended = this.options.run(running).catch((error) => {
      this.deps.log.error(`${this.options.what} ended unexpectedly`, { id, error });
    }).finally(() => {
      this.#running.delete(id);
      if (!this.#stopping) this.#nudge();
    });
  }
}
