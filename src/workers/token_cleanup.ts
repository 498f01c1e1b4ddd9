import { durationMs } from "../config/duration.ts";
import { deleteExpiredAppTokens } from "../drivers/database/queries/app_token.ts";
import { deleteExpiredOauthCodes } from "../drivers/database/queries/oauth_code.ts";
import type { Deps } from "../domain/deps.ts";

const BATCH = 1000;

export interface CleanedTokens {
  /** Application-specific tokens that ended longer ago than `EXPIRED_APP_SPECIFIC_TOKEN_GC`. */
  readonly appTokens: number;
  /** OAuth codes that nobody came for. */
  readonly codes: number;
}

/** Removes credentials that have ended. Safe to run on several nodes at once and to repeat. */
export async function cleanTokens(
  { sql, config, log, now }: Pick<Deps, "sql" | "config" | "log" | "now">,
): Promise<CleanedTokens> {
  if (config.REGISTRY_STATE === "readonly") return { appTokens: 0, codes: 0 };
  const nowMs = now();
  const keptMs = durationMs(config.EXPIRED_APP_SPECIFIC_TOKEN_GC);
  const appTokens = await inBatches(() => deleteExpiredAppTokens(sql, nowMs - keptMs, BATCH));
  const codes = await inBatches(() => deleteExpiredOauthCodes(sql, nowMs, BATCH));
  if (appTokens + codes > 0) log.info("expired tokens removed", { appTokens, codes });
  return { appTokens, codes };
}

async function inBatches(remove: () => Promise<number>): Promise<number> {
  for (let total = 0;;) {
    const removed = await remove();
    total += removed;
    if (removed < BATCH) return total;
  }
}
