/** What a run would do, without doing it; and whether what was done is whole. Both ask the other registry. */
import { selectRepositoryBlobs, selectStoredSizes } from "../../drivers/database/queries/blob.ts";
import { selectFetchedBytes } from "../../drivers/database/queries/blob_fetch.ts";
import { selectManifests } from "../../drivers/database/queries/manifest.ts";
import type { Upstream } from "../../drivers/upstream/driver.ts";
import { algorithmOf, createHasher, type Digest } from "../../oci/digest.ts";
import type { Deps } from "../deps.ts";
import { readBlob } from "../content/blob_reading.ts";
import { type Closure, collectClosure } from "./closure.ts";
import { failureOf } from "./failure.ts";
import { isOfOrganization, type Mirror, type TagFailure } from "./model.ts";
import {
  companionsOf,
  localManifests,
  readStanding,
  selectChanged,
  selectLocalDigests,
  type Standing,
} from "./plan.ts";
import { openSource } from "./source.ts";
import { isInStorage, type WantedBlob } from "./stored_blob.ts";
import { forEachLimited } from "../../lib/for_each_limited.ts";

type PreviewDeps = Pick<Deps, "sql" | "config" | "storage" | "secrets" | "upstream" | "now" | "log">;

export interface MirrorPreview {
  /** The tags that the rules name, sorted. */
  readonly tags: readonly string[];
  /** Of them those that would be copied: new or changed. */
  readonly changed: readonly string[];
  /** Bytes of blobs that would cross the network, those that are under way already subtracted. */
  readonly bytesToFetch: number;
  /** Bytes that the changed tags need and that are here. */
  readonly bytesHere: number;
  /** Tags that would end, with what they are: nothing when no tag matches. */
  readonly remove: readonly string[];
  /** Tags of which nothing can be said, and why. */
  readonly failed: readonly TagFailure[];
}

const AT_ONCE = 4;

/**
 * The plan of a run that would start now. Changes nothing. The caller has checked who asks.
 * @throws {UpstreamError}, {SourceUnusable}: in words
 */
export async function previewMirror(
  deps: PreviewDeps,
  mirror: Mirror,
  signal: AbortSignal,
): Promise<MirrorPreview> {
  return await withUpstream(deps, mirror, async (upstream) => {
    const standing = await readStanding(deps, mirror, await upstream.listTags(signal));
    const { matched: tags } = standing;
    if (tags.length === 0) {
      return { tags, changed: [], bytesToFetch: 0, bytesHere: 0, remove: [], failed: [] };
    }
    const changed = await selectChanged(deps, mirror, standing, { upstream, signal, names: tags });
    const { closures, failed } = await collectAll(deps, mirror, upstream, standing, [...changed], signal);
    const blobs = new Map(
      closures.flatMap(({ closure }) => closure.blobs).map((blob) => [blob.digest, blob]),
    );
    const digests = [...blobs.keys()];
    const [stored, fetched] = await Promise.all([
      selectStoredSizes(deps.sql, digests),
      selectFetchedBytes(deps.sql, digests),
    ]);
    let bytesToFetch = 0;
    let bytesHere = 0;
    for (const { digest, sizeBytes } of blobs.values()) {
      const hereBytes = stored.has(digest) ? sizeBytes : Math.min(sizeBytes, fetched.get(digest) ?? 0);
      bytesHere += hereBytes;
      bytesToFetch += sizeBytes - hereBytes;
    }
    const unchanged = tags.filter((tag) => !changed.has(tag));
    const kept = await selectLocalDigests(deps, standing, [...unchanged, ...failed.map(({ tag }) => tag)]);
    const companions = companionsOf(kept, standing.listed, mirror.rules);
    const coming = closures.flatMap(({ closure }) => closure.companions.map(({ name }) => name));
    const wanted = new Set([...tags, ...companions, ...coming]);
    const unwanted = [...standing.local.keys()].filter((name) => !wanted.has(name)).sort();
    const remove = isOfOrganization(mirror) ? [] : unwanted;
    return { tags, changed: [...changed].sort(), bytesToFetch, bytesHere, remove, failed };
  });
}

export interface MirrorFault {
  readonly tag: string;
  /** The manifest or blob that is concerned. */
  readonly digest?: Digest;
  readonly message: string;
}

/**
 * Holds what the rules want, as the other registry has it now, against what is here: each tag, platform, signature and
 * referrer, each blob's presence and length.
 * @param options.read also reads every byte from storage and hashes it
 * @returns what is not as it should be; empty when the sets are the same
 * @throws {UpstreamError}, {SourceUnusable}: in words
 */
export async function verifyMirror(
  deps: PreviewDeps,
  mirror: Mirror,
  { read, signal }: { read: boolean; signal: AbortSignal },
): Promise<MirrorFault[]> {
  return await withUpstream(deps, mirror, async (upstream) => {
    const standing = await readStanding(deps, mirror, await upstream.listTags(signal));
    const { matched, local } = standing;
    const { closures, failed } = await collectAll(deps, mirror, upstream, standing, matched, signal);
    const faults: MirrorFault[] = failed.map(({ tag, message }) => ({ tag, message }));
    const checked = new Map<Digest, string | undefined>();
    const wanted = new Set(matched);
    for (const { tag, closure } of closures) {
      for (const { name, digest } of [{ name: tag, digest: closure.root.digest }, ...closure.companions]) {
        wanted.add(name);
        const here = local.get(name)?.digest;
        if (here !== digest) {
          const message = here === undefined ? "the tag is not here" : "the tag points at another image";
          faults.push({ tag: name, digest, message });
        }
      }
      faults.push(...await checkClosure(deps, mirror, { tag, closure, checked, read, signal }));
    }
    if (matched.length > 0 && !isOfOrganization(mirror)) {
      const extra = [...local.keys()].filter((name) => !wanted.has(name));
      faults.push(...extra.map((tag) => ({ tag, message: "the tag is here, and the rules do not want it" })));
    }
    return faults;
  });
}

async function checkClosure(
  deps: PreviewDeps,
  { repositoryId }: Mirror,
  { tag, closure, checked, read, signal }: {
    tag: string;
    closure: Closure;
    checked: Map<Digest, string | undefined>;
    read: boolean;
    signal: AbortSignal;
  },
): Promise<MirrorFault[]> {
  const faults: MirrorFault[] = [];
  const digests = closure.nodes.map(({ digest }) => digest);
  const here = new Set(
    (await selectManifests(deps.sql, repositoryId, digests, deps.now())).map((row) => row.digest),
  );
  for (const digest of digests) {
    if (!here.has(digest)) faults.push({ tag, digest, message: "a manifest is not here" });
  }
  const wanted = closure.blobs.map(({ digest }) => digest);
  const readable = new Set(
    (await selectRepositoryBlobs(deps.sql, repositoryId, wanted)).map((row) => row.digest),
  );
  for (const blob of closure.blobs) {
    signal.throwIfAborted();
    const { digest } = blob;
    if (!checked.has(digest)) {
      checked.set(digest, readable.has(digest) ? await faultOf(deps, blob, read) : "a blob is not here");
    }
    const message = checked.get(digest);
    if (message !== undefined) faults.push({ tag, digest, message });
  }
  return faults;
}

async function faultOf(deps: PreviewDeps, blob: WantedBlob, read: boolean): Promise<string | undefined> {
  if (!await isInStorage(deps, blob)) return "a blob's object is gone from storage, or cut short";
  if (!read) return undefined;
  const algorithm = algorithmOf(blob.digest);
  const hash = createHasher(algorithm);
  const range = { start: 0, lengthBytes: blob.sizeBytes };
  for await (const chunk of await readBlob(deps, blob, range)) hash.update(chunk);
  return `${algorithm}:${hash.digest("hex")}` === blob.digest ? undefined : "a blob's object is spoilt";
}

async function collectAll(
  deps: PreviewDeps,
  mirror: Mirror,
  upstream: Upstream,
  { listed }: Pick<Standing, "listed">,
  tags: readonly string[],
  signal: AbortSignal,
): Promise<{ closures: { tag: string; closure: Closure }[]; failed: TagFailure[] }> {
  const closures: { tag: string; closure: Closure }[] = [];
  const failed: TagFailure[] = [];
  const referrersApi = { supported: undefined };
  await forEachLimited(tags, AT_ONCE, async (tag) => {
    try {
      const root = await upstream.getManifest(tag, signal);
      const closure = await collectClosure({
        upstream,
        rules: mirror.rules,
        listed,
        referrersApi,
        local: localManifests(deps, mirror.repositoryId),
        signal,
        maxEntries: deps.config.REPO_MIRROR_MAX_MANIFEST_ENTRIES,
        maxIndexBytes: deps.config.REPO_MIRROR_MAX_MANIFEST_LIST_SIZE,
      }, root);
      closures.push({ tag, closure });
    } catch (error) {
      const { reason, message, concernsAll } = failureOf(error);
      if (signal.aborted || concernsAll) throw error;
      failed.push({ tag, reason, message });
    }
  });
  return { closures, failed };
}

async function withUpstream<T>(
  deps: PreviewDeps,
  mirror: Mirror,
  work: (upstream: Upstream) => Promise<T>,
): Promise<T> {
  const upstream = await openSource(deps, mirror);
  try {
    return await work(upstream);
  } finally {
    await upstream.close();
  }
}
