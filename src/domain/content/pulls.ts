/** What the action log keeps of manifests that clients ask for (registry.md §4, "Events", "Failure logs"). */
import type { Config } from "../../config/schema.ts";
import { selectNamespace } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import type { Reference, RepositoryName } from "../../oci/reference.ts";
import type { Actor, Origin } from "../access/access.ts";
import { authenticationMetadata, logAction, logEntry } from "../logs/action_log.ts";
import type { NewLogEntry } from "../../drivers/database/queries/log_entry.ts";
import type { Deps } from "../deps.ts";
import type { Found } from "./manifest_lookup.ts";
import type { CountedPull } from "../repositories/pull_statistics.ts";
import { performerOf, type RegistryToken } from "../access/registry_tokens.ts";
import { findRepository } from "../repositories/repositories.ts";

/** Where a request stands: whose repository, and what of it. */
export interface Asked {
  readonly repository: RepositoryName;
  /** Absent when it is none. */
  readonly reference: Reference | undefined;
}

/** A pull that was granted. */
export interface Pull extends Asked {
  readonly token: RegistryToken;
  /** What the reference means. */
  readonly found: Pick<Found, "repositoryId" | "namespaceId"> & {
    readonly manifest: { readonly digest: string };
  };
  readonly origin: Origin;
}

/**
 * Records a pull, and counts it under `FEATURE_IMAGE_PULL_STATS`. It is written shortly after, with others (`Deps.actions`), so that no pull waits for it; only when so
 * many wait already that there is no room, because the database is away or slower than the pulls, a pull waits, or
 * fails when nothing can be written at all. `ALLOW_PULLS_WITHOUT_STRICT_LOGGING` lets it pass unrecorded then.
 * @returns nothing to wait for, in the usual case
 * @throws {AppError} `database_unavailable`
 */
export function recordPull(
  deps: Pick<Deps, "actions" | "config" | "now">,
  pull: Pull,
): Promise<void> | undefined {
  const { config, actions } = deps;
  const atMs = deps.now();
  if (config.REGISTRY_STATE === "readonly") return undefined;
  const entry = isRecorded(config, pull.repository.namespace) ? pullEntry(config, pull, atMs) : undefined;
  if (!config.FEATURE_IMAGE_PULL_STATS) {
    return entry && actions.record({ entry }, { strict: isStrict(config) });
  }
  return actions.record({ entry, pull: countedPull(pull, atMs) }, {
    strict: entry !== undefined && isStrict(config),
  });
}

function pullEntry(config: Config, pull: Pull, atMs: number): NewLogEntry {
  const actor = performerOf(pull.token, pull.origin);
  const { namespaceId, repositoryId } = pull.found;
  const metadata = askedMetadata(pull, actor);
  return logEntry(config, actor, { kind: "pull_repo", namespaceId, repositoryId, metadata }, atMs);
}

function countedPull({ found, reference }: Pull, atMs: number): CountedPull {
  const { repositoryId, manifest: { digest } } = found;
  return { repositoryId, digest, tag: reference?.kind === "tag" ? reference.tag : undefined, atMs };
}

function isRecorded(config: Config, namespace: string): boolean {
  return !config.DISABLED_FOR_PULL_LOGS.includes(namespace) &&
    !config.DISABLED_FOR_AUDIT_LOGS.includes(namespace);
}

function isStrict(config: Config): boolean {
  return !config.ALLOW_PULLS_WITHOUT_STRICT_LOGGING && !config.ALLOW_WITHOUT_STRICT_LOGGING;
}

/** What is said of a pull, a push or a deletion by a client. */
export function askedMetadata({ repository, reference }: Asked, actor: Actor): Record<string, unknown> {
  return {
    repo: repository.name,
    namespace: repository.namespace,
    "user-agent": actor.origin?.userAgent ?? "",
    ...(reference === undefined
      ? {}
      : reference.kind === "tag"
      ? { tag: reference.tag }
      : { manifest_digest: reference.digest }),
    ...authenticationMetadata(actor),
  };
}

const FAILURES = {
  pull_repo_failed: "ACTION_LOG_AUDIT_PULL_FAILURES",
  push_repo_failed: "ACTION_LOG_AUDIT_PUSH_FAILURES",
  delete_tag_failed: "ACTION_LOG_AUDIT_DELETE_FAILURES",
} as const;

export type AuditedFailure = keyof typeof FAILURES;

/** Whether the site wants refusals of that kind recorded. */
export function isAudited(config: Config, kind: AuditedFailure): boolean {
  return config[FAILURES[kind]];
}

/** Records what a client with a good token was refused. Never rejects: the client hears of the refusal, not of this. */
export async function recordFailure(
  deps: Pick<Deps, "sql" | "config" | "log" | "now">,
  kind: AuditedFailure,
  asked: Asked,
  { actor, error }: { actor: Actor; error: unknown },
): Promise<void> {
  if (!(error instanceof AppError)) return;
  const { namespace, name } = asked.repository;
  try {
    const repository = await findRepository(deps.sql, namespace, name);
    const namespaceId = repository?.namespaceId ?? (await selectNamespace(deps.sql, namespace))?.id;
    await logAction(deps, actor, {
      kind,
      namespaceId,
      repositoryId: repository?.id,
      metadata: { ...askedMetadata(asked, actor), message: error.publicMessage },
    });
  } catch (cause) {
    deps.log.warn("a refusal could not be recorded in the action log", { kind, error: cause });
  }
}
