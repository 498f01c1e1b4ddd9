import type { Hash } from "node:crypto";
import { sizeBytes as parseSize } from "../../config/size.ts";
import type { StorageAppender, StorageLocation } from "../../drivers/storage/driver.ts";
import type { AppError } from "../../lib/errors.ts";
import { BrokenBody, receiveBody, tooLarge, type UploadBody } from "./upload_body.ts";
import { type UploadDeps, uploadKey } from "./upload_session.ts";

const IDLE_MS = 60_000;

/** Bytes that a request brought, in the hands of storage. Exactly one of a successful `close` and `abort` ends it. */
export interface ReceivedChunk extends Pick<StorageAppender, "close" | "abort"> {
  readonly received: number;
  /** The body broke off; what came before is there all the same. */
  readonly broken?: AppError;
}

/** What a session has so far. */
export interface SessionBytes {
  readonly uuid: string;
  /** Bytes that are durable. */
  readonly sizeBytes: number;
  /** What storage wants to see again. */
  readonly storageState: string | undefined;
}

/**
 * Appends a body to the session's bytes, which are durable once the answer is closed so.
 * @param hashes see every byte
 * @param target where storage may put the bytes when it is closed as the last chunk
 * @throws {AppError} `blob_too_large`, `storage_full`, `storage_unavailable`, and what `signal` is aborted with
 */
export async function receiveChunk(
  { config, uploads, metrics }: UploadDeps,
  { name, driver }: StorageLocation,
  { uuid, sizeBytes, storageState }: SessionBytes,
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
