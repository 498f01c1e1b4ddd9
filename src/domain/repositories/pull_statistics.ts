/** How often tags and manifests are pulled (`FEATURE_IMAGE_PULL_STATS`), counted where pulls are recorded. */
import {
  addManifestPulls,
  addTagPulls,
  type PullStatisticsRow,
  selectManifestPulls,
  selectTagPulls,
} from "../../drivers/database/queries/pull_statistics.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { selectLiveTag } from "../../drivers/database/queries/tag.ts";
import { selectManifestDigest } from "../../drivers/database/queries/manifest.ts";
import { AppError } from "../../lib/errors.ts";
import type { Deps } from "../deps.ts";
import { findManifest } from "../content/manifest_view.ts";

/** One pull of a manifest. */
export interface CountedPull {
  readonly repositoryId: number;
  readonly digest: string;
  /** By which it was asked for. */
  readonly tag: string | undefined;
  readonly atMs: number;
}

/** Adds pulls to what has been counted, in the caller's transaction. */
export async function countPulls(tx: Sql, pulls: readonly CountedPull[]): Promise<void> {
  const tags = summed(pulls.filter((pull) => pull.tag !== undefined), ({ tag }) => tag ?? "");
  const manifests = summed(pulls, ({ digest }) => digest);
  // Every thread takes the rows in one order, or they would wait for each other.
  if (tags.length > 0) await addTagPulls(tx, tags.map(({ tag = "", ...pull }) => ({ ...pull, tag })));
  if (manifests.length > 0) await addManifestPulls(tx, manifests);
}

/** One for each thing that was pulled: the last pull of it, with how many there were. */
function summed(
  pulls: readonly CountedPull[],
  nameOf: (pull: CountedPull) => string,
): (CountedPull & { count: number })[] {
  const sums = new Map<string, CountedPull & { count: number }>();
  for (const pull of pulls) {
    const key = `${pull.repositoryId}/${nameOf(pull)}`;
    sums.set(key, { ...pull, count: (sums.get(key)?.count ?? 0) + 1 });
  }
  return [...sums.values()];
}

const NONE = { count: 0, lastMs: null };
export type PullStatistics = PullStatisticsRow | typeof NONE;

/**
 * @param repositoryId the caller has checked read permission
 * @throws {AppError} `not_found` for a tag that is not there
 */
export async function tagPullStatistics(
  deps: Pick<Deps, "sql" | "now">,
  repositoryId: number,
  tag: string,
): Promise<{ tag: PullStatistics; manifest: PullStatistics; digest: string }> {
  const live = await selectLiveTag(deps.sql, repositoryId, tag, deps.now());
  const digest = live && await selectManifestDigest(deps.sql, live.manifestId);
  if (digest === undefined) throw new AppError("not_found", "Not Found");
  return {
    digest,
    tag: await selectTagPulls(deps.sql, repositoryId, tag) ?? NONE,
    manifest: await selectManifestPulls(deps.sql, repositoryId, digest) ?? NONE,
  };
}

/** As {@link tagPullStatistics}, for a manifest by its digest. */
export async function manifestPullStatistics(
  deps: Pick<Deps, "sql" | "now">,
  repositoryId: number,
  digest: string,
): Promise<PullStatistics> {
  await findManifest(deps, repositoryId, digest);
  return await selectManifestPulls(deps.sql, repositoryId, digest) ?? NONE;
}

/** Asked before anything is said about a repository. @throws {AppError} `feature_disabled` */
export function requirePullStatistics({ config }: Pick<Deps, "config">): void {
  if (!config.FEATURE_IMAGE_PULL_STATS) throw new AppError("feature_disabled", "Not Found");
}
