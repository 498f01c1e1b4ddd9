/** What has ended and can come back, for as long as the namespace keeps it (Quay's time machine). */
import { selectManifestDigest } from "../../drivers/database/queries/manifest.ts";
import { selectLiveTag } from "../../drivers/database/queries/tag.ts";
import {
  endForGood,
  endHiddenTagsBelow,
  selectEndedTagIds,
  selectRestorableManifest,
} from "../../drivers/database/queries/tag_history.ts";
import { selectNamespace } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import { parseTagName } from "../../oci/reference.ts";
import type { Actor } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import type { RepositoryRef } from "../repositories/repositories.ts";
import { findImmutabilityRule } from "./immutability_policies.ts";
import { notFound, tagLog } from "./tag_changes.ts";
import { endByLabel, mayBeImmutable } from "./tag_end.ts";
import { lockTags, pointTag, tagIsImmutable } from "./tags.ts";

/**
 * Points a tag at a manifest that it, or another tag, meant within the namespace's time machine. Done again it starts a
 * new period, as Quay does.
 * @param repository opened by the caller for changes
 * @throws {AppError} `tag_invalid`, `tag_immutable`; `not_found` when the digest cannot be restored any more
 */
export async function restoreTag(
  deps: Pick<Deps, "sql" | "config" | "changes" | "log" | "now">,
  actor: Actor,
  repository: RepositoryRef,
  name: string,
  digest: string,
): Promise<void> {
  parseTagName(name);
  const { id: repositoryId } = repository;
  const windowMs = await timeMachineMs(deps, repository);
  const rule = await findImmutabilityRule(deps, repositoryId);
  await deps.sql.begin(async (tx) => {
    await lockTags(tx, repositoryId, [name]);
    const nowMs = deps.now();
    const manifestId = await selectRestorableManifest(tx, repositoryId, digest, nowMs - windowMs);
    if (manifestId === undefined) throw notFound();
    const endMs = await endByLabel(tx, manifestId, nowMs);
    const immutable = mayBeImmutable(deps, endMs) && rule(name);
    const became = await pointTag(tx, {
      repositoryId,
      name,
      manifestId,
      nowMs,
      endMs,
      reversion: true,
      immutable,
    });
    const log = tagLog({ ...deps, sql: tx }, actor, repository, name);
    await log("revert_tag", { manifest_digest: digest });
    if (became) await log("tag_made_immutable_by_policy", { manifest_digest: digest });
  });
  deps.changes?.changed(repositoryId);
}

/** Which periods of a tag to take from the time machine: the live one, or the ended ones of a digest. */
export interface TagRemoval {
  readonly target: { readonly live: true } | { readonly endedWithDigest: string };
  /** What keeps the index's children ends as well. */
  readonly withChildren: boolean;
}

/**
 * Takes a tag past restoring: the next garbage collection removes what only it held.
 * @param repository opened by the caller for changes
 * @throws {AppError} `feature_disabled` without `PERMANENTLY_DELETE_TAGS`; `not_found` when nothing fits
 */
export async function removeTagForGood(
  deps: Pick<Deps, "sql" | "config" | "changes" | "now">,
  actor: Actor,
  repository: RepositoryRef,
  name: string,
  { target, withChildren }: TagRemoval,
): Promise<void> {
  if (!deps.config.PERMANENTLY_DELETE_TAGS) throw new AppError("feature_disabled", "Not Found");
  const { id: repositoryId } = repository;
  const windowMs = await timeMachineMs(deps, repository);
  await deps.sql.begin(async (tx) => {
    await lockTags(tx, repositoryId, [name]);
    const nowMs = deps.now();
    const endMs = nowMs - windowMs;
    let rows: { id: number; manifestId: number }[];
    if ("live" in target) {
      const live = await selectLiveTag(tx, repositoryId, name, nowMs);
      if (live?.immutable) throw tagIsImmutable(name);
      rows = live === undefined ? [] : [live];
    } else {
      const { endedWithDigest: digest } = target;
      rows = await selectEndedTagIds(tx, { repositoryId, name, digest, nowMs, endedAfterMs: endMs });
    }
    const [first] = rows;
    if (first === undefined) throw notFound();
    await endForGood(tx, { repositoryId, name, ids: rows.map((row) => row.id), endMs });
    if (withChildren) await endHiddenTagsBelow(tx, first.manifestId, endMs);
    const log = tagLog({ ...deps, sql: tx }, actor, repository, name);
    await log("permanently_delete_tag", {
      manifest_digest: await selectManifestDigest(tx, first.manifestId),
    });
  });
  deps.changes?.changed(repositoryId);
}

/** Milliseconds for which the namespace keeps what has ended. */
async function timeMachineMs({ sql }: Pick<Deps, "sql">, repository: RepositoryRef): Promise<number> {
  return ((await selectNamespace(sql, repository.namespace))?.tagExpirationS ?? 0) * 1000;
}
