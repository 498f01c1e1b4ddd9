import { UpstreamError } from "./driver.ts";
import type { UpstreamSite } from "./transport.ts";
import { pause } from "../../lib/pause.ts";

const ATTEMPTS = 6;
const FIRST_PAUSE_MS = 500;
/** Who asks for a longer pause is left alone until the next run. */
const PAUSE_MAX_MS = 120_000;

/** Runs `attempt` again while it fails passingly, with growing pauses, or as long as `Retry-After` says. */
export async function retried<T>(
  { firstPauseMs = FIRST_PAUSE_MS }: Pick<UpstreamSite, "firstPauseMs">,
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let tried = 1;; tried++) {
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!(error instanceof UpstreamError) || !error.passing || tried === ATTEMPTS) throw error;
      const pauseMs = error.retryAfterMs ?? jittered(firstPauseMs * 2 ** (tried - 1));
      if (pauseMs > PAUSE_MAX_MS) throw error;
      await pause(pauseMs, signal);
    }
  }
}

/** Many mirrors that lost the same link do not come back in one moment. */
export function jittered(ms: number): number {
  return ms * (0.75 + Math.random() / 2);
}
