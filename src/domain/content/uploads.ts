import type { Hash } from "node:crypto";
import { sizeBytes as parseSize } from "../../config/size.ts";
import {
  type ClaimedUpload,
  claimUpload,
  completeUpload,
  deleteUpload,
  insertUpload,
  releaseUpload,
  renewLease,
  saveUpload,
  selectUpload,
} from "../../drivers/database/queries/upload.ts";
import type { Appended, StorageAppender, StorageLocation } from "../../drivers/storage/driver.ts";
import { AppError } from "../../lib/errors.ts";
import { algorithmOf, blobKey, createHasher, type Digest, type DigestAlgorithm } from "../../oci/digest.ts";
import type { Deps } from "../deps.ts";
import { type HeldClaim, lostClaim, withDigestClaim } from "./digest_claim.ts";
import { locationOf, replicationRetries, writableLocation } from "../storage/locations.ts";
import { requireRoom } from "../quota/enforcement.ts";
import { BrokenBody, receiveBody, tooLarge, type UploadBody } from "./upload_body.ts";
import type { UploadWorkspace } from "./upload_workspace.ts";

/*
 * Uploads, from the first byte to a readable blob. The order is the durability:
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
 *
 * One writer a session: the row carries a lease (compare-and-set, renewed while bytes flow), and the filesystem driver
 * adds an flock. The row's byte_count is the durable end; bytes beyond it were never acknowledged and are cut off.
 */

export type UploadDeps = Pick<Deps, "sql" | "config" | "storage" | "metrics" | "now"> & {
  readonly uploads: UploadWorkspace;
};

export interface UploadStatus {
  readonly uuid: string;
  /** Bytes that are durable. */
  readonly sizeBytes: number;
}

/** A chunk: where the client says that it starts (`undefined`: at the end of what is there), and its bytes. */
export interface UploadChunk extends UploadBody {
  readonly start: number | undefined;
}

const LEASE_SECONDS = 60;
const RENEW_MS = 20_000;
const IDLE_MS = 60_000;
/** The server may notice late that a connection has dropped; a client that resumes at once is made to wait for so long. */
const CLAIM_ATTEMPTS = 8;
const CLAIM_WAIT_MS = 250;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const uploadKey = (uuid: string) => `uploads/${uuid}`;
const unknownUpload = () => new AppError("upload_unknown", "there is no such upload in this repository");
const lostLease = () => new AppError("upload_invalid", "another request has taken this upload over");

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
  const upload = UUID.test(uuid) ? await selectUpload(sql, repositoryId, uuid) : undefined;
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
  return await withClaim(deps, repositoryId, uuid, chunk.start, async (upload, signal) => {
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
  await withClaim(deps, repositoryId, uuid, chunk.start, async (upload, signal) => {
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
          await commit(deps, blob, upload.sizeBytes, upload, claim);
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
  await withClaim(deps, repositoryId, uuid, undefined, async (upload) => {
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

/** Runs `work` as the session's only writer. `work` ends the claim itself when it succeeds; a failure gives it back. */
async function withClaim<T>(
  deps: UploadDeps,
  repositoryId: number,
  uuid: string,
  start: number | undefined,
  work: (upload: ClaimedUpload, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const upload = await claim(deps, repositoryId, uuid, start);
  const lost = new AbortController();
  const renew = setInterval(() => {
    renewLease(deps.sql, upload, LEASE_SECONDS).then((kept) => kept || lost.abort(lostLease()), () => {
      // The database is away for the moment: the lease may live on, and the final statement checks it.
    });
  }, RENEW_MS);
  try {
    return await work(upload, lost.signal);
  } catch (error) {
    await releaseUpload(deps.sql, upload).catch(() => {}); // the lease runs out by itself
    throw error;
  } finally {
    clearInterval(renew);
  }
}

async function claim(
  { sql }: UploadDeps,
  repositoryId: number,
  uuid: string,
  offset: number | undefined,
): Promise<ClaimedUpload> {
  if (!UUID.test(uuid)) throw unknownUpload();
  const lease = crypto.randomUUID();
  for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt++) {
    const claimed = await claimUpload(sql, {
      repositoryId,
      uuid,
      offset,
      lease,
      leaseSeconds: LEASE_SECONDS,
    });
    if (claimed) return claimed;
    const found = await selectUpload(sql, repositoryId, uuid);
    if (!found) throw unknownUpload();
    if (!found.busy && offset !== undefined && found.sizeBytes !== offset) {
      throw new AppError("range_invalid", "the chunk does not start where the upload ends", {
        expected: found.sizeBytes,
      });
    }
    if (found.busy) await new Promise((resolve) => setTimeout(resolve, CLAIM_WAIT_MS));
  }
  throw new AppError("upload_invalid", "another request is writing to this upload");
}

/** Bytes that a request brought, in the hands of storage. Exactly one of a successful `close` and `abort` ends it. */
interface ReceivedChunk extends Pick<StorageAppender, "close" | "abort"> {
  readonly received: number;
  /** The body broke off; what came before is there all the same. */
  readonly broken?: AppError;
}

/** Appends a body to the session's bytes. */
async function receiveChunk(
  { config, uploads, metrics }: UploadDeps,
  { name, driver }: StorageLocation,
  { uuid, sizeBytes, storageState }: UploadStatus & { readonly storageState: string | undefined },
  body: UploadBody,
  hashes: readonly Hash[],
  { signal, target }: { signal: AbortSignal; target?: string | undefined },
): Promise<ReceivedChunk> {
  const limitBytes = parseSize(config.MAXIMUM_LAYER_SIZE) - sizeBytes;
  if ((body.lengthBytes ?? 0) > limitBytes) {
    await body.stream?.cancel().catch(() => {});
    throw tooLarge();
  }
  const startMs = performance.now();
  const appender = await driver.append(uploadKey(uuid), sizeBytes, { state: storageState, target });
  let received: number;
  let broken: AppError | undefined;
  try {
    const sink = { appender, hashes, buffers: uploads.buffers, limitBytes, idleMs: IDLE_MS, signal };
    received = await receiveBody(body, sink);
  } catch (error) {
    if (!(error instanceof BrokenBody)) {
      await appender.abort();
      throw error;
    }
    received = error.receivedBytes;
    broken = error.reason;
  }
  return {
    received,
    ...(broken && { broken }),
    abort: () => appender.abort(),
    async close(options) {
      try {
        const appended = await appender.close(options);
        if (received > 0) {
          metrics.pushedBytes.labels().inc(received);
          metrics.chunkUploadDuration.labels(name).observe((performance.now() - startMs) / 1000);
        }
        return appended;
      } catch (error) {
        await appender.abort();
        throw error;
      }
    },
  };
}

/** A blob on its way to its place. */
interface NewBlob {
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
async function finishChunk(
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
      await commit(deps, blob, whole.sizeBytes, upload, claim);
    });
  } catch (error) {
    await chunk.abort(); // the claim was not to be had; else it has ended already
    throw error;
  }
}

/** Makes what is in its place visible, and ends the session and the claim. @throws {AppError} when one of them was lost */
async function commit(
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

async function isStored({ location, digest }: NewBlob, sizeBytes: number): Promise<boolean> {
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

function digestOfHash(hash: Hash, algorithm: DigestAlgorithm): Digest {
  return `${algorithm}:${hash.copy().digest("hex")}` as Digest;
}

const wrongLength = (wanted: number, received: number) =>
  new AppError("size_invalid", "the body is not as long as the request says", { wanted, received });

const wrongDigest = (wanted: Digest, actual: Digest) =>
  new AppError("digest_invalid", "the content does not match the digest", { digest: wanted, actual });
