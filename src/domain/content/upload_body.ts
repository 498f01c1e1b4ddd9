import type { Hash } from "node:crypto";
import type { StorageAppender } from "../../drivers/storage/driver.ts";
import { AppError } from "../../lib/errors.ts";
import type { BufferPool } from "./upload_workspace.ts";

const READ_BYTES = 1 << 17;

/** A request body on its way into an upload. */
export interface UploadBody {
  readonly stream: ReadableStream<Uint8Array> | null;
  /** What `Content-Length` or `Content-Range` promises. */
  readonly lengthBytes: number | undefined;
  /** It comes without `Content-Length`, piece by piece (RFC 9112 §7.1). */
  readonly isChunked?: boolean;
}

/** The sender failed, not storage: what arrived before is good and may be kept. */
export class BrokenBody extends Error {
  constructor(readonly reason: AppError, readonly receivedBytes: number) {
    super(reason.message, { cause: reason.cause });
  }
}

export interface BodySink {
  readonly appender: StorageAppender;
  /** Hashes to feed, in step with what is written. */
  readonly hashes: readonly Hash[];
  readonly buffers: BufferPool;
  /** Bytes that may still come. @throws {AppError} `blob_too_large` beyond */
  readonly limitBytes: number;
  /** A sender that is silent for so long is given up. */
  readonly idleMs: number;
  /** Aborted when the session's lease is lost. */
  readonly signal: AbortSignal;
}

/**
 * Moves a body into storage: each network chunk (about 64 KiB) is hashed as it comes and collected into a buffer of 512 KiB;
 * one buffer is written while the next one fills. When it returns or throws {@link BrokenBody}, all that
 * was received has been handed to the appender.
 * @returns bytes received
 */
export async function receiveBody(body: UploadBody, sink: BodySink): Promise<number> {
  if (body.stream === null) return 0;
  const reader = openReader(body.stream, body.isChunked ?? false);
  const writer = sink.appender.collects ? undefined : new BufferedWriter(sink.appender, sink.buffers);
  let receivedBytes = 0;
  let seenBytes = 0;
  let idle = false;
  const watch = setInterval(() => {
    if (receivedBytes !== seenBytes) seenBytes = receivedBytes;
    else {
      idle = true;
      reader.cancel().catch(() => {});
    }
  }, sink.idleMs);
  const stop = () => void reader.cancel().catch(() => {});
  sink.signal.addEventListener("abort", stop, { once: true });
  try {
    while (true) {
      const chunk = await nextChunk(reader, receivedBytes);
      if (sink.signal.aborted) throw sink.signal.reason;
      if (idle) throw new BrokenBody(invalid("the sender was silent for too long"), receivedBytes);
      if (chunk === undefined) break;
      if (receivedBytes + chunk.length > sink.limitBytes) throw tooLarge();
      for (const hash of sink.hashes) hash.update(chunk);
      receivedBytes += chunk.length;
      await (writer ?? sink.appender).write(chunk);
    }
    await writer?.flush();
    return receivedBytes;
  } catch (error) {
    if (error instanceof BrokenBody) await writer?.flush();
    // The connection is of no use with an unread body in it.
    else await reader.cancel().catch(() => {});
    throw error;
  } finally {
    clearInterval(watch);
    sink.signal.removeEventListener("abort", stop);
    await writer?.dispose();
  }
}

async function nextChunk(reader: BodyReader, receivedBytes: number): Promise<Uint8Array | undefined> {
  try {
    return await reader.read();
  } catch (error) {
    const reason = new AppError("upload_invalid", "the request body broke off", {}, { cause: error });
    throw new BrokenBody(reason, receivedBytes);
  }
}

interface BodyReader {
  /** The next bytes, good until the next call; `undefined` at the end. */
  read(): Promise<Uint8Array | undefined>;
  cancel(): Promise<void>;
}

/**
 * Reads into one piece of memory over and over where the stream can do that, as a request's body can: a new one each time would
 * be garbage that piles up faster than it is collected, a hundred megabytes of it under many uploads. Not for chunked bodies,
 * which podman sends: read like that, Deno 2.9.6 moves all that waits with each read (13 MB/s instead of 400).
 */
function openReader(stream: ReadableStream<Uint8Array>, isChunked: boolean): BodyReader {
  const byob = isChunked ? undefined : byobReader(stream);
  if (byob === undefined) {
    const reader = stream.getReader();
    return { read: async () => (await reader.read()).value, cancel: () => reader.cancel() };
  }
  let memory = new ArrayBuffer(READ_BYTES);
  return {
    async read() {
      const { value, done } = await byob.read(new Uint8Array(memory));
      if (value !== undefined) memory = value.buffer;
      return done ? undefined : value;
    },
    cancel: () => byob.cancel(),
  };
}

function byobReader(stream: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | undefined {
  try {
    return stream.getReader({ mode: "byob" });
  } catch (error) {
    if (error instanceof TypeError && !stream.locked) return undefined;
    throw error;
  }
}

/** Writes in large pieces, one of them in flight at a time. */
export class BufferedWriter {
  #filling: Uint8Array<ArrayBuffer> | undefined;
  #usedBytes = 0;
  #inFlight: Promise<void> = Promise.resolve();

  constructor(readonly appender: StorageAppender, readonly buffers: BufferPool) {}

  async write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      this.#filling ??= this.buffers.take();
      if (this.#filling === undefined) {
        await this.#inFlight;
        return await this.appender.write(chunk.subarray(at));
      }
      const part = chunk.subarray(at, at + this.#filling.length - this.#usedBytes);
      this.#filling.set(part, this.#usedBytes);
      this.#usedBytes += part.length;
      at += part.length;
      if (this.#usedBytes === this.#filling.length) await this.#send();
    }
  }

  /** Waits for the piece in flight and sends the filled one. */
  async #send(): Promise<void> {
    await this.#inFlight;
    const full = this.#filling;
    if (full === undefined) return;
    const bytes = full.subarray(0, this.#usedBytes);
    this.#filling = undefined;
    this.#usedBytes = 0;
    this.#inFlight = this.appender.write(bytes).finally(() => this.buffers.give(full));
    this.#inFlight.catch(() => {}); // whoever awaits it next gets the failure
  }

  async flush(): Promise<void> {
    await this.#send();
    await this.#inFlight;
  }

  /** Gives the memory back, once nobody writes from it any more. */
  async dispose(): Promise<void> {
    await this.#inFlight.catch(() => {});
    if (this.#filling) this.buffers.give(this.#filling);
    this.#filling = undefined;
  }
}

const invalid = (message: string) => new AppError("upload_invalid", message);

export function tooLarge(): AppError {
  return new AppError("blob_too_large", "the blob is larger than this registry accepts");
}
