import type { Deps } from "../domain/deps.ts";
import { countRegistrySize, giveUpRegistrySize, REGISTRY_SIZE_QUEUE } from "../domain/quota/registry_size.ts";
import { drainQueue } from "./queue_worker.ts";

/** Counts the registry's bytes when somebody has asked for it. @returns how many counts were made */
export function workOnRegistrySize(
  deps: Pick<Deps, "sql" | "log" | "now" | "metrics">,
  stop?: AbortSignal,
): Promise<number> {
  return drainQueue(deps, {
    queue: REGISTRY_SIZE_QUEUE,
    processingMs: 60_000,
    backOffMs: () => 60_000,
    run: (_body, _item, signal) => countRegistrySize(deps, signal),
    givenUp: () => giveUpRegistrySize(deps),
  }, stop);
}
