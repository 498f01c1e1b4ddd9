import type { Hash } from "node:crypto";
import { type ClaimedUpload, completeUpload } from "../../drivers/database/queries/upload.ts";
import type { Appended, StorageLocation } from "../../drivers/storage/driver.ts";
import { AppError } from "../../lib/errors.ts";
import { algorithmOf, blobKey, createHasher, type Digest, type DigestAlgorithm } from "../../oci/digest.ts";
import { replicationRetries } from "../storage/locations.ts";
import { type HeldClaim, lostClaim, withDigestClaim } from "./digest_claim.ts";
import type { ReceivedChunk } from "./received_chunk.ts";
import { lostLease, type UploadDeps } from "./upload_session.ts";

/*
 * The end of an upload, from its last byte to a readable blob. The order is the durability:
 *
 *   bytes appended under uploads/<uuid> -> durable -> digest verified
 *     -> [claim on the digest: object sha256/<2>/<hex> made, durable -> one statement: rows, claim ends] -> 201
 *
 * On a disk the object is made by a rename, in an object store by a copy inside it, or, when all bytes came in one request,
 * by ending the multipart upload right there. A crash before the rows are committed leaves no visible blob: at most
 * leftovers in `uploads/`, or an object without a row, which nobody can read and which the next push of the digest
 * replaces. Clean-ups remove both (`workers/`). No storage operation is made inside a transaction.
 *
 * Garbage collection must not remove an object between a push's making it and its commit, nor a row that a push or a mount
 * is about to link. Its side of the protocol, one blob at a time:
 *
 *   1. withDigestClaim(digest): waits for pushes of this digest, and holds off new ones (`digest_claim.ts`)
 *   2. begin; holdDigestClaim; select … from imagestorage where id = … for update: waits for mounts (`for key share`)
 *   3. in a NEW statement (fresh snapshot): still no manifestblob and no live uploadedblob? else leave it
 *   4. delete the rows; commit; then remove the object from each location, still under the claim
 *
 * A crash between the commit and the removal leaves an object without a row: the object clean-up finds it.
 */

/** A blob on its way to its place. */
export interface NewBlob {
  readonly repositoryId: number;
  readonly digest: Digest;
  readonly location: StorageLocation;
}

interface Finish {
  /** Of all bytes; `undefined` when earlier ones went through other hands. */
  readonly hash: Hash | undefined;
  readonly upload: ClaimedUpload | undefined;
  readonly lengthBytes: number | undefined;
  /** Where storage was told that the bytes may go. */
  readonly target: string | undefined;
}

/** Verifies the bytes, brings them to their place and makes them visible. Ends the chunk, whatever happens. */
export async function finishChunk(
  deps: UploadDeps,
  blob: NewBlob,
  chunk: ReceivedChunk,
  { hash, upload, lengthBytes, target }: Finish,
): Promise<void> {
  const { digest, location: { driver } } = blob;
  const algorithm = algorithmOf(digest);
  const known = hash
    ? digestOfHash(hash, algorithm)
    : chunk.received === 0 && upload?.digestSoFar?.startsWith(`${algorithm}:`)
    ? upload.digestSoFar
    : undefined;
  const refusal = chunk.broken ??
    (lengthBytes !== undefined && chunk.received !== lengthBytes
      ? wrongLength(lengthBytes, chunk.received)
      : known !== undefined && known !== digest
      ? wrongDigest(digest, known)
      : undefined);
  if (refusal !== undefined) {
    await chunk.abort();
    throw refusal;
  }
  const end = { durable: true, last: true } as const;
  let whole: Appended | undefined;
  if (target === undefined) {
    whole = await chunk.close(end);
    const actual = known ?? await hashStored(blob.location, whole.key, algorithm);
    if (actual !== digest) throw wrongDigest(digest, actual);
  }
  try {
    await withDigestClaim(deps, digest, async (claim) => {
      whole ??= await chunk.close(end);
      // Also over an object that is there already: it mends one that has rotted.
      if (whole.key !== blobKey(digest)) await driver.move(whole.key, blobKey(digest));
      await commitBlob(deps, blob, whole.sizeBytes, upload, claim);
    });
  } catch (error) {
    await chunk.abort(); // the claim was not to be had; else it has ended already
    throw error;
  }
}

/** Makes what is in its place visible, and ends the session and the claim. @throws {AppError} when one of them was lost */
export async function commitBlob(
  deps: UploadDeps,
  { repositoryId, digest, location }: NewBlob,
  sizeBytes: number,
  upload: ClaimedUpload | undefined,
  claim: HeldClaim,
): Promise<void> {
  const blob = {
    repositoryId,
    digest,
    sizeBytes,
    locationName: location.name,
    keepSeconds: deps.config.PUSH_TEMP_TAG_EXPIRATION_SEC,
    replicationRetries: replicationRetries(deps),
  };
  claim.signal.throwIfAborted();
  if (!await completeUpload(deps.sql, blob, upload, claim)) {
    throw upload === undefined ? lostClaim() : lostLease();
  }
  claim.ended = true;
}

export async function isStored({ location, digest }: NewBlob, sizeBytes: number): Promise<boolean> {
  return (await location.driver.stat(blobKey(digest)))?.sizeBytes === sizeBytes;
}

/** Reads an upload's bytes again: its running hash was lost, or is of the other algorithm. */
async function hashStored(
  { driver }: StorageLocation,
  key: string,
  algorithm: DigestAlgorithm,
): Promise<Digest> {
  const hash = createHasher(algorithm);
  for await (const chunk of await driver.read(key)) hash.update(chunk);
  return digestOfHash(hash, algorithm);
}

export function digestOfHash(hash: Hash, algorithm: DigestAlgorithm): Digest {
  return `${algorithm}:${hash.copy().digest("hex")}` as Digest;
}

export const wrongLength = (wanted: number, received: number) =>
  new AppError("size_invalid", "the body is not as long as the request says", { wanted, received });

const wrongDigest = (wanted: Digest, actual: Digest) =>
  new AppError("digest_invalid", "the content does not match the digest", { digest: wanted, actual });
