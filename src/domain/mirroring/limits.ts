/** What a mirror may take of its link. The hooks that a run asks; how they decide is `pacing.ts`. */

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

/** Blobs fetched at once when the mirror says nothing. */
export const DEFAULT_CONCURRENCY = 6;

/** One run's view of its limits. They may change while it runs: each question is answered by the limits of that moment. */
export interface RunLimits {
  /** Blobs to fetch at once from now on. */
  readonly concurrency: number;
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

/** No limits at all but the number of blobs at once. */
export function unlimited({ concurrency = DEFAULT_CONCURRENCY }: MirrorLimits = {}): RunLimits {
  return { concurrency, mayGoOn: () => Promise.resolve(), took: () => Promise.resolve() };
}
