/** What a mirror may take of its link. The hooks that a run asks; how they decide is `pacing.ts`. */
import type { SpelledLimits } from "../../config/link_limits.ts";
import { Turnstile } from "./waiting.ts";

/** As stored with the mirror; absent fields mean no limit, which is Quay's behaviour. */
export interface MirrorLimits {
  readonly bytesPerSecond?: number;
  /** Blobs of this mirror fetched at once. */
  readonly concurrency?: number;
  /** `02:00-05:00 Europe/Berlin`; a run works only inside one of them. */
  readonly windows?: readonly string[];
  readonly dailyBytes?: number;
  readonly monthlyBytes?: number;
}

/** From how `config.yaml` and the API spell them. */
export function limitsFrom(spelled: SpelledLimits): MirrorLimits {
  const { bytes_per_second, concurrency, windows, daily_bytes, monthly_bytes } = spelled;
  return {
    ...(bytes_per_second !== undefined && { bytesPerSecond: bytes_per_second }),
    ...(concurrency !== undefined && { concurrency }),
    ...(windows !== undefined && { windows }),
    ...(daily_bytes !== undefined && { dailyBytes: daily_bytes }),
    ...(monthly_bytes !== undefined && { monthlyBytes: monthly_bytes }),
  };
}

/** Blobs fetched at once when the mirror says nothing. */
export const DEFAULT_CONCURRENCY = 6;

/** Where work waits for its turn. */
export interface Gate {
  /** @throws the signal's reason when it comes before the turn does; what `work` throws */
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

/** One run's view of its limits. They may change while it runs: each question is answered by the limits of that moment. */
export interface RunLimits {
  /** Lets as many blobs through as may be fetched at once, by this run and from its upstream as a whole. */
  readonly turnstile: Gate;
  /**
   * Asked before an image is begun. Resolves when it may be.
   * @throws {MirrorPaused}
   */
  mayGoOn(signal: AbortSignal): Promise<void>;
  /**
   * Asked for each piece of a body that has come, before the next one is read: a rate limit lets it wait here.
   * @throws {MirrorPaused} once the window is closed or a budget used up; what has come is kept
   */
  took(bytes: number, signal: AbortSignal): Promise<void>;
}

/** The run is to stop for now, keep what it has, and go on at `untilMs`. Not a failure. */
export class MirrorPaused extends Error {
  constructor(readonly untilMs: number, readonly why: string) {
    super(why);
  }
}

/** No limits at all but the usual number of blobs at once. */
export function unlimited(): RunLimits {
  return {
    turnstile: new Turnstile(() => DEFAULT_CONCURRENCY),
    mayGoOn: () => Promise.resolve(),
    took: () => Promise.resolve(),
  };
}
