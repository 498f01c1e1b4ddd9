import type { Sql } from "../../drivers/database/postgres.ts";
import {
  deleteManifestParents,
  type ManifestRow,
  selectManifests,
} from "../../drivers/database/queries/manifest.ts";
import {
  endTag,
  endTagsOf,
  insertTag,
  lockTag,
  prolongHiddenTag,
  selectEndedTagExists,
  selectImmutableTagOf,
  selectLiveTag,
  selectTagNames,
  selectTagNamesOf,
  updateTagEnd,
  updateTagImmutable,
} from "../../drivers/database/queries/tag.ts";
import {
  type IndexChildRow,
  selectIndexChildren,
  selectTagPeriods,
  type TagFilter,
  type TagPeriodRow,
} from "../../drivers/database/queries/tag_history.ts";
import { AppError } from "../../lib/errors.ts";
import type { Digest } from "../../oci/digest.ts";
import { isIndexMediaType } from "../../oci/media_types.ts";
import { authenticationMetadata, logRepositoryAction, type RepositoryActor } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";

/** Takes the tags' locks in one order, so that two pushes of the same tags cannot wait for each other. */
export async function lockTags(tx: Sql, repositoryId: number, names: readonly string[]): Promise<void> {
  for (const name of [...new Set(names)].sort()) await lockTag(tx, repositoryId, name);
}

/** For a tag that is not to be moved, deleted or ended. Its flag alone decides, whatever `FEATURE_IMMUTABLE_TAGS` is. */
export function tagIsImmutable(name: string): AppError {
  return new AppError("tag_immutable", `Tag ${name} is immutable`, { tag: name });
}

/**
 * Points `name` at a manifest from `nowMs` on. The old row is ended, not deleted, and stays restorable for the
 * namespace's time-machine window. The same manifest again only sets the tag's end, which an immutable tag keeps.
 * @param tx a transaction that holds the tag's lock ({@link lockTags}); the caller has checked write permission
 * @param tag.endMs when it ends by itself, epoch milliseconds; null for never
 * @param tag.reversion it is a restored tag
 * @param tag.immutable what a new period of the tag is; with the same manifest again the tag becomes so, but never less
 * @returns whether it became immutable by this
 * @throws {AppError} `tag_immutable`
 */
export async function pointTag(
  tx: Sql,
  tag: {
    repositoryId: number;
    name: string;
    manifestId: number;
    nowMs: number;
    endMs: number | null;
    reversion?: boolean;
    immutable?: boolean;
  },
): Promise<boolean> {
  const { repositoryId, name, manifestId, nowMs, endMs, reversion = false, immutable = false } = tag;
  const live = await selectLiveTag(tx, repositoryId, name, nowMs);
  if (live?.manifestId === manifestId && !reversion) {
    if (live.endMs !== endMs && !live.immutable) await updateTagEnd(tx, live.id, endMs);
    if (!immutable || live.immutable) return false;
    await updateTagImmutable(tx, live.id, true);
    return true;
  }
  if (live?.immutable) throw tagIsImmutable(name);
  if (live !== undefined) await endTag(tx, live.id, nowMs);
  await insertTag(tx, {
    repositoryId,
    name,
    manifestId,
    startMs: nowMs,
    endMs,
    hidden: false,
    reversion,
    immutable,
  });
  return immutable;
}

/**
 * Keeps a manifest that has no tag: under a hidden tag that ends at `endMs`, or never when that is null. One hidden tag
 * a manifest; asked again it only lives longer.
 */
export async function keepUntagged(
  tx: Sql,
  manifest: { repositoryId: number; manifestId: number; nowMs: number; endMs: number | null },
): Promise<void> {
  const { repositoryId, manifestId, nowMs, endMs } = manifest;
  if (await prolongHiddenTag(tx, manifestId, endMs, nowMs)) return;
  const name = `$temp-${crypto.randomUUID()}`;
  await insertTag(tx, {
    repositoryId,
    name,
    manifestId,
    startMs: nowMs,
    endMs,
    hidden: true,
    reversion: false,
  });
}

/**
 * Ends a tag; it can be restored for the namespace's time-machine window.
 * @param repositoryId the caller has checked write permission
 * @param by whom the action log names; absent: it is not told
 * @returns whether there was a live tag of that name
 * @throws {AppError} `tag_immutable`
 */
export async function deleteTag(
  deps: Pick<Deps, "sql" | "changes" | "now">,
  repositoryId: number,
  name: string,
  by?: RepositoryActor,
): Promise<boolean> {
  const { sql, changes, now } = deps;
  const deleted = await sql.begin(async (tx) => {
    await lockTag(tx, repositoryId, name);
    const nowMs = now();
    const live = await selectLiveTag(tx, repositoryId, name, nowMs);
    if (live === undefined) return false;
    if (live.immutable) throw tagIsImmutable(name);
    await endTag(tx, live.id, nowMs);
    if (by !== undefined) await logDeletion({ ...deps, sql: tx }, by, { tag: name });
    return true;
  });
  changes?.changed(repositoryId);
  return deleted;
}

async function logDeletion(
  deps: Parameters<typeof logRepositoryAction>[0],
  by: RepositoryActor,
  what: { tag: string; digest?: Digest },
): Promise<void> {
  await logRepositoryAction(deps, by, "delete_tag", { ...what, ...authenticationMetadata(by.actor) });
}

/**
 * Makes a manifest unreadable at once: ends its tags, hidden ones too, and lets the indexes go that hold it. Its tags can
 * be restored like any other; garbage collection takes it once they cannot.
 * @param repositoryId the caller has checked write permission
 * @param by whom the action log names, in one row a tag; absent: it is not told
 * @returns the tags that were ended, `undefined` when no such manifest was there
 * @throws {AppError} `tag_immutable` when one of them is
 */
export async function deleteManifest(
  deps: Pick<Deps, "sql" | "changes" | "now">,
  repositoryId: number,
  digest: Digest,
  by?: RepositoryActor,
): Promise<string[] | undefined> {
  const { sql, changes, now } = deps;
  const ended = await sql.begin(async (tx) => {
    const nowMs = now();
    const [manifest] = await selectManifests(
      tx,
      repositoryId,
      [digest],
      nowMs,
    ) as (ManifestRow | undefined)[];
    if (manifest === undefined) return undefined;
    await lockTags(tx, repositoryId, await selectTagNamesOf(tx, manifest.id, nowMs));
    const kept = await selectImmutableTagOf(tx, manifest.id, nowMs);
    if (kept !== undefined) throw tagIsImmutable(kept);
    const ended = await endTagsOf(tx, manifest.id, nowMs);
    await deleteManifestParents(tx, manifest.id);
    if (by !== undefined) {
      for (const tag of ended) await logDeletion({ ...deps, sql: tx }, by, { tag, digest });
    }
    return ended;
  });
  changes?.changed(repositoryId);
  return ended;
}

/** Whether a tag that is not there was there once and can still be restored. */
export function tagIsInHistory(
  { sql }: Pick<Deps, "sql">,
  repositoryId: number,
  name: string,
): Promise<boolean> {
  return selectEndedTagExists(sql, repositoryId, name);
}

/** One page of live tags in byte order. */
export interface TagPage {
  readonly names: readonly string[];
  /** There are more after the last one. */
  readonly more: boolean;
}

/**
 * @param page.after the last name of the page before, `""` for the first
 * @param page.limit names at most
 */
export async function listTags(
  { sql, now }: Pick<Deps, "sql" | "now">,
  repositoryId: number,
  page: { after: string; limit: number },
): Promise<TagPage> {
  const rows = await selectTagNames(sql, repositoryId, { ...page, limit: page.limit + 1, nowMs: now() });
  const names = rows.map((row) => row.name);
  return { names: names.slice(0, page.limit), more: names.length > page.limit };
}

export type { IndexChildRow, TagFilter, TagPeriodRow };

/**
 * A repository's visible tags with their past, the youngest first.
 * @param repositoryId the caller has checked read permission
 * @param page.alive only those that live now
 * @param page.offset rows before the page
 */
export async function listTagHistory(
  { sql, now, tagPageEnds }: Pick<Deps, "sql" | "now" | "tagPageEnds">,
  repositoryId: number,
  page: TagFilter & { alive: boolean; offset: number; limit: number },
): Promise<{ tags: TagPeriodRow[]; more: boolean }> {
  const { alive, limit, offset, ...filter } = page;
  const query = JSON.stringify([alive, filter.name, filter.part]);
  const count = tagPageEnds?.count(repositoryId) ?? 0;
  const after = offset === 0 ? undefined : tagPageEnds?.find(repositoryId, query, offset);
  const rows = await selectTagPeriods(sql, repositoryId, {
    ...filter,
    aliveAtMs: alive ? now() : undefined,
    after,
    offset: after === undefined ? offset : 0,
    limit: limit + 1,
  });
  const tags = rows.slice(0, limit);
  const last = tags.at(-1);
  const more = rows.length > limit;
  if (more && last !== undefined) tagPageEnds?.keep(repositoryId, query, offset + limit, last, count);
  return { tags, more };
}

/**
 * What the indexes among the tags' manifests name, by the index's id, in one statement.
 * @param tags of a repository that the caller may read
 */
export async function findIndexChildren(
  { sql }: Pick<Deps, "sql">,
  tags: readonly TagPeriodRow[],
): Promise<ReadonlyMap<number, IndexChildRow[]>> {
  const ids = tags.filter((tag) => isIndexMediaType(tag.mediaType)).map((tag) => tag.manifestId);
  if (ids.length === 0) return new Map();
  return Map.groupBy(await selectIndexChildren(sql, [...new Set(ids)]), (child) => child.indexId);
}
