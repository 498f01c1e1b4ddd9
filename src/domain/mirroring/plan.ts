import { selectManifestDetail } from "../../drivers/database/queries/manifest.ts";
import {
  type LiveTagRow,
  selectFamilies,
  selectIndexes,
  selectLiveTags,
} from "../../drivers/database/queries/mirrored_tag.ts";
import type { Upstream, UpstreamManifest } from "../../drivers/upstream/driver.ts";
import type { Digest } from "../../oci/digest.ts";
import { parseManifest } from "../../oci/manifest.ts";
import { DOCKER_LIST, OCI_INDEX } from "../../oci/media_types.ts";
import type { Deps } from "../deps.ts";
import { companionNames } from "./closure.ts";
import { failureOf } from "./failure.ts";
import type { Mirror } from "./model.ts";
import { selectTags, wantsPlatform } from "./rules.ts";
import { forEachLimited } from "../../lib/for_each_limited.ts";

/** What the repository has, and what the other one lists. */
export interface Standing {
  readonly listed: ReadonlySet<string>;
  /** The tags that the rules name, sorted. */
  readonly matched: readonly string[];
  readonly local: ReadonlyMap<string, LiveTagRow>;
}

type PlanDeps = Pick<Deps, "sql" | "now">;

export async function readStanding(
  { sql, now }: PlanDeps,
  { repositoryId, rules }: Pick<Mirror, "repositoryId" | "rules">,
  listed: readonly string[],
): Promise<Standing> {
  const rows = await selectLiveTags(sql, repositoryId, now());
  return {
    listed: new Set(listed),
    matched: selectTags(listed, rules),
    local: new Map(rows.map((row) => [row.name, row])),
  };
}

/** Requests about tags under way at once. */
const HEADS_AT_ONCE = 8;

/**
 * Of `names` those that are to be copied: new here, changed there, or here without a platform that the rules want by now.
 * A tag that has not changed costs one request without a body. What fails for one tag
 * alone is left to the copying, which says so.
 */
export async function selectChanged(
  deps: PlanDeps,
  { rules }: Pick<Mirror, "rules">,
  { local }: Pick<Standing, "local">,
  { upstream, signal, names }: {
    upstream: Pick<Upstream, "headManifest">;
    signal: AbortSignal;
    names: readonly string[];
  },
): Promise<Set<string>> {
  const incomplete = await selectIncomplete(deps, rules, [...local.values()]);
  const changed = new Set<string>();
  await forEachLimited(names, HEADS_AT_ONCE, async (name) => {
    const row = local.get(name);
    if (row !== undefined && !incomplete.has(row.manifestId)) {
      const digest = await upstream.headManifest(name, signal, row.digest as Digest).catch((error) => {
        if (signal.aborted || failureOf(error).concernsAll) throw error;
      });
      if (digest === row.digest) return;
    }
    changed.add(name);
  });
  return changed;
}

/** Indexes that lack a child which the rules want: the filter was narrower when they came. */
async function selectIncomplete(
  { sql }: PlanDeps,
  rules: Mirror["rules"],
  tags: readonly LiveTagRow[],
): Promise<Set<number>> {
  const ids = [...new Set(tags.map(({ manifestId }) => manifestId))];
  const incomplete = new Set<number>();
  for (const index of await selectIndexes(sql, ids, [OCI_INDEX, DOCKER_LIST])) {
    const manifest = parseManifest(new TextEncoder().encode(index.bytes), index.mediaType);
    const here = new Set(index.children);
    const wanted = manifest.children.filter(({ platform }) => wantsPlatform(rules, platform));
    if (wanted.some(({ digest }) => !here.has(digest))) incomplete.add(index.id);
  }
  return incomplete;
}

/** Digests of all manifests that the repository has for these tags: what signatures may be named after. */
export async function selectLocalDigests(
  { sql }: PlanDeps,
  { local }: Pick<Standing, "local">,
  names: readonly string[],
): Promise<Set<Digest>> {
  const ids = names.flatMap((name) => local.get(name)?.manifestId ?? []);
  return new Set((await selectFamilies(sql, [...new Set(ids)])).map(({ digest }) => digest as Digest));
}

/** Signatures of images that are here by now, which the other registry lists under tags of their own. */
export function companionsOf(
  digests: Iterable<Digest>,
  listed: ReadonlySet<string>,
  rules: Mirror["rules"],
): string[] {
  const names = [...digests].flatMap((digest) => companionNames(digest, rules.referrers));
  return [...new Set(names)].filter((name) => listed.has(name));
}

/** Reads a manifest of the repository, for {@link collectClosure}. */
export function localManifests(
  { sql, now }: PlanDeps,
  repositoryId: number,
): (digest: Digest) => Promise<UpstreamManifest | undefined> {
  return async (digest) => {
    const row = await selectManifestDetail(sql, repositoryId, digest, now());
    return row && { digest, mediaType: row.mediaType, bytes: new TextEncoder().encode(row.bytes) };
  };
}
