/** The registry as a whole, as superusers look at it. */
import { type AppTokenListing, selectAllAppTokens } from "../../drivers/database/queries/app_token_list.ts";
import { CHANGELOG } from "../../lib/changelog.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import { expiringSoonMs } from "../accounts/app_tokens.ts";
import type { Deps } from "../deps.ts";
import {
  hasFullAccess,
  requireReader,
  requireSuperuser,
  requireSuperuserOrReader,
} from "../access/rights.ts";

export type { AppTokenListing };

const MOST_TOKENS = 10_000;

/** What each version brought, in Markdown. @param actor a superuser */
export function readChangelog(deps: Pick<Deps, "config">, actor: Actor): string {
  requireSuperuser(deps.config, actor);
  return CHANGELOG;
}

/** Whether the registry has been set up. @param actor a superuser or a global read-only superuser */
export function registryStatus(deps: Pick<Deps, "config">, actor: Actor): "ready" | "setup-incomplete" {
  requireSuperuserOrReader(deps.config, actor);
  return deps.config.SETUP_COMPLETE ? "ready" : "setup-incomplete";
}

/**
 * App-specific tokens of everybody, without their codes.
 * @param actor a superuser with `FEATURE_SUPERUSERS_FULL_ACCESS` or a global read-only superuser
 * @param expiring only those that end soon, by the measure of people's own lists
 * @throws {AppError} `feature_disabled` without `FEATURE_APP_SPECIFIC_TOKENS`
 */
export async function listAllAppTokens(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  { expiring }: { expiring: boolean },
): Promise<AppTokenListing[]> {
  if (!deps.config.FEATURE_APP_SPECIFIC_TOKENS) throw new AppError("feature_disabled", "Not Found");
  if (!hasFullAccess(deps.config, actor)) requireReader(deps.config, actor);
  const nowMs = deps.now();
  const expiringBeforeMs = expiring ? nowMs + expiringSoonMs(deps) : undefined;
  return await selectAllAppTokens(deps.sql, { nowMs, expiringBeforeMs, limit: MOST_TOKENS });
}
