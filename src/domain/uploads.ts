import type { Hash } from "node:crypto";
import { sizeBytes as parseSize } from "../config/size.ts";
import { lockDigest } from "../drivers/database/queries/blob.ts";
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
} from "../drivers/database/queries/upload.ts";
import { AppError } from "../lib/errors.ts";
import { algorithmOf, blobKey, createHasher, type Digest, type DigestAlgorithm } from "../oci/digest.ts";
import type { Deps } from "./deps.ts";
import { BrokenBody, receiveBody, tooLarge, type UploadBody } from "./upload_body.ts";
import type { UploadWorkspace } from "./upload_workspace.ts";

/*
 * Uploads, from the first byte to a readable blob. The order is the durability:
 *
 *   file uploads/<uuid> written -> fdatasync -> digest verified
 *     -> [transaction: lock digest -> rename to sha256/<2>/<hex>, fsync its directory -> rows] -> 201
 *
 * A crash before the commit leaves no visible blob: at most a file in `uploads/`, or an object without a row, which
 * nobody can read and which the next push of the digest replaces. Clean-ups remove both (`workers/`).
 *
 * Garbage collection must not remove an object between a push's rename and its commit, nor a row that a push or a
 * mount is about to link. Its side of the protocol, one blob at a time:
 *
 *   1. begin; lockDigest(digest): waits for pushes of this digest, and holds off new ones
 *   2. select … from imagestorage where id = … for update: waits for mounts (`for key share`)
 *   3. in a NEW statement (fresh snapshot): still no manifestblob and no live uploadedblob? else commit and leave it
 *   4. delete the rows; driver.remove(object); commit
 *
 * A failed commit in 4 leaves a row without object and without a reader; the next round removes it. That rename and that
 * unlink are the only storage operations made inside transactions: short, and ordered by the lock.
 *
 * One writer a session: the row carries a lease (compare-and-set, renewed while bytes flow), and the filesystem driver
 * adds an flock. The row's byte_count is the durable end; bytes beyond it were never acknowledged and are cut off.
 */

export type UploadDeps = Pick<Deps, "sql" | "config" | "storage" | "metrics"> & {
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
 */
export async function startUpload(
  { sql, storage }: UploadDeps,
  repositoryId: number,
  algorithm: DigestAlgorithm = "sha256",
): Promise<UploadStatus> {
  const uuid = crypto.randomUUID();
  await insertUpload(sql, { uuid, repositoryId, locationName: storage.name, algorithm });
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
 *   `upload_invalid` (another writer, body broke off), `storage_full`, `storage_unavailable`
 */
export async function appendToUpload(
  deps: UploadDeps,
  repositoryId: number,
  uuid: string,
  chunk: UploadChunk,
): Promise<UploadStatus> {
  return await withClaim(deps, repositoryId, uuid, chunk.start, async (upload, signal) => {
    const hash = deps.uploads.hashes.take(uuid, upload.sizeBytes, upload.algorithm) ??
      (upload.sizeBytes === 0 ? createHasher(upload.algorithm) : undefined);
    const stored = await storeChunk(deps, upload, chunk, hash ? [hash] : [], signal);
    if (
      stored.broken === undefined && chunk.lengthBytes !== undefined && stored.received !== chunk.lengthBytes
    ) {
      throw wrongLength(chunk.lengthBytes, stored.received);
    }
    const digestSoFar = hash && digestOfHash(hash, upload.algorithm);
    if (!await saveUpload(deps.sql, upload, { sizeBytes: stored.sizeBytes, digestSoFar })) throw lostLease();
    if (hash) {
      deps.uploads.hashes.put(uuid, { hash, algorithm: upload.algorithm, sizeBytes: stored.sizeBytes });
    }
    if (stored.broken) throw stored.broken;
    return { uuid, sizeBytes: stored.sizeBytes };
  });
}

/**
 * Ends a session with an optional last chunk: verifies the digest of all bytes, stores the blob and links it to the repository.
 * On failure the session stays as it was before this request.
 * @throws {AppError} as {@link appendToUpload}; `digest_invalid` when the bytes do not hash to `digest`
 */
export async function finishUpload(
  deps: UploadDeps,
  repositoryId: number,
  uuid: string,
  digest: Digest,
  chunk: UploadChunk,
): Promise<void> {
  await withClaim(deps, repositoryId, uuid, chunk.start, async (upload, signal) => {
    const algorithm = algorithmOf(digest);
    const before = deps.uploads.hashes.take(uuid, upload.sizeBytes, algorithm);
    const hash = before?.copy() ?? (upload.sizeBytes === 0 ? createHasher(algorithm) : undefined);
    try {
      let sizeBytes = upload.sizeBytes;
      let alreadyMoved = false;
      let received = 0;
      try {
        const stored = await storeChunk(deps, upload, chunk, hash ? [hash] : [], signal);
        if (stored.broken) throw stored.broken;
        ({ sizeBytes, received } = stored);
      } catch (error) {
        // An earlier attempt may have moved the file and then have failed to commit.
        alreadyMoved = error instanceof AppError && error.code === "upload_unknown" &&
          upload.digestSoFar === digest && await isStored(deps, digest, upload.sizeBytes);
        if (!alreadyMoved) throw error;
      }
      if (chunk.lengthBytes !== undefined && received !== chunk.lengthBytes) {
        throw wrongLength(chunk.lengthBytes, received);
      }
      const actual = hash
        ? digestOfHash(hash, algorithm)
        : received === 0 && upload.digestSoFar?.startsWith(`${algorithm}:`)
        ? upload.digestSoFar
        : await hashStored(deps, uuid, algorithm);
      if (actual !== digest) throw wrongDigest(digest, actual);
      const ended = await store(
        deps,
        repositoryId,
        digest,
        sizeBytes,
        alreadyMoved ? undefined : uuid,
        upload,
      );
      if (!ended) throw lostLease();
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
  const uuid = crypto.randomUUID();
  const algorithm = algorithmOf(digest);
  const hash = createHasher(algorithm);
  try {
    const stored = await storeChunk(deps, { uuid, sizeBytes: 0 }, body, [hash], new AbortController().signal);
    if (stored.broken) throw stored.broken;
    if (body.lengthBytes !== undefined && stored.received !== body.lengthBytes) {
      throw wrongLength(body.lengthBytes, stored.received);
    }
    const actual = digestOfHash(hash, algorithm);
    if (actual !== digest) throw wrongDigest(digest, actual);
    await store(deps, repositoryId, digest, stored.sizeBytes, uuid, undefined);
  } catch (error) {
    await deps.storage.driver.remove(uploadKey(uuid)).catch(() => {}); // the clean-up gets it otherwise
    throw error;
  }
}

/** Ends a session and drops its bytes. @throws {AppError} `upload_unknown`, `upload_invalid` (being written to) */
export async function cancelUpload(deps: UploadDeps, repositoryId: number, uuid: string): Promise<void> {
  await withClaim(deps, repositoryId, uuid, undefined, async (upload) => {
    await deleteUpload(deps.sql, upload);
    deps.uploads.hashes.take(uuid, -1, upload.algorithm);
    await deps.storage.driver.remove(uploadKey(uuid)).catch(() => {}); // the clean-up gets it otherwise
  });
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

interface StoredChunk {
  readonly sizeBytes: number;
  readonly received: number;
  /** The body broke off; the counts say what is durable all the same. */
  readonly broken?: AppError;
}

/** Appends a body to the session's file and forces it out. */
async function storeChunk(
  { config, storage, uploads, metrics }: UploadDeps,
  { uuid, sizeBytes }: UploadStatus,
  body: UploadBody,
  hashes: readonly Hash[],
  signal: AbortSignal,
): Promise<StoredChunk> {
  const limitBytes = parseSize(config.MAXIMUM_LAYER_SIZE) - sizeBytes;
  if ((body.lengthBytes ?? 0) > limitBytes) {
    await body.stream?.cancel().catch(() => {});
    throw tooLarge();
  }
  const startMs = performance.now();
  const appender = await storage.driver.append(uploadKey(uuid), sizeBytes);
  /** Forces out what was received. */
  const close = async (received: number) => {
    const durableBytes = await appender.close({ durable: true });
    if (received > 0) {
      metrics.pushedBytes.labels().inc(received);
      metrics.chunkUploadDuration.labels(storage.name).observe((performance.now() - startMs) / 1000);
    }
    return { sizeBytes: durableBytes, received };
  };
  try {
    const sink = { appender, hashes, buffers: uploads.buffers, limitBytes, idleMs: IDLE_MS, signal };
    return await close(await receiveBody(body, sink));
  } catch (error) {
    if (error instanceof BrokenBody) return { ...await close(error.receivedBytes), broken: error.reason };
    await appender.abort();
    throw error;
  }
}

/** Moves verified bytes to their place (if they are not there yet) and makes them visible. @returns false: lease lost */
async function store(
  { sql, config, storage }: UploadDeps,
  repositoryId: number,
  digest: Digest,
  sizeBytes: number,
  uuid: string | undefined,
  upload: ClaimedUpload | undefined,
): Promise<boolean> {
  const keepSeconds = config.PUSH_TEMP_TAG_EXPIRATION_SEC;
  const blob = { repositoryId, digest, sizeBytes, locationName: storage.name, keepSeconds };
  return await sql.begin(async (tx) => {
    await lockDigest(tx, digest);
    if (uuid === undefined && await storage.driver.stat(blobKey(digest)) === undefined) throw unknownUpload();
    // Also over an object that is there already: it costs the same and mends one that has rotted.
    if (uuid !== undefined) await storage.driver.move(uploadKey(uuid), blobKey(digest));
    return await completeUpload(tx, blob, upload);
  });
}

async function isStored({ storage }: UploadDeps, digest: Digest, sizeBytes: number): Promise<boolean> {
  return (await storage.driver.stat(blobKey(digest)))?.sizeBytes === sizeBytes;
}

/** Reads an upload's bytes again: its running hash was lost, or is of the other algorithm. */
async function hashStored(
  { storage }: UploadDeps,
  uuid: string,
  algorithm: DigestAlgorithm,
): Promise<Digest> {
  const hash = createHasher(algorithm);
  for await (const chunk of await storage.driver.read(uploadKey(uuid))) hash.update(chunk);
  return digestOfHash(hash, algorithm);
}

function digestOfHash(hash: Hash, algorithm: DigestAlgorithm): Digest {
  return `${algorithm}:${hash.copy().digest("hex")}` as Digest;
}

const wrongLength = (wanted: number, received: number) =>
  new AppError("size_invalid", "the body is not as long as the request says", { wanted, received });

const wrongDigest = (wanted: Digest, actual: Digest) =>
  new AppError("digest_invalid", "the content does not match the digest", { digest: wanted, actual });
