/** What people do to live tags by hand, besides pushing and deleting (`tags.ts`). */
import type { Sql } from "../../drivers/database/postgres.ts";
import {
  type ManifestRow,
  selectManifestDigest,
  selectManifests,
} from "../../drivers/database/queries/manifest.ts";
import { selectLiveTag, updateTagEnd, updateTagImmutable } from "../../drivers/database/queries/tag.ts";
import { AppError } from "../../lib/errors.ts";
import { parseTagName } from "../../oci/reference.ts";
import { type Actor, canAdministerRepository } from "../access/access.ts";
import { logRepositoryAction, usernameOf } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { findImmutabilityRule } from "./immutability_policies.ts";
import type { LogKind } from "../logs/log_kinds.ts";
import type { RepositoryRef } from "../repositories/repositories.ts";
import { refusal } from "../access/rights.ts";
import { cutEnd, endByLabel, mayBeImmutable } from "./tag_end.ts";
import { lockTags, pointTag, tagIsImmutable } from "./tags.ts";

export interface TagChange {
  /** What it shall mean from now on; a tag that is not there is made. */
  readonly digest?: string | undefined;
  /** When it shall end, epoch milliseconds; null for never; absent: as it is. */
  readonly endMs?: number | null | undefined;
  /** Absent: as it is. */
  readonly immutable?: boolean | undefined;
}

/**
 * Moves a tag, sets its end, makes it immutable, or several of these at once, in that order; what was immutable becomes
 * mutable first. A moved tag ends as the manifest's label `quay.expires-after` says, unless
 * an end is given, which is cut to `LABELED_EXPIRATION_MINIMUM` .. `_MAXIMUM` after the tag's start.
 * @param repository opened by the caller for changes (`openForChanges`)
 * @throws {AppError} `tag_invalid`, `tag_immutable`; `not_found` for a digest that is not there, or an end for a tag that is not;
 *   `invalid_request` for an end in the past, also one that the cut has moved there
 */
export async function changeTag(
  deps: Pick<Deps, "sql" | "config" | "changes" | "log" | "now">,
  actor: Actor,
  repository: RepositoryRef,
  name: string,
  { digest, endMs, immutable }: TagChange,
): Promise<void> {
  parseTagName(name);
  if (immutable !== undefined) await checkImmutabilityRight(deps, actor, repository, immutable);
  const { id: repositoryId } = repository;
  const rule = await findImmutabilityRule(deps, repositoryId);
  await deps.sql.begin(async (tx) => {
    await lockTags(tx, repositoryId, [name]);
    const nowMs = deps.now();
    const log = tagLog({ ...deps, sql: tx }, actor, repository, name);
    if (immutable === false) await setImmutable(tx, { repositoryId, name, nowMs, immutable }, deps, log);
    if (endMs !== undefined) {
      if (await selectLiveTag(tx, repositoryId, name, nowMs) === undefined) throw notFound();
      if (endMs !== null && endMs <= nowMs) throw endsInThePast();
    }
    if (digest !== undefined) {
      const [manifest] = await selectManifests(
        tx,
        repositoryId,
        [digest],
        nowMs,
      ) as (ManifestRow | undefined)[];
      if (manifest === undefined) throw notFound();
      const labelledMs = await endByLabel(tx, manifest.id, nowMs);
      const moved = await selectLiveTag(tx, repositoryId, name, nowMs);
      const became = await pointTag(tx, {
        repositoryId,
        name,
        manifestId: manifest.id,
        nowMs,
        endMs: labelledMs,
        immutable: mayBeImmutable(deps, labelledMs) && rule(name),
      });
      if (became) await log("tag_made_immutable_by_policy", { manifest_digest: digest });
      await (moved === undefined ? log("create_tag", { manifest_digest: digest }) : log("move_tag", {
        manifest_digest: digest,
        original_manifest_digest: await selectManifestDigest(tx, moved.manifestId),
      }));
    }
    if (endMs !== undefined) await setEnd(deps, tx, { repositoryId, name, nowMs, endMs }, log);
    if (immutable === true) await setImmutable(tx, { repositoryId, name, nowMs, immutable }, deps, log);
  }).catch(asNotFound);
  deps.changes?.changed(repositoryId);
}

type TagLog = ReturnType<typeof tagLog>;

async function setEnd(
  deps: Pick<Deps, "config">,
  tx: Sql,
  tag: { repositoryId: number; name: string; nowMs: number; endMs: number | null },
  log: TagLog,
): Promise<void> {
  const { repositoryId, name, nowMs, endMs } = tag;
  const live = await selectLiveTag(tx, repositoryId, name, nowMs);
  if (live === undefined) throw notFound();
  if (live.immutable && !mayBeImmutable(deps, endMs)) {
    throw tagIsImmutable(name);
  }
  const cutMs = endMs === null ? null : cutEnd(deps, live.startMs, endMs);
  if (cutMs !== null && cutMs <= nowMs) throw endsInThePast();
  await updateTagEnd(tx, live.id, cutMs);
  await log("change_tag_expiration", {
    manifest_digest: await selectManifestDigest(tx, live.manifestId),
    expiration_date: epochSeconds(cutMs),
    old_expiration_date: epochSeconds(live.endMs),
  });
}

async function setImmutable(
  tx: Sql,
  tag: { repositoryId: number; name: string; nowMs: number; immutable: boolean },
  deps: Pick<Deps, "config">,
  log: TagLog,
): Promise<void> {
  const { repositoryId, name, nowMs, immutable } = tag;
  const live = await selectLiveTag(tx, repositoryId, name, nowMs);
  if (live === undefined) throw notFound();
  if (live.immutable === immutable) return;
  if (immutable && !mayBeImmutable(deps, live.endMs)) {
    throw new AppError(
      "invalid_request",
      "A tag that expires cannot be made immutable: take its expiration away first, or set " +
        "FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE",
    );
  }
  await updateTagImmutable(tx, live.id, immutable);
  await log("change_tag_immutability", {
    manifest_digest: await selectManifestDigest(tx, live.manifestId),
    immutable,
  });
}

/** Who may write may make tags immutable; mutable again only who administers the repository (and without the feature too). */
async function checkImmutabilityRight(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  repository: RepositoryRef,
  immutable: boolean,
): Promise<void> {
  if (immutable && !deps.config.FEATURE_IMMUTABLE_TAGS) {
    throw new AppError(
      "invalid_request",
      "Tags cannot be made immutable here: FEATURE_IMMUTABLE_TAGS is false",
    );
  }
  if (!immutable && !await canAdministerRepository(deps, actor, repository)) throw refusal(actor);
}

/** Writes rows about one tag. */
export function tagLog(
  deps: Parameters<typeof logRepositoryAction>[0],
  actor: Actor,
  repository: RepositoryRef,
  tag: string,
) {
  return (kind: LogKind, metadata: Record<string, unknown>) =>
    logRepositoryAction(deps, { actor, repository }, kind, { ...metadata, tag, ...usernameOf(actor) });
}

function epochSeconds(ms: number | null): number | null {
  return ms === null ? null : Math.floor(ms / 1000);
}

/** Garbage collection took the manifest between the look at it and the row that points at it. */
function asNotFound(error: unknown): never {
  if (error instanceof Error && (error as { code?: unknown }).code === "23503") throw notFound(error);
  throw error;
}

export function notFound(cause?: unknown): AppError {
  return new AppError("not_found", "Not Found", {}, { cause });
}

function endsInThePast(): AppError {
  return new AppError("invalid_request", "The expiration is in the past");
}
