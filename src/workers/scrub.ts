import type { Deps } from "../domain/deps.ts";
import type { ScrubDeps } from "../domain/storage/scrub.ts";
import { scrub } from "../domain/storage/scrub_run.ts";

/** After damage that cannot be: time for somebody to look. */
const REST_MS = 6 * 3600_000;

/** For {@link startPeriodic}: whatever is due, at the site's rate. */
export function scrubber(
  deps: ScrubDeps & Pick<Deps, "config">,
  intervalMs: number,
): (stop: AbortSignal) => Promise<void> {
  let restUntilMs = 0;
  return async (signal) => {
    if (deps.config.REGISTRY_STATE === "readonly" || deps.now() < restUntilMs) return;
    const { isIncredible } = await scrub(deps, {
      beforeMs: deps.now() - intervalMs,
      bytesPerSecond: deps.config.STORAGE_SCRUB_RATE_MB * 1e6,
      signal,
    });
    if (isIncredible) restUntilMs = deps.now() + REST_MS;
  };
}
