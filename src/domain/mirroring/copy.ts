import { insertLinks, shortenLinks } from "../../drivers/database/queries/blob.ts";
import type { Upstream } from "../../drivers/upstream/driver.ts";
import type { Digest } from "../../oci/digest.ts";
import type { Manifest } from "../../oci/manifest.ts";
import { DOCKER_CONFIG, OCI_CONFIG } from "../../oci/media_types.ts";
import type { Deps } from "../deps.ts";
import { readImageConfig } from "../content/image_config.ts";
import { putManifest } from "../content/manifests.ts";
import { fetchBlob } from "./blob_fetch.ts";
import type { FetchDeps } from "./fetch_session.ts";
import { HOLD_SECONDS, isInStorage, type WantedBlob } from "./stored_blob.ts";
import { type Closure, collectClosure } from "./closure.ts";
import type { RunLimits } from "./limits.ts";
import type { Mirror } from "./model.ts";
import { localManifests } from "./plan.ts";
import type { ReportProgress } from "./progress.ts";
import { wantsPlatform } from "./rules.ts";
import { forEachLimited } from "../../lib/for_each_limited.ts";

export type CopyDeps = FetchDeps & Pick<Deps, "changes" | "now" | "log">;

/** What all copies of one run share. */
export interface CopyContext {
  readonly mirror: Pick<Mirror, "repositoryId" | "rules">;
  readonly upstream: Upstream;
  readonly listed: ReadonlySet<string>;
  readonly referrersApi: { supported: boolean | undefined };
  readonly limits: RunLimits;
  readonly report: ReportProgress;
  readonly signal: AbortSignal;
}

/** An image that is stored and waits for its tags. */
export interface CopiedImage {
  readonly point: readonly { readonly name: string; readonly digest: Digest }[];
  readonly staged: readonly Digest[];
}

/**
 * Brings everything under a tag into the repository, children first, and points no tag at it yet.
 * @returns `undefined` for an image of a platform that the rules do not take
 * @throws {UpstreamError}, {AppError}, {MirrorPaused}, the signal's reason; what has come stays
 */
export async function copyImage(
  deps: CopyDeps,
  context: CopyContext,
  tag: string,
): Promise<CopiedImage | undefined> {
  const { mirror, upstream, signal } = context;
  const root = await upstream.getManifest(tag, signal);
  const closure = await collectClosure({
    upstream,
    rules: mirror.rules,
    listed: context.listed,
    referrersApi: context.referrersApi,
    local: localManifests(deps, mirror.repositoryId),
    signal,
    maxEntries: deps.config.REPO_MIRROR_MAX_MANIFEST_ENTRIES,
    maxIndexBytes: deps.config.REPO_MIRROR_MAX_MANIFEST_LIST_SIZE,
  }, root);
  if (!await isWanted(deps, context, closure.root.manifest)) return undefined;
  await bringBlobs(deps, context, closure.blobs);
  await storeManifests(deps, context, closure);
  return {
    point: [{ name: tag, digest: root.digest }, ...closure.companions],
    staged: closure.nodes.map(({ digest }) => digest),
  };
}

/** Whether the image is of a platform that the rules take; an index with none of them is not. */
async function isWanted(deps: CopyDeps, context: CopyContext, manifest: Manifest): Promise<boolean> {
  const { rules } = context.mirror;
  if ((rules.platforms ?? []).length === 0) return true;
  if (manifest.kind === "index") {
    return manifest.children.length === 0 ||
      manifest.children.some(({ platform }) =>
        platform?.architecture !== "unknown" && wantsPlatform(rules, platform)
      );
  }
  const { config } = manifest;
  if (config === undefined || config.mediaType !== OCI_CONFIG && config.mediaType !== DOCKER_CONFIG) {
    return true;
  }
  await bringBlobs(deps, context, [config]);
  const image = await readImageConfig(deps, manifest) as Record<string, unknown> | null | undefined;
  const { os, architecture, variant } = image ?? {};
  if (typeof os !== "string" || typeof architecture !== "string") return true;
  return wantsPlatform(rules, { os, architecture, ...(typeof variant === "string" ? { variant } : {}) });
}

/** Links what is anywhere in the registry, and fetches the rest. */
async function bringBlobs(
  deps: CopyDeps,
  context: CopyContext,
  blobs: readonly WantedBlob[],
): Promise<void> {
  const { mirror: { repositoryId }, report, limits: { turnstile }, signal } = context;
  const linked = await insertLinks(deps.sql, {
    repositoryId,
    digests: blobs.map(({ digest }) => digest),
    keepSeconds: HOLD_SECONDS,
  });
  const here = new Set<string>();
  // A row whose object is gone or cut short is mended by fetching it.
  await forEachLimited(linked, 8, async (blob) => {
    if (await isInStorage(deps, blob)) here.add(blob.digest);
  });
  const missing: WantedBlob[] = [];
  for (const blob of blobs) {
    report({ kind: "wanted", bytes: blob.sizeBytes });
    if (here.has(blob.digest)) report({ kind: "here", bytes: blob.sizeBytes });
    else missing.push(blob);
  }
  // The turnstile decides how many really run.
  await forEachLimited(missing, missing.length, async (blob) => {
    await turnstile.run(() => fetchBlob(deps, blob, { ...context, repositoryId }), signal);
  });
}

async function storeManifests(deps: CopyDeps, context: CopyContext, closure: Closure): Promise<void> {
  const { mirror: { repositoryId, rules }, signal } = context;
  for (const { digest, mediaType, bytes } of closure.nodes) {
    signal.throwIfAborted();
    await putManifest(deps, repositoryId, {
      bytes,
      contentType: mediaType,
      reference: { kind: "digest", digest },
      tags: [],
      sparse: (rules.platforms ?? []).length > 0,
      keepSeconds: HOLD_SECONDS,
    });
  }
  const keepSeconds = deps.config.PUSH_TEMP_TAG_EXPIRATION_SEC;
  await shortenLinks(deps.sql, {
    repositoryId,
    digests: closure.blobs.map(({ digest }) => digest),
    keepSeconds,
  });
}
