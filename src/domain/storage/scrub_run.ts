import { claimCopyToCheck, endCheck } from "../../drivers/database/queries/scrub.ts";
import { allLocations } from "./locations.ts";
import { checkCopy, type ScrubDeps, type Verdict } from "./scrub.ts";
import { pause } from "../../lib/pause.ts";

/** Longer than the largest blob takes at the slowest rate. */
const LEASE_SECONDS = 6 * 3600;
/** A location that did not answer is asked again after this. */
const AGAIN_SECONDS = 3600;
/** Flash rots by blocks. More than these, and more than a tenth, is a disk that is not mounted, or an emptied bucket. */
const CREDIBLE_LOSSES = 16;

export interface ScrubTotals {
  readonly checked: number;
  readonly checkedBytes: number;
  readonly byVerdict: Readonly<Record<Verdict, number>>;
  /** It gave up, since so much damage is none: something else is wrong. */
  readonly isIncredible: boolean;
}

export interface ScrubRun {
  /** Copies that were looked at since then are left alone. Epoch ms. */
  readonly beforeMs: number;
  /** Only that location. */
  readonly location?: string | undefined;
  readonly bytesPerSecond: number;
  readonly signal: AbortSignal;
  readonly report?: (totals: ScrubTotals) => void;
}

/**
 * Reads copies that have not been looked at for long, those first that have waited longest, and mends what is damaged
 * (`scrub.ts`). What was looked at is recorded at once: it can be stopped at any time, and several nodes share the work.
 */
export async function scrub(deps: ScrubDeps, run: ScrubRun): Promise<ScrubTotals> {
  const { signal } = run;
  const locations = run.location === undefined
    ? allLocations(deps.storage).map(({ name }) => name)
    : [run.location];
  const byVerdict: Record<Verdict, number> = { good: 0, healed: 0, lost: 0, unreadable: 0 };
  const totals = { checked: 0, checkedBytes: 0, byVerdict, isIncredible: false };
  const pace = pacer(run.bytesPerSecond, signal);
  while (!signal.aborted) {
    const copy = await claimCopyToCheck(deps.sql, {
      locations,
      beforeMs: run.beforeMs,
      leaseSeconds: LEASE_SECONDS,
    });
    if (copy === undefined) break;
    let verdict: Verdict;
    try {
      verdict = await checkCopy(deps, copy, { signal, pace });
    } catch (error) {
      await endCheck(deps.sql, copy.placementId, AGAIN_SECONDS);
      if (signal.aborted) break;
      throw error;
    }
    await endCheck(deps.sql, copy.placementId, verdict === "unreadable" ? AGAIN_SECONDS : undefined);
    totals.checked++;
    totals.checkedBytes += copy.sizeBytes;
    byVerdict[verdict]++;
    run.report?.(totals);
    if (byVerdict.lost > CREDIBLE_LOSSES && byVerdict.lost > totals.checked / 10) {
      deps.log.error(
        "so many blobs are missing that storage itself must be wrong: is it mounted, is it the right bucket?",
        {
          lost: byVerdict.lost,
          checked: totals.checked,
        },
      );
      return { ...totals, isIncredible: true };
    }
  }
  return totals;
}

/** Waits so long after each piece that no more than so many bytes pass in a second. */
function pacer(bytesPerSecond: number, signal: AbortSignal): (sizeBytes: number) => Promise<void> {
  let freeMs = performance.now();
  return async (sizeBytes) => {
    signal.throwIfAborted();
    freeMs = Math.max(freeMs, performance.now() - 100) + sizeBytes / bytesPerSecond * 1000;
    const waitMs = freeMs - performance.now();
    if (waitMs > 20) await pause(waitMs);
  };
}
