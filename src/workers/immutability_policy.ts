import type { Deps } from "../domain/deps.ts";
import {
  applyPolicy,
  IMMUTABILITY_QUEUE,
  type PolicyApplication,
} from "../domain/content/immutability_application.ts";
import { drainQueue } from "./queue_worker.ts";

/** Applies immutability policies to tags where the request that made them could not end. @returns how many it took up */
export async function applyImmutabilityPolicies(
  deps: Pick<Deps, "sql" | "config" | "changes" | "log" | "now" | "metrics">,
  stop?: AbortSignal,
): Promise<number> {
  if (deps.config.REGISTRY_STATE === "readonly") return 0;
  return await drainQueue(deps, {
    queue: IMMUTABILITY_QUEUE,
    processingMs: 60_000,
    backOffMs: () => 60_000,
    // Nobody is known by now who did it: as Quay's row, ours names no performer.
    run: (body, _item, signal) => applyPolicy(deps, { kind: "operator" }, body as PolicyApplication, signal),
  }, stop);
}
