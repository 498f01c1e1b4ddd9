import { AppError } from "../../../lib/errors.ts";
import type { S3Client } from "./client.ts";
import { connectionWords } from "../connection_errors.ts";
import { asStorageError, isRefusal } from "./errors.ts";
import { headerOf, type WireAnswer } from "../transport.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Goes on after a break, as long as answers bring something worth another request. */
const FRUITLESS_TRIES = 3;
const FRUIT_BYTES = 1 << 18;

/**
 * Bytes `[offset, offset + length)` of an object. When the answer breaks off, or ends early, the rest is asked for: the
 * same object by its ETag. Cancelling (client gone) ends the store's answer too.
 * @throws {AppError} `blob_unknown`, `storage_unavailable`
 */
export async function streamObject(
  client: S3Client,
  key: string,
  offset: number,
  length: number | undefined,
  signal?: AbortSignal,
): Promise<ReadableStream<Bytes>> {
  if (length === 0) return emptyStream();
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]);
  const open = async (from: number, etag: string | undefined): Promise<WireAnswer> => {
    const end = length === undefined ? "" : offset + length - 1;
    const ranged = from > 0 || length !== undefined;
    const answer = await client.send({
      method: "GET",
      key,
      headers: {
        ...(ranged && { range: `bytes=${from}-${end}` }),
        ...(etag !== undefined && { "if-match": etag }),
      },
      signal: either,
    });
    // Whoever ignores the range would give us other bytes for ours.
    if (ranged && answer.status !== 206 && from > 0) {
      answer.body.destroy();
      throw new AppError("storage_unavailable", "storage cannot be used now; retry later", {}, {
        cause: new Error(`${client.host} answers a range with status ${answer.status}`),
      });
    }
    return answer;
  };
  let first: WireAnswer;
  try {
    first = await open(offset, undefined);
  } catch (error) {
    if (isRefusal(error, "NoSuchKey")) throw new AppError("blob_unknown", "no such object in storage");
    // Beyond the end there is nothing; the filesystem says so too.
    if (isRefusal(error, "InvalidRange")) return emptyStream();
    throw error;
  }
  const etag = headerOf(first, "etag");
  const expected = Number(headerOf(first, "content-length") ?? NaN);
  const wantedBytes = first.status === 206 || length === undefined ? expected : Math.min(length, expected);

  let reader: AsyncIterator<Uint8Array> = first.body[Symbol.asyncIterator]();
  let sentBytes = 0;
  let fruitless = 0;
  let openedAt = 0;
  const goOn = async (cause: unknown): Promise<void> => {
    fruitless = sentBytes - openedAt >= FRUIT_BYTES ? 1 : fruitless + 1;
    openedAt = sentBytes;
    if (fruitless > FRUITLESS_TRIES || either.aborted) {
      throw asStorageError(new Error(connectionWords(client.host, cause), { cause }));
    }
    reader = (await open(offset + sentBytes, etag)).body[Symbol.asyncIterator]();
  };
  return new ReadableStream<Bytes>({
    async pull(controller) {
      while (true) {
        let next: IteratorResult<Uint8Array>;
        try {
          next = await reader.next();
        } catch (error) {
          if (either.aborted) throw either.reason;
          await goOn(error);
          continue;
        }
        if (!next.done && next.value.length === 0) continue;
        if (!next.done) {
          const left = Number.isNaN(wantedBytes) ? next.value.length : wantedBytes - sentBytes;
          const bytes = next.value.subarray(0, left) as Bytes;
          sentBytes += bytes.length;
          if (bytes.length > 0) controller.enqueue(bytes);
          if (sentBytes !== wantedBytes) return;
          // Read to the end, so that the connection can be used again.
          if ((await reader.next().catch(() => ({ done: true }))).done !== true) stop.abort();
          return controller.close();
        }
        if (Number.isNaN(wantedBytes) || sentBytes >= wantedBytes) return controller.close();
        await goOn(new Error("the answer ends early"));
      }
    },
    cancel() {
      stop.abort(new Error("nobody reads any more"));
    },
  }, { highWaterMark: 0 });
}

function emptyStream(): ReadableStream<Bytes> {
  return new ReadableStream<Bytes>({ start: (controller) => controller.close() });
}
