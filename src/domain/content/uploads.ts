import {
  deleteUpload,
  insertUpload,
  saveUpload,
  selectUpload,
} from "../../drivers/database/queries/upload.ts";
import { AppError } from "../../lib/errors.ts";
import { algorithmOf, blobKey, createHasher, type Digest, type DigestAlgorithm } from "../../oci/digest.ts";
import { requireRoom } from "../quota/enforcement.ts";
import { locationOf, writableLocation } from "../storage/locations.ts";
import { withDigestClaim } from "./digest_claim.ts";
import { commitBlob, digestOfHash, finishChunk, isStored, type NewBlob, wrongLength } from "./new_blob.ts";
import { receiveChunk } from "./received_chunk.ts";
import type { UploadBody } from "./upload_body.ts";
import {
  isUploadId,
  lostLease,
  unknownUpload,
  type UploadDeps,
  uploadKey,
  withSession,
} from "./upload_session.ts";

export interface UploadStatus {
  readonly uuid: string;
  /** Bytes that are durable. */
  readonly sizeBytes: number;
}

/** A chunk: where the client says that it starts (`undefined`: at the end of what is there), and its bytes. */
export interface UploadChunk extends UploadBody {
  readonly start: number | undefined;
}

/**
 * Opens a session. The caller has checked push permission, for this and for all that follow.
 * @param algorithm what the client will finish with; another one only costs a second read of the bytes
 * @throws {AppError} `quota_exceeded`
 */
export async function startUpload(
  deps: UploadDeps,
  repositoryId: number,
  algorithm: DigestAlgorithm = "sha256",
): Promise<UploadStatus> {
  const { sql, storage } = deps;
  await requireRoom(deps, repositoryId, "start");
  const uuid = crypto.randomUUID();
  await insertUpload(sql, { uuid, repositoryId, locationName: writableLocation(storage).name, algorithm });
  return { uuid, sizeBytes: 0 };
}

/** @throws {AppError} `upload_unknown` */
export async function uploadStatus(
  { sql }: Pick<UploadDeps, "sql">,
  repositoryId: number,
  uuid: string,
): Promise<UploadStatus> {
  const upload = isUploadId(uuid) ? await selectUpload(sql, repositoryId, uuid) : undefined;
  if (!upload) throw unknownUpload();
  return { uuid, sizeBytes: upload.sizeBytes };
}

/**
 * Adds a chunk; when it returns, the bytes are durable. A body that breaks off is kept as far as it came.
 * @throws {AppError} `upload_unknown`, `range_invalid` (chunk out of order), `size_invalid`, `blob_too_large`,
 *   `upload_invalid` (another writer, body broke off), `storage_full`, `storage_unavailable`, `quota_exceeded`
 */
export async function appendToUpload(
  deps: UploadDeps,
  repositoryId: number,
  uuid: string,
  chunk: UploadChunk,
): Promise<UploadStatus> {
  await requireRoomForChunk(deps, repositoryId, chunk);
  return await withSession(deps, repositoryId, uuid, chunk.start, async (upload, signal) => {
    const hash = deps.uploads.hashes.take(uuid, upload.sizeBytes, upload.algorithm) ??
      (upload.sizeBytes === 0 ? createHasher(upload.algorithm) : undefined);
    const location = locationOf(deps.storage, upload.locationName);
    const stored = await receiveChunk(deps, location, upload, chunk, hash ? [hash] : [], { signal });
    const { sizeBytes, state } = await stored.close({ durable: true });
    if (
      stored.broken === undefined && chunk.lengthBytes !== undefined && stored.received !== chunk.lengthBytes
    ) {
      throw wrongLength(chunk.lengthBytes, stored.received);
    }
    const progress = {
      sizeBytes,
      digestSoFar: hash && digestOfHash(hash, upload.algorithm),
      storageState: state,
    };
    if (!await saveUpload(deps.sql, upload, progress)) throw lostLease();
    if (hash) deps.uploads.hashes.put(uuid, { hash, algorithm: upload.algorithm, sizeBytes });
    if (stored.broken) throw stored.broken;
    return { uuid, sizeBytes };
  });
}

/**
 * Ends a session with an optional last chunk: verifies the digest of all bytes, stores the blob and links it to the repository.
 * On failure the session stays as it was before this request; except that an object store, when it had to put the bytes
 * together to hash them, and they are the wrong ones, has none left.
 * @throws {AppError} as {@link appendToUpload}; `digest_invalid` when the bytes do not hash to `digest`
 */
export async function finishUpload(
  deps: UploadDeps,
  repositoryId: number,
  uuid: string,
  digest: Digest,
  chunk: UploadChunk,
): Promise<void> {
  await requireRoomForChunk(deps, repositoryId, chunk);
  await withSession(deps, repositoryId, uuid, chunk.start, async (upload, signal) => {
    const algorithm = algorithmOf(digest);
    const before = deps.uploads.hashes.take(uuid, upload.sizeBytes, algorithm);
    const hash = before?.copy() ?? (upload.sizeBytes === 0 ? createHasher(algorithm) : undefined);
    const location = locationOf(deps.storage, upload.locationName);
    const blob: NewBlob = { repositoryId, digest, location };
    try {
      try {
        // Bytes that were all hashed here may go to their place as soon as the hash is right.
        const target = upload.sizeBytes === 0 ? blobKey(digest) : undefined;
        const hashes = hash ? [hash] : [];
        const stored = await receiveChunk(deps, location, upload, chunk, hashes, { signal, target });
        await finishChunk(deps, blob, stored, { hash, upload, lengthBytes: chunk.lengthBytes, target });
      } catch (error) {
        // An earlier attempt may have moved the bytes and then have failed to commit.
        const alreadyMoved = error instanceof AppError && error.code === "upload_unknown" &&
          upload.digestSoFar === digest && (chunk.lengthBytes ?? 0) === 0 &&
          await isStored(blob, upload.sizeBytes);
        if (!alreadyMoved) throw error;
        await withDigestClaim(deps, digest, async (claim) => {
          if (!await isStored(blob, upload.sizeBytes)) throw unknownUpload();
          await commitBlob(deps, blob, upload.sizeBytes, upload, claim);
        });
      }
    } catch (error) {
      if (before) deps.uploads.hashes.put(uuid, { hash: before, algorithm, sizeBytes: upload.sizeBytes });
      throw error;
    }
  });
}

/** A whole blob in one request, without a session. @throws {AppError} as {@link finishUpload} */
export async function pushBlob(
  deps: UploadDeps,
  repositoryId: number,
  digest: Digest,
  body: UploadBody,
): Promise<void> {
  await requireRoomForChunk(deps, repositoryId, body);
  const uuid = crypto.randomUUID();
  const hash = createHasher(algorithmOf(digest));
  const location = writableLocation(deps.storage);
  const blob: NewBlob = { repositoryId, digest, location };
  const target = blobKey(digest);
  const { signal } = new AbortController();
  try {
    const upload = { uuid, sizeBytes: 0, storageState: undefined };
    const stored = await receiveChunk(deps, location, upload, body, [hash], { signal, target });
    await finishChunk(deps, blob, stored, { hash, upload: undefined, lengthBytes: body.lengthBytes, target });
  } catch (error) {
    await location.driver.discard(uploadKey(uuid)).catch(() => {}); // the clean-up gets it otherwise
    throw error;
  }
}

/** Ends a session and drops its bytes. @throws {AppError} `upload_unknown`, `upload_invalid` (being written to) */
export async function cancelUpload(deps: UploadDeps, repositoryId: number, uuid: string): Promise<void> {
  await withSession(deps, repositoryId, uuid, undefined, async (upload) => {
    await deleteUpload(deps.sql, upload);
    deps.uploads.hashes.take(uuid, -1, upload.algorithm);
    const { driver } = locationOf(deps.storage, upload.locationName);
    // The clean-up gets it otherwise.
    await driver.discard(uploadKey(uuid), upload.storageState).catch(() => {});
  });
}

/** Leaves no body behind that nobody reads. @throws {AppError} `quota_exceeded` */
async function requireRoomForChunk(deps: UploadDeps, repositoryId: number, body: UploadBody): Promise<void> {
  try {
    await requireRoom(deps, repositoryId, "upload");
  } catch (error) {
    await body.stream?.cancel().catch(() => {});
    throw error;
  }
}
