import assert from "node:assert/strict";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { type Answer, type Client, manifestOf, textOf } from "./client.ts";
import type { Random } from "./random.ts";

/** What clients were told, and what they asked for without an answer. One repository. */
export class Ledger {
  readonly blobs = new Map<Digest, { size: number; acknowledged: boolean }>();
  readonly manifests = new Map<Digest, { bytes: Uint8Array<ArrayBuffer>; acknowledged: boolean }>();
  /** Of each tag what it may point at: what was acknowledged last, and what was asked for after it. */
  readonly tags = new Map<string, { acknowledged: Digest | undefined; asked: Digest | undefined }>();

  /** Blobs and manifests that were asked for since the last {@link verify}. */
  readonly recent = new Set<Digest>();

  constructor(readonly repository: string) {}

  get acknowledged(): number {
    const count = (entries: Iterable<{ acknowledged: unknown }>) =>
      [...entries].filter(({ acknowledged }) => acknowledged).length;
    return count(this.blobs.values()) + count(this.manifests.values()) + count(this.tags.values());
  }
}

/** What ends pushing besides a connection that breaks. */
export interface PushEnd {
  /** Statuses that end it without being a failure. */
  readonly tolerated?: readonly number[];
  readonly over?: AbortSignal;
}

/**
 * Pushes images, each of random blobs by each way of uploading, until the service breaks off. An answer that is neither
 * a success nor tolerated is a failure.
 */
export async function pushUntilBroken(
  client: Client,
  ledger: Ledger,
  random: Random,
  { tolerated = [], over }: PushEnd = {},
): Promise<void> {
  const accepted = (answer: Answer) => {
    if (answer.status === 201) return true;
    assert.ok(tolerated.includes(answer.status), `${answer.status} ${textOf(answer)}`);
    return false;
  };
  for (let round = 0; over?.aborted !== true; round++) {
    const parts: { digest: Digest; size: number }[] = [];
    for (let i = random.between(2, 4); i > 0; i--) {
      const bytes = random.bytes(random.size(10_000, 5_000_000));
      const [digest, size] = [digestOf(bytes), bytes.length];
      // The same bytes may have been drawn before: what was acknowledged stays so.
      ledger.blobs.set(digest, { size, acknowledged: ledger.blobs.get(digest)?.acknowledged ?? false });
      ledger.recent.add(digest);
      const answer = random.next() < 0.5
        ? await client.pushWhole(bytes, digest)
        : await client.pushChunks(bytes, random.size(100_000, 3_000_000));
      if (!accepted(answer)) return;
      ledger.blobs.set(digest, { size, acknowledged: true });
      parts.push({ digest, size });
    }
    const manifest = manifestOf(parts);
    const digest = digestOf(manifest);
    // Tags of every other image move.
    const tag = round % 2 === 0 ? `moving-${random.seed % 4}` : `fixed-${digest.slice(7, 23)}`;
    const before = ledger.tags.get(tag)?.acknowledged;
    const known = ledger.manifests.get(digest)?.acknowledged ?? false;
    ledger.manifests.set(digest, { bytes: manifest, acknowledged: known });
    ledger.recent.add(digest);
    ledger.tags.set(tag, { acknowledged: before, asked: digest });
    if (!accepted(await client.putManifest(tag, manifest))) return;
    ledger.manifests.set(digest, { bytes: manifest, acknowledged: true });
    ledger.tags.set(tag, { acknowledged: digest, asked: digest });
  }
}

/**
 * Reads back what was asked for lately, or all that ever was. What was acknowledged is there; what was not is there whole
 * or not at all.
 */
export async function verify(client: Client, ledger: Ledger, extent: "recent" | "all"): Promise<void> {
  const due = (digest: Digest) => extent === "all" || ledger.recent.has(digest);
  for (const [digest, { size, acknowledged }] of ledger.blobs) {
    if (!due(digest)) continue;
    const answer = await client.blob(digest);
    if (answer.status === 404 && !acknowledged) continue;
    assert.equal(answer.status, 200, `blob ${digest}, acknowledged: ${acknowledged}: ${textOf(answer)}`);
    assert.equal(answer.bytes.length, size);
    assert.equal(digestOf(answer.bytes), digest, "the blob's bytes");
  }
  for (const [tag, { acknowledged, asked }] of ledger.tags) {
    const answer = await client.manifest(tag);
    if (answer.status === 404 && acknowledged === undefined) continue;
    assert.equal(answer.status, 200, `tag ${tag}: ${textOf(answer)}`);
    const digest = answer.headers.get("docker-content-digest") as Digest;
    assert.ok(digest === acknowledged || digest === asked, `tag ${tag} points at ${digest}`);
    assert.equal(digestOf(answer.bytes), digest);
    ledger.tags.set(tag, { acknowledged: digest, asked: digest }); // what was seen stays
  }
  // Quay: a manifest that its last tag has left is no longer there, though the time machine can bring it back.
  const tagged = new Set([...ledger.tags.values()].map(({ acknowledged }) => acknowledged));
  for (const [digest, { bytes, acknowledged }] of ledger.manifests) {
    if (!due(digest)) continue;
    const answer = await client.manifest(digest);
    if (answer.status === 404 && !(acknowledged && tagged.has(digest))) continue;
    assert.equal(answer.status, 200, `manifest ${digest}, acknowledged: ${acknowledged}: ${textOf(answer)}`);
    assert.deepEqual(answer.bytes, bytes);
    await verifyParts(client, ledger, bytes);
  }
  const listed = JSON.parse(textOf(await client.request("GET", `/v2/${client.repository}/tags/list`)));
  for (const tag of listed.tags) assert.ok(ledger.tags.has(tag), `nobody asked for tag ${tag}`);
  ledger.recent.clear();
}

/** All parts of a visible manifest can be pulled. */
async function verifyParts(client: Client, ledger: Ledger, manifest: Uint8Array): Promise<void> {
  const { config, layers } = JSON.parse(new TextDecoder().decode(manifest));
  for (const { digest } of [config, ...layers]) {
    assert.ok(ledger.blobs.get(digest)?.acknowledged, "a manifest is pushed after its blobs");
    const answer = await client.request("HEAD", `/v2/${client.repository}/blobs/${digest}`);
    assert.equal(answer.status, 200, `a visible manifest lacks ${digest}`);
  }
}
