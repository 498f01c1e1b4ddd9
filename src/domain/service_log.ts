import { selectOldestAccountId } from "../drivers/database/queries/managed_account.ts";
import type { Sql } from "../drivers/database/postgres.ts";
import type { Actor } from "./access.ts";
import { logAction } from "./action_log.ts";
import type { Deps } from "./deps.ts";
import type { LogKind } from "./log_kinds.ts";

/**
 * Writes a log row about the registry itself, which is in nobody's namespace: filed under `SERVICE_LOG_ACCOUNT_ID`, else
 * under the oldest account (Quay does the same). Without any account there is no log yet.
 */
export async function logServiceAction(
  deps: { readonly sql: Sql } & Pick<Deps, "config" | "now">,
  actor: Actor,
  entry: { kind: LogKind; metadata: Readonly<Record<string, unknown>> },
): Promise<void> {
  const accountId = deps.config.SERVICE_LOG_ACCOUNT_ID ?? await selectOldestAccountId(deps.sql);
  if (accountId === undefined) return;
  await logAction(deps, actor, { ...entry, namespaceId: accountId });
}
