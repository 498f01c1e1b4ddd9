import {
  findAutopruneTasks,
  runAutopruneTask,
  runDefaultAutoprune,
} from "../domain/content/autoprune_runs.ts";
import type { Deps } from "../domain/deps.ts";

type AutopruneDeps = Pick<Deps, "sql" | "config" | "changes" | "log" | "now">;

/** Rules that got no task: made by another writer, or in the moment in which a namespace's last one was done away with. */
const LOOK_MS = 3600_000;

/** For {@link startPeriodic}: follows the rules of `AUTO_PRUNING_BATCH_SIZE` namespaces whose turn it is. */
export function autopruner(deps: AutopruneDeps): (stop: AbortSignal) => Promise<void> {
  let lookMs = 0;
  return async (stop) => {
    if (deps.config.REGISTRY_STATE === "readonly") return;
    if (deps.now() >= lookMs) {
      await findAutopruneTasks(deps);
      lookMs = deps.now() + LOOK_MS;
    }
    for (let left = deps.config.AUTO_PRUNING_BATCH_SIZE; left > 0 && !stop.aborted; left--) {
      if (!await runAutopruneTask(deps, stop)) return;
    }
  };
}

/** For {@link startPeriodic}: follows the rule for all namespaces; a run that took too long is gone on with. */
export function defaultAutopruner(deps: AutopruneDeps): (stop: AbortSignal) => Promise<void> {
  let afterId = 0;
  return async (stop) => {
    if (deps.config.REGISTRY_STATE === "readonly") return;
    afterId = await runDefaultAutoprune(deps, afterId, stop);
  };
}
