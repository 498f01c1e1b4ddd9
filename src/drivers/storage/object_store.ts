/** What drivers of object stores do alike. */
import { AppError } from "../../lib/errors.ts";
import type { Appended, StorageAppender } from "./driver.ts";

/** What is told of the uploads under way: Quay counts them. */
export interface UploadEvents {
  started(): void;
  completed(): void;
}

/** All of `body` as one object; when that fails the appender is ended. @returns what its end tells */
export async function appendWhole(
  appender: StorageAppender,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<Appended> {
  try {
    for await (const chunk of body) {
      signal?.throwIfAborted();
      await appender.write(chunk);
    }
    signal?.throwIfAborted();
    return await appender.close({ durable: true, last: true });
  } catch (error) {
    await appender.abort();
    throw error;
  }
}

export interface ProbedStore {
  put(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<unknown>;
  read(key: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  remove(key: string): Promise<unknown>;
}

/** Writes a small object, reads it back and removes it. @throws {AppError} `storage_unavailable`; what the store throws */
export async function probeStore(store: ProbedStore): Promise<void> {
  const key = `uploads/probe-${crypto.randomUUID()}`;
  const sent = crypto.getRandomValues(new Uint8Array(4096));
  await store.put(key, sent);
  try {
    const got = new Uint8Array(await new Response(await store.read(key)).arrayBuffer());
    if (got.length !== sent.length || !got.every((byte, i) => byte === sent[i])) {
      throw new AppError("storage_unavailable", "storage does not return what was written");
    }
  } finally {
    await store.remove(key).catch(() => {}); // the clean-up gets it otherwise
  }
}
