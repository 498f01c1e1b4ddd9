import type { Sql } from "../../drivers/database/postgres.ts";
import { insertLogEntry, type NewLogEntry } from "../../drivers/database/queries/log_entry.ts";
import type { RepositoryRef } from "../../drivers/database/queries/repository.ts";
import type { Config } from "../../config/schema.ts";
import type { Actor, Credential } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { LOG_KINDS, type LogKind } from "./log_kinds.ts";

export interface ActionEntry {
  readonly kind: LogKind;
  /** The person or organization in whose log it stands; absent: nobody's (`SERVICE_LOG_ACCOUNT_ID`). */
  readonly namespaceId?: number | undefined;
  readonly repositoryId?: number | undefined;
  /** Shown to readers of the log as it is: names, never secrets. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Without `config` what that says of logging is not known, and the row is written. */
type LogDeps =
  & { readonly sql: Sql; readonly config?: Config }
  & Pick<Deps, "now">
  & Partial<Pick<Deps, "log">>;

/**
 * Writes one row of the action log, in the caller's transaction when `sql` is one: then what was done and its row stand
 * or fall together, unless `ALLOW_WITHOUT_STRICT_LOGGING`. Performer and address come from `actor`; the operator at the
 * shell and workers leave none. Nothing is written for namespaces of `DISABLED_FOR_AUDIT_LOGS`, and on a registry that
 * is read-only.
 */
export async function logAction(deps: LogDeps, actor: Actor, action: ActionEntry): Promise<void> {
  const { sql, config, now } = deps;
  if (config?.REGISTRY_STATE === "readonly") return;
  const entry = logEntry(config, actor, action, now());
  const exceptIn = config?.DISABLED_FOR_AUDIT_LOGS ?? [];
  if (config?.ALLOW_WITHOUT_STRICT_LOGGING !== true) return await insertLogEntry(sql, entry, exceptIn);
  try {
    // A statement that fails would take the caller's transaction with it.
    if ("savepoint" in sql) await sql.savepoint((inner) => insertLogEntry(inner, entry, exceptIn));
    else await insertLogEntry(sql, entry, exceptIn);
  } catch (error) {
    deps.log?.error("an action was not recorded", { kind: action.kind, error });
  }
}

/** The row of `action`. */
export function logEntry(
  config: Pick<Config, "SERVICE_LOG_ACCOUNT_ID"> | undefined,
  actor: Actor,
  { kind, namespaceId, repositoryId, metadata }: ActionEntry,
  atMs: number,
): NewLogEntry {
  const performed = actor.kind === "user" || actor.kind === "robot";
  return {
    kindId: LOG_KINDS[kind],
    accountId: namespaceId ?? config?.SERVICE_LOG_ACCOUNT_ID ?? 0,
    performerId: performed ? actor.id : null,
    repositoryId: repositoryId ?? null,
    atMs,
    ip: actor.origin?.ip ?? null,
    metadata: actor.kind === "user" && actor.credential?.kind === "oauth"
      ? { ...metadata, ...credentialMetadata(actor.credential) }
      : metadata,
  };
}

/** Who did something in which repository. */
export interface RepositoryActor {
  readonly actor: Actor;
  readonly repository: Pick<RepositoryRef, "id" | "namespaceId" | "namespace" | "name">;
}

/** {@link logAction} in the log of a repository and its namespace, whose names every such row has. */
export async function logRepositoryAction(
  deps: LogDeps,
  { actor, repository }: RepositoryActor,
  kind: LogKind,
  metadata: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await logAction(deps, actor, {
    kind,
    namespaceId: repository.namespaceId,
    repositoryId: repository.id,
    metadata: { ...metadata, repo: repository.name, namespace: repository.namespace },
  });
}

/** The superuser who did it in place of the namespace's own people; the operator leaves no name. */
export function bySuperuser(actor: Actor): { superuser?: string } {
  return actor.kind === "user" ? { superuser: actor.username } : {};
}

/** `{username}` of who acts; nothing for strangers, the operator and workers. */
export function usernameOf(actor: Actor): { username?: string } {
  return actor.kind === "user" || actor.kind === "robot" ? { username: actor.username } : {};
}

/** Who came by what, as the rows of pulls, pushes and sign-ins of clients say it (Quay's public metadata). */
export function authenticationMetadata(actor: Actor): Record<string, unknown> {
  switch (actor.kind) {
    case "user":
      return { username: actor.username, ...credentialMetadata(actor.credential) };
    case "robot":
      return { username: actor.username, is_robot: true };
    case "anonymous":
      return { public: true };
    case "operator":
      return {};
  }
}

function credentialMetadata(credential: Credential | undefined): Record<string, unknown> {
  switch (credential?.kind) {
    case undefined:
      return {};
    case "oauth":
      return {
        oauth_token_id: credential.id,
        oauth_token_application_id: credential.clientId,
        oauth_token_application: credential.application,
      };
    case "apptoken":
      return { app_specific_token: credential.uuid, app_specific_token_title: credential.title };
  }
}
