import { selectManifests } from "../../drivers/database/queries/manifest.ts";
import { endKeepers, endLostReferrers } from "../../drivers/database/queries/mirrored_tag.ts";
import { endTag, selectLiveTag } from "../../drivers/database/queries/tag.ts";
import { AppError } from "../../lib/errors.ts";
import type { Digest } from "../../oci/digest.ts";
import type { Deps } from "../deps.ts";
import { endByLabel } from "../content/tag_end.ts";
import { notifyRepository } from "../notifications/notifications.ts";
import { lockTags, pointTag } from "../content/tags.ts";

export interface TagSwitch {
  /** Stored manifests, and the tags that are to mean them from now on. */
  readonly point: readonly { readonly name: string; readonly digest: Digest }[];
  /** Tags that end; each can be restored like any other. */
  readonly remove: readonly string[];
  /** Manifests that were kept without a tag until now. */
  readonly staged: readonly Digest[];
  /** Also ends referrers that have lost their subject: looks through the whole repository. */
  readonly endReferrers: boolean;
}

const REFERRER_LEVELS = 4;

/**
 * Moves and ends tags, all at one moment: readers see the old ones until then. The same
 * again changes nothing. What has moved is the event `repo_push`, as if somebody had pushed it.
 * @param repositoryId the caller works for its mirror
 * @returns names of the tags that ended
 */
export async function switchTags(
  deps: Pick<Deps, "sql" | "config" | "metrics" | "changes" | "now">,
  repositoryId: number,
  { point, remove, staged, endReferrers }: TagSwitch,
): Promise<string[]> {
  const ended = await deps.sql.begin(async (tx) => {
    await lockTags(tx, repositoryId, [...point.map(({ name }) => name), ...remove]);
    const nowMs = deps.now();
    const rows = await selectManifests(tx, repositoryId, point.map(({ digest }) => digest), nowMs);
    const idOf = new Map(rows.map((row) => [row.digest, row.id]));
    const moved: string[] = [];
    for (const { name, digest } of point) {
      const manifestId = idOf.get(digest);
      if (manifestId === undefined) throw vanished(digest);
      const endMs = await endByLabel(tx, manifestId, nowMs);
      if ((await selectLiveTag(tx, repositoryId, name, nowMs))?.manifestId !== manifestId) moved.push(name);
      await pointTag(tx, { repositoryId, name, manifestId, nowMs, endMs });
    }
    const names: string[] = [];
    for (const name of remove) {
      const live = await selectLiveTag(tx, repositoryId, name, nowMs);
      if (live === undefined) continue;
      await endTag(tx, live.id, nowMs);
      names.push(name);
    }
    if (staged.length > 0) await endKeepers(tx, repositoryId, staged, nowMs);
    for (let level = 0; endReferrers && level < REFERRER_LEVELS; level++) {
      if (await endLostReferrers(tx, repositoryId, nowMs) === 0) break;
    }
    if (moved.length > 0) {
      const event = { repositoryId, event: "repo_push", data: { updated_tags: moved } } as const;
      await notifyRepository({ ...deps, sql: tx }, event);
    }
    return names;
  });
  deps.changes?.changed(repositoryId);
  return ended;
}

function vanished(digest: Digest): AppError {
  return new AppError("manifest_unknown", `manifest ${digest} has been removed while it was mirrored`, {
    digest,
  });
}
