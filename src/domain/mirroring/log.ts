/** A run's entries in the action log, with Quay's kinds, verbs and metadata; nobody is the performer. And its events. */
import type { Actor } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import type { LogKind } from "../logs/log_kinds.ts";
import { notifyRepository } from "../notifications/notifications.ts";
import { isOfOrganization, type Mirror, type RunOutcome } from "./model.ts";

type LogDeps = Pick<Deps, "sql" | "now" | "log" | "config" | "metrics">;

const WORKER: Actor = { kind: "operator" };
/** Names of tags in one entry; Quay has all, however many. */
const TAGS_SHOWN = 500;

export async function logRunStart(deps: LogDeps, mirror: Mirror): Promise<void> {
  await write(deps, mirror, "repo_mirror_sync_started", { verb: "start", message: whatOf(mirror) });
}

/** @param failure in words; `undefined` when the tag was copied */
export async function logTag(
  deps: LogDeps,
  mirror: Mirror,
  tag: string,
  failure: string | undefined,
): Promise<void> {
  const kind = failure === undefined ? "repo_mirror_sync_tag_success" : "repo_mirror_sync_tag_failed";
  const message = `Source '${mirror.source.reference}:${tag}' ${
    failure === undefined ? "copied" : "not copied"
  }`;
  await write(deps, mirror, kind, { verb: "finish", message, tag, ...(failure && { stderr: failure }) });
}

/** A paused run and one that another goes on with have no end yet. */
export async function logRunEnd(deps: LogDeps, mirror: Mirror, outcome: RunOutcome): Promise<void> {
  switch (outcome.kind) {
    case "success": {
      const tags = outcome.tags.length === 0 ? "No tags matched" : listOf(outcome.tags);
      return await write(deps, mirror, "repo_mirror_sync_success", {
        verb: "end",
        message: whatOf(mirror),
        tags,
      });
    }
    case "cancelled":
      return await write(deps, mirror, "repo_mirror_sync_failed", {
        verb: "Cancelled",
        message: whatOf(mirror),
      });
    case "failed": {
      const failed = new Set(outcome.failed.map(({ tag }) => tag));
      const partial = failed.size > 0 && failed.size < outcome.tags.length &&
        !deps.config.REPO_MIRROR_ROLLBACK;
      return await write(deps, mirror, "repo_mirror_sync_failed", {
        verb: failed.size === 0 ? "end" : "lost",
        message: `${partial ? "PARTIAL SYNC " : ""}${whatOf(mirror)}`,
        tags: listOf(outcome.tags.map((tag) => failed.has(tag) ? `${tag}(FAILED)` : tag)),
        stderr: outcome.message,
      });
    }
  }
}

async function write(
  deps: LogDeps,
  mirror: Mirror,
  event: LogKind,
  fields: Record<string, string>,
): Promise<void> {
  const { namespaceId, namespace, repositoryId, name } = mirror;
  const kind = isOfOrganization(mirror) && isEvent(event) ? OF_ORGANIZATIONS[event] : event;
  const metadata = { namespace, repo: name, ...fields };
  try {
    await deps.sql.begin(async (tx) => {
      await logAction({ ...deps, sql: tx }, WORKER, { kind, namespaceId, repositoryId, metadata });
      if (!isEvent(event)) return;
      const data = { message: fields.message ?? "" };
      await notifyRepository({ ...deps, sql: tx }, { repositoryId, event, data });
    });
  } catch (error) {
    // A run does not fail by its log; the service's own log has it then.
    deps.log.error("a mirror's log entry was not written", { ...metadata, kind, error });
  }
}

const EVENTS = ["repo_mirror_sync_started", "repo_mirror_sync_success", "repo_mirror_sync_failed"] as const;
type RunEvent = (typeof EVENTS)[number];

/** Quay logs runs that the mirror of an organization begins under kinds of their own; the notifications are the same. */
const OF_ORGANIZATIONS: Readonly<Record<RunEvent, LogKind>> = {
  repo_mirror_sync_started: "org_mirror_sync_started",
  repo_mirror_sync_success: "org_mirror_sync_success",
  repo_mirror_sync_failed: "org_mirror_sync_failed",
};

function isEvent(kind: LogKind): kind is RunEvent {
  return (EVENTS as readonly string[]).includes(kind);
}

function whatOf({ source, rules }: Mirror): string {
  return `'${source.reference}' with tag pattern '${rules.globs.join(",")}'`;
}

function listOf(tags: readonly string[]): string {
  const shown = tags.slice(0, TAGS_SHOWN).join(", ");
  return tags.length > TAGS_SHOWN ? `${shown}, and ${tags.length - TAGS_SHOWN} more` : shown;
}
