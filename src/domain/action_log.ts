import type { Sql } from "../drivers/database/postgres.ts";
import { insertLogEntry } from "../drivers/database/queries/log_entry.ts";
import type { Actor } from "./access.ts";
import type { Deps } from "./deps.ts";
import { LOG_KINDS, type LogKind } from "./log_kinds.ts";

export interface ActionEntry {
  readonly kind: LogKind;
  /** The person or organization in whose log it stands. */
  readonly namespaceId: number;
  readonly repositoryId?: number | undefined;
  /** Shown to readers of the log as it is: names, never secrets. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * Writes one row of the action log, in the caller's transaction when `sql` is one: then what was done and its row stand
 * or fall together. Performer and address come from `actor`; the operator at the shell and workers leave none.
 */
export async function logAction(
  { sql, now }: { readonly sql: Sql } & Pick<Deps, "now">,
  actor: Actor,
  { kind, namespaceId, repositoryId, metadata }: ActionEntry,
): Promise<void> {
  const performed = actor.kind === "user" || actor.kind === "robot";
  await insertLogEntry(sql, {
    kindId: LOG_KINDS[kind],
    accountId: namespaceId,
    performerId: performed ? actor.id : null,
    repositoryId: repositoryId ?? null,
    atMs: now(),
    ip: actor.origin?.ip ?? null,
    metadata,
  });
}
