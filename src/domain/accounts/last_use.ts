import type { Deps } from "../deps.ts";

type UseDeps = Pick<Deps, "config" | "log" | "now">;

/**
 * Records that something was used, at most every `LAST_ACCESSED_UPDATE_THRESHOLD_S`, and not while the registry is
 * read-only. The request does not wait, and does not fail with it.
 */
export function noteUse(
  deps: UseDeps,
  lastMs: number | null,
  update: (nowMs: number) => Promise<void>,
): void {
  const { config, now, log } = deps;
  if (config.REGISTRY_STATE === "readonly") return;
  const nowMs = now();
  if (lastMs !== null && nowMs - lastMs < config.LAST_ACCESSED_UPDATE_THRESHOLD_S * 1000) return;
  update(nowMs).catch((error) => log.warn("the last access could not be recorded", { error }));
}
