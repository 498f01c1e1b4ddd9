import type { Deps } from "../domain/deps.ts";
import { backfillSizes, forgetSizes } from "../domain/quota/sizes.ts";

/** Namespaces that came meanwhile have higher ids; those that were made in another order are found by a look at all. */
const LOOK_AT_ALL_MS = 3600_000;

/**
 * For {@link startPeriodic}: counts what was there before counting, after `QUOTA_TOTAL_DELAY_SECONDS`, so that nodes
 * which do not count yet have been restarted by then.
 */
export function sizeBackfiller(
  deps: Pick<Deps, "sql" | "now" | "config">,
): (stop: AbortSignal) => Promise<void> {
  const beginMs = deps.now() + deps.config.QUOTA_TOTAL_DELAY_SECONDS * 1000;
  let afterId = 0;
  let lookAtAllMs = 0;
  return async (stop) => {
    if (deps.now() < beginMs || deps.config.REGISTRY_STATE === "readonly") return;
    if (deps.now() >= lookAtAllMs) {
      afterId = 0;
      lookAtAllMs = deps.now() + LOOK_AT_ALL_MS;
    }
    const page = { limit: deps.config.QUOTA_BACKFILL_BATCH_SIZE };
    while (!stop.aborted) {
      const next = await backfillSizes(deps, { ...page, afterId }, stop);
      if (next === undefined) return;
      afterId = next;
    }
  };
}

/** On a node that does not count: one look-up when nothing is to be forgotten. */
export async function invalidateSizes(deps: Pick<Deps, "sql" | "config" | "log">): Promise<void> {
  if (await forgetSizes(deps)) {
    deps.log.info("sizes of namespaces are forgotten: quotas are not managed any more");
  }
}
