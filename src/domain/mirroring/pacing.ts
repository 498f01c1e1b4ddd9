/** Makes the limits of mirrors and of upstreams act: rates, daily windows, byte budgets, blobs at once. */
import type { Config } from "../../config/schema.ts";
import { addMirrorTraffic } from "../../drivers/database/queries/mirror_traffic.ts";
import type { Deps } from "../deps.ts";
import { Allowance } from "./allowance.ts";
import { DEFAULT_CONCURRENCY, limitsFrom, type MirrorLimits, type RunLimits } from "./limits.ts";
import type { Mirror } from "./model.ts";
import { parseExternalReference } from "./external_reference.ts";
import { type Clock, REAL_CLOCK } from "./shared_rate.ts";
import { Turnstile, untilAborted } from "./waiting.ts";

/** How often what was taken is written down, and what other nodes took is read. */
const SAVE_MS = 1_000;

export interface PacedLimits extends RunLimits {
  /** The mirror's limits from now on, also for what is under way. */
  change(limits: MirrorLimits): void;
  /** Writes down what was taken since the last time. */
  close(): Promise<void>;
}

type PacingDeps = Pick<Deps, "sql" | "now" | "log">;

/**
 * What one mirror or one upstream may take, and took. Rates and numbers of blobs hold for this node; budgets for all nodes,
 * which count in one table, with the bytes of about a second missing.
 */
class Share {
  readonly allowance: Allowance;
  readonly turnstile: Turnstile;
  #savedAtMs = -Infinity;
  #saving: Promise<void> | undefined;

  constructor(
    readonly deps: PacingDeps,
    readonly subject: string,
    limits: MirrorLimits,
    { concurrency, clock }: { concurrency: number; clock: Clock },
  ) {
    this.allowance = new Allowance(limits, deps.now, clock);
    this.turnstile = new Turnstile(() => this.allowance.limits.concurrency ?? concurrency);
  }

  /** @throws {MirrorPaused} */
  async check(): Promise<void> {
    const { dailyBytes, monthlyBytes } = this.allowance.limits;
    if (dailyBytes !== undefined || monthlyBytes !== undefined) await this.save();
    this.allowance.check();
  }

  async saveSometimes(): Promise<void> {
    if (this.deps.now() - this.#savedAtMs >= SAVE_MS) await this.save();
  }

  async save(): Promise<void> {
    await (this.#saving ??= this.#save().finally(() => this.#saving = undefined));
  }

  async #save(): Promise<void> {
    const { allowance, subject, deps } = this;
    this.#savedAtMs = deps.now();
    const bytes = allowance.takeUnsaved();
    try {
      allowance.loaded(await addMirrorTraffic(deps.sql, subject, deps.now(), bytes));
    } catch (error) {
      allowance.putBack(bytes);
      deps.log.warn("what a mirror took of its link was not written down; that is tried again", {
        subject,
        error,
      });
    }
  }
}

type LimitsConfig = Pick<Config, "REPO_MIRROR_UPSTREAM_LIMITS" | "REPO_MIRROR_DEFAULT_LIMITS">;

/** The limits of all mirrors that one worker runs. Mirrors of one upstream take turns at what they share. */
export class MirrorPacing {
  readonly #upstreams = new Map<string, Share>();
  /** Of mirrors without limits of their own. */
  readonly #defaults: MirrorLimits;

  constructor(
    readonly deps: PacingDeps,
    readonly config: LimitsConfig,
    readonly clock: Clock = REAL_CLOCK,
  ) {
    this.#defaults = limitsFrom(config.REPO_MIRROR_DEFAULT_LIMITS);
  }

  /** What a run of `mirror` asks. All runs from one upstream share that one's limits. */
  limitsOf(mirror: Pick<Mirror, "id" | "limits" | "source">): PacedLimits {
    const own = new Share(this.deps, `mirror:${mirror.id}`, this.#actingOf(mirror.limits), {
      concurrency: DEFAULT_CONCURRENCY,
      clock: this.clock,
    });
    const upstream = this.#upstreamOf(mirror.source.reference);
    const shares = upstream === undefined ? [own] : [own, upstream];
    return {
      turnstile: upstream === undefined ? own.turnstile : {
        run: (work, signal) =>
          own.turnstile.run(() => upstream.turnstile.run(work, signal, mirror.id), signal),
      },
      async mayGoOn(signal) {
        signal.throwIfAborted();
        for (const share of shares) await share.check();
      },
      async took(bytes, signal) {
        // All rates at once: time that passes for one passes for the others.
        const payments = shares.map(({ allowance }) => allowance.took(bytes, mirror.id));
        try {
          for (const { done } of payments) if (done !== undefined) await untilAborted(done, signal);
        } finally {
          for (const payment of payments) payment.leave();
        }
        for (const share of shares) {
          await share.saveSometimes();
          share.allowance.check();
        }
      },
      change: (limits) => own.allowance.change(this.#actingOf(limits)),
      async close() {
        for (const share of shares) if (share.allowance.hasUnsaved) await share.save();
      },
    };
  }

  #actingOf(limits: MirrorLimits): MirrorLimits {
    return Object.keys(limits).length === 0 ? this.#defaults : limits;
  }

  #upstreamOf(reference: string): Share | undefined {
    const { registry } = parseExternalReference(reference);
    const limits = this.config.REPO_MIRROR_UPSTREAM_LIMITS[registry];
    if (limits === undefined) return undefined;
    let share = this.#upstreams.get(registry);
    if (share === undefined) {
      share = new Share(this.deps, `upstream:${registry}`, limitsFrom(limits), {
        concurrency: Infinity,
        clock: this.clock,
      });
      this.#upstreams.set(registry, share);
    }
    return share;
  }
}
