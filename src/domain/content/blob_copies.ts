import { insertPlacement, type PlacedBlob } from "../../drivers/database/queries/placement.ts";
import { selectStoredDigests } from "../../drivers/database/queries/blob.ts";
import type { StorageLocation } from "../../drivers/storage/driver.ts";
import { AppError } from "../../lib/errors.ts";
import { algorithmOf, blobKey, createHasher, type Digest } from "../../oci/digest.ts";
import { readBlob, reasonOf } from "./blob_reading.ts";
import type { Deps } from "../deps.ts";
import { withDigestClaim } from "./digest_claim.ts";

type CopyDeps = Pick<Deps, "sql" | "storage" | "log">;

/**
 * Copies a blob to another location, from the nearest that has it, and records it there. The copy appears only when its bytes
 * hash to the digest. Beside pushes of the same digest nothing can go wrong, since both store the same bytes; when the blob
 * is collected meanwhile, the copy goes too.
 * @param source reads the bytes; by default from wherever they are
 * @returns false when there is no such blob any more
 * @throws {AppError} `digest_invalid` when no location has the right bytes; `storage_unavailable`, `storage_full`
 */
export async function copyBlob(
  deps: CopyDeps,
  { digest, sizeBytes }: Pick<PlacedBlob, "digest" | "sizeBytes">,
  to: StorageLocation,
  { signal, source }: { signal?: AbortSignal | undefined; source?: StorageLocation | undefined } = {},
): Promise<boolean> {
  const key = blobKey(digest);
  const stream = source === undefined
    ? await readBlob(deps, { digest }, { start: 0, lengthBytes: sizeBytes })
    : await source.driver.read(key);
  await to.driver.write(key, verified(stream, digest), signal);
  if (await insertPlacement(deps.sql, digest, to.name)) return true;
  await withDigestClaim(deps, digest, async () => {
    if ((await selectStoredDigests(deps.sql, [digest])).size === 0) await to.driver.remove(key);
  });
  return false;
}

/** Passes bytes on, and fails at their end when they are not the digest's: nothing is stored then. */
async function* verified(
  stream: ReadableStream<Uint8Array>,
  digest: Digest,
): AsyncGenerator<Uint8Array, void, undefined> {
  const algorithm = algorithmOf(digest);
  const hash = createHasher(algorithm);
  for await (const chunk of stream) {
    hash.update(chunk);
    yield chunk;
  }
  const actual = `${algorithm}:${hash.digest("hex")}`;
  if (actual !== digest) {
    throw new AppError("digest_invalid", "stored bytes do not match their digest", { digest, actual });
  }
}

/** How a location's copy of a blob is. */
export type CopyState = "good" | "missing" | "rotten" | "unreadable";

/** Reads the copy and compares its digest. @param pace called with each piece's size; waits as long as the reader is to, rejects to end it */
export async function inspectCopy(
  { log }: Pick<Deps, "log">,
  { name, driver }: StorageLocation,
  digest: Digest,
  pace: (sizeBytes: number) => Promise<void> = () => Promise.resolve(),
): Promise<CopyState> {
  const algorithm = algorithmOf(digest);
  const hash = createHasher(algorithm);
  try {
    for await (const chunk of await driver.read(blobKey(digest))) {
      hash.update(chunk);
      await pace(chunk.length);
    }
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === "blob_unknown") return "missing";
    log.warn("a stored blob cannot be read", { location: name, digest, reason: reasonOf(error) });
    return "unreadable";
  }
  return `${algorithm}:${hash.digest("hex")}` === digest ? "good" : "rotten";
}
