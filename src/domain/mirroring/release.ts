/** When a mirror's next turn is, and in which state a run leaves it (mirror.md §4). */
import { type Mirror, SYNC_RETRIES, SYNC_STATUS, type SyncStatus } from "./model.ts";

export interface Release {
  readonly status: SyncStatus;
  readonly startMs: number | null;
  readonly retriesRemaining: number;
}

/**
 * The next start on the grid that the first one began. An interval of 0 means never by itself (Quay divides by it).
 */
export function nextStartMs(
  { startMs, intervalS }: Pick<Mirror, "startMs" | "intervalS">,
  nowMs: number,
): number | null {
  if (intervalS <= 0) return null;
  const intervalMs = intervalS * 1000;
  const sinceStart = (nowMs - (startMs ?? nowMs)) % intervalMs;
  return nowMs + intervalMs - (sinceStart + intervalMs) % intervalMs;
}

/** How a run that succeeded or failed is released. A failure is tried again at once, until its tries are used up. */
export function releaseOf(
  mirror: Pick<Mirror, "startMs" | "intervalS" | "retriesRemaining">,
  { kind }: { readonly kind: "success" | "failed" },
  nowMs: number,
): Release {
  const retries = mirror.retriesRemaining - 1;
  if (kind === "failed" && retries >= 1) {
    return { status: SYNC_STATUS.FAIL, startMs: mirror.startMs, retriesRemaining: retries };
  }
  const status = kind === "success" ? SYNC_STATUS.SUCCESS : SYNC_STATUS.FAIL;
  return { status, startMs: nextStartMs(mirror, nowMs), retriesRemaining: SYNC_RETRIES };
}
