import type { Upstream, UpstreamManifest } from "../../drivers/upstream/driver.ts";
import { UpstreamError } from "../../drivers/upstream/driver.ts";
import type { Digest } from "../../oci/digest.ts";
import { type Descriptor, type Manifest, parseManifest } from "../../oci/manifest.ts";
import { isManifestMediaType } from "../../oci/media_types.ts";
import { fallbackTag } from "../../oci/reference.ts";
import type { WantedBlob } from "./stored_blob.ts";
import { type MirrorRules, wantsPlatform, wantsReferrer } from "./rules.ts";
import { forEachLimited } from "../../lib/for_each_limited.ts";

/** A manifest to be stored, byte for byte. */
export interface ImageNode {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly manifest: Manifest;
}

/** Everything that one tag brings along. */
export interface Closure {
  readonly root: ImageNode;
  /** In the order in which they can be stored: children first. */
  readonly nodes: readonly ImageNode[];
  /** Each digest once; without those whose bytes live elsewhere (foreign layers). */
  readonly blobs: readonly WantedBlob[];
  /** Tags under which its signatures are found: cosign's, and the referrers fallback. */
  readonly companions: readonly { readonly name: string; readonly digest: Digest }[];
}

export interface ClosureSource {
  readonly upstream: Pick<Upstream, "getManifest" | "listReferrers">;
  readonly rules: Pick<MirrorRules, "platforms" | "referrers">;
  /** All tags of the other registry. */
  readonly listed: ReadonlySet<string>;
  /** Whether the other side has the referrers API, as far as it is known; learnt on the way, for the whole run. */
  readonly referrersApi: { supported: boolean | undefined };
  /** A manifest that is in the repository already. */
  readonly local: (digest: Digest) => Promise<UpstreamManifest | undefined>;
  readonly signal: AbortSignal;
  /** `REPO_MIRROR_MAX_MANIFEST_ENTRIES`, `REPO_MIRROR_MAX_MANIFEST_LIST_SIZE`. */
  readonly maxEntries: number;
  readonly maxIndexBytes: number;
}

/** Real images have a few dozen manifests. More is an attack, or not an image. */
const MANIFESTS_MAX = 3000;
const BYTES_MAX = 64 << 20;
const BLOBS_MAX = 50_000;
/** Indexes in indexes, and referrers of referrers. */
const DEPTH_MAX = 6;
const AT_ONCE = 6;
const COSIGN_SUFFIXES = [".sig", ".att", ".sbom"] as const;

/** `sha256-<hex>.sig`, `.att`, `.sbom`, and the fallback tag of the referrers API. */
export function companionNames(digest: Digest, referrers: MirrorRules["referrers"] = "all"): string[] {
  if (referrers === "none") return [];
  const base = digest.replace(":", "-");
  const suffixes = COSIGN_SUFFIXES.filter((suffix) => referrers === "all" || referrers.includes(suffix));
  return [...suffixes.map((suffix) => `${base}${suffix}`), fallbackTag(digest)];
}

/**
 * Follows a manifest to everything under it and everything that names it, within limits.
 * @throws {UpstreamError}; {AppError} of `parseManifest`
 */
export async function collectClosure(source: ClosureSource, root: UpstreamManifest): Promise<Closure> {
  return await new Collector(source).collect(root);
}

class Collector {
  readonly #seen = new Set<Digest>();
  readonly #nodes: ImageNode[] = [];
  readonly #blobs = new Map<Digest, WantedBlob>();
  readonly #companions: { name: string; digest: Digest }[] = [];
  #bytes = 0;

  constructor(readonly source: ClosureSource) {}

  async collect(root: UpstreamManifest): Promise<Closure> {
    await this.#visit(root, undefined, 0);
    const node = this.#nodes.find(({ digest }) => digest === root.digest) as ImageNode;
    return {
      root: node,
      nodes: this.#nodes,
      blobs: [...this.#blobs.values()],
      companions: this.#companions,
    };
  }

  async #visit(found: UpstreamManifest, descriptor: Descriptor | undefined, depth: number): Promise<void> {
    const { digest, bytes } = found;
    if (this.#seen.has(digest)) return;
    this.#seen.add(digest);
    this.#bytes += bytes.length;
    if (this.#seen.size > MANIFESTS_MAX || this.#bytes > BYTES_MAX || depth > DEPTH_MAX) throw tooMuch();
    const mediaType = isManifestMediaType(found.mediaType) ? found.mediaType : descriptor?.mediaType ?? null;
    const manifest = parseManifest(bytes, mediaType);
    await this.#followChildren(manifest, bytes.length, depth);
    for (const blob of manifest.config === undefined ? [] : [manifest.config, ...manifest.layers]) {
      if (!blob.elsewhere) this.#blobs.set(blob.digest, { digest: blob.digest, sizeBytes: blob.sizeBytes });
    }
    if (this.#blobs.size > BLOBS_MAX) throw tooMuch();
    this.#nodes.push({ digest, mediaType: manifest.mediaType, bytes, manifest });
    if (this.source.rules.referrers !== "none") await this.#followReferrers(digest, depth);
  }

  async #followChildren(manifest: Manifest, indexBytes: number, depth: number): Promise<void> {
    const { rules, maxEntries, maxIndexBytes } = this.source;
    if (manifest.kind !== "index") return;
    if (manifest.children.length > maxEntries || indexBytes > maxIndexBytes) throw tooMuch();
    const children = manifest.children.filter(({ platform }) => wantsPlatform(rules, platform));
    const fetched = new Map<Digest, UpstreamManifest>();
    await forEachLimited(distinct(children), AT_ONCE, async ({ digest }) => {
      if (this.#seen.has(digest)) return;
      fetched.set(digest, await this.#get(digest));
    });
    for (const child of children) {
      const found = fetched.get(child.digest);
      if (found !== undefined) await this.#visit(found, child, depth + 1);
    }
  }

  async #followReferrers(digest: Digest, depth: number): Promise<void> {
    const { listed, rules, upstream, signal } = this.source;
    for (const name of companionNames(digest, rules.referrers)) {
      if (!listed.has(name)) continue;
      const found = await upstream.getManifest(name, signal);
      await this.#visit(found, undefined, depth + 1);
      this.#companions.push({ name, digest: found.digest });
    }
    const wanted = (await this.#listReferrers(digest)).filter((one) => wantsReferrer(rules, one));
    for (const referrer of wanted) {
      if (this.#seen.has(referrer.digest)) continue;
      const found = await this.#get(referrer.digest);
      // A list may name what it likes; only what names this image itself comes along.
      if (!isReferrerOf(found, digest)) continue;
      await this.#visit(found, { ...referrer, elsewhere: false }, depth + 1);
    }
  }

  async #listReferrers(digest: Digest) {
    const { upstream, referrersApi, signal } = this.source;
    if (referrersApi.supported === false) return [];
    const referrers = await upstream.listReferrers(digest, signal);
    referrersApi.supported = referrers !== undefined;
    return referrers ?? [];
  }

  async #get(digest: Digest): Promise<UpstreamManifest> {
    return await this.source.local(digest) ??
      await this.source.upstream.getManifest(digest, this.source.signal);
  }
}

function isReferrerOf({ bytes }: UpstreamManifest, subject: Digest): boolean {
  try {
    const json = JSON.parse(new TextDecoder().decode(bytes)) as { subject?: { digest?: unknown } } | null;
    return json?.subject?.digest === subject;
  } catch {
    return false;
  }
}

function distinct(descriptors: readonly Descriptor[]): Descriptor[] {
  return [...new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor])).values()];
}

function tooMuch(): UpstreamError {
  return new UpstreamError(
    "lied",
    "the image has more manifests, layers or levels than any real one: it is not taken",
  );
}
