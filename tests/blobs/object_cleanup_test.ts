import assert from "node:assert/strict";
import { pushBlob } from "../../src/domain/content/uploads.ts";
import { withDigestClaim } from "../../src/domain/content/digest_claim.ts";
import { createHasher, type Digest, digestOf } from "../../src/oci/digest.ts";
import { blobKey } from "../../src/oci/digest.ts";
import { cleanObjects, SLICES } from "../../src/workers/object_cleanup.ts";
import { type TestRegistry, withRegistry } from "./registry.ts";

const TWO_DAYS_MS = 48 * 3600_000;

/** An object as a crash between rename and commit leaves it. */
async function leave(
  { root }: TestRegistry,
  digest: Digest,
  text: string,
  ageMs = TWO_DAYS_MS,
): Promise<string> {
  const key = blobKey(digest);
  await Deno.mkdir(`${root}/${key.slice(0, key.lastIndexOf("/"))}`, { recursive: true });
  await Deno.writeTextFile(`${root}/${key}`, text);
  const changed = new Date(Date.now() - ageMs);
  await Deno.utime(`${root}/${key}`, changed, changed);
  return key;
}

async function push({ deps, ids }: TestRegistry, text: string): Promise<Digest> {
  const digest = digestOf(text);
  await pushBlob(deps, ids.app, digest, { stream: new Response(text).body, lengthBytes: undefined });
  return digest;
}

async function cleanAll({ deps }: TestRegistry) {
  let [seen, removed] = [0, 0];
  for (let slice = 0; slice < SLICES; slice++) {
    const cleaned = await cleanObjects(deps, slice);
    seen += cleaned.seen;
    removed += cleaned.removed;
  }
  return { seen, removed };
}

Deno.test("cleanObjects(): old objects without a row go; blobs, young objects and foreign files stay", () =>
  withRegistry(async (registry) => {
    const blob = await push(registry, "a blob");
    await leave(registry, blob, "a blob"); // the same object, two days old
    await leave(registry, digestOf("orphan"), "orphan");
    const long = `sha512:${createHasher("sha512").update("orphan").digest("hex")}` as Digest;
    await leave(registry, long, "orphan");
    const young = await leave(registry, digestOf("young"), "young", 3600_000);
    await Deno.writeTextFile(`${registry.root}/sha256/notes.txt`, "an operator's");

    assert.deepEqual(await cleanAll(registry), { seen: 3, removed: 2 });
    assert.deepEqual(await registry.files(), [blobKey(blob), young, "sha256/notes.txt"].sort());
    assert.deepEqual(await cleanAll(registry), { seen: 1, removed: 0 });
  }));

Deno.test("cleanObjects(): leaves an object to a push that is between making it and its commit", () =>
  withRegistry(async (registry) => {
    const { deps, sql } = registry;
    const digest = digestOf("pushed");
    const key = await leave(registry, digest, "pushed");
    const claimed = Promise.withResolvers<void>();
    const commit = Promise.withResolvers<void>();
    const pushing = withDigestClaim(deps, digest, async () => {
      claimed.resolve();
      await commit.promise;
      await sql`insert into imagestorage (uuid, image_size, uploading, cas_path, content_checksum)
        values (gen_random_uuid()::text, 6, false, true, ${digest})`;
    });
    await claimed.promise;
    const cleaning = cleanObjects(deps, parseInt(key.slice(7, 9), 16) % SLICES);
    assert.equal(
      await Promise.race([cleaning, new Promise((resolve) => setTimeout(resolve, 300, "waits"))]),
      "waits",
    );
    commit.resolve();
    await pushing;
    assert.deepEqual(await cleaning, { seen: 1, removed: 0 });
    assert.deepEqual(await registry.files(), [key]);
  }));

Deno.test("cleanObjects(): removes nothing when the database looks like another's", () =>
  withRegistry(async (registry) => {
    let left = 0;
    for (let n = 0; left < 17; n++) {
      const digest = digestOf(`object ${n}`);
      if (parseInt(digest.slice(7, 9), 16) % SLICES !== 0) continue;
      await leave(registry, digest, "x");
      left++;
    }
    assert.deepEqual(await cleanObjects(registry.deps, 0), { seen: 17, removed: 0 });
    assert.equal((await registry.files()).length, 17);
  }));
