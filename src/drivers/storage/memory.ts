import { AppError } from "../../lib/errors.ts";
import type { StorageAppender, StorageDriver } from "./driver.ts";
import { checkKey, checkPrefix } from "./keys.ts";

type Bytes = Uint8Array<ArrayBuffer>;
interface StoredObject {
  bytes: Bytes;
  modifiedMs: number;
  writing?: boolean;
}

/** Objects in this process's memory, for tests: the same contract as the real engines, without their durability. */
export function createMemoryDriver({ now = Date.now }: { now?: () => number } = {}): StorageDriver {
  const objects = new Map<string, StoredObject>();

  const driver: StorageDriver = {
    stat: (key) => {
      checkKey(key);
      const found = objects.get(key);
      return Promise.resolve(found && { sizeBytes: found.bytes.length });
    },
    read: (key, offset = 0, length) => {
      checkKey(key);
      const found = objects.get(key);
      if (!found) return Promise.reject(new AppError("blob_unknown", "no such object in storage"));
      const bytes = found.bytes.slice(offset, length === undefined ? undefined : offset + length);
      return Promise.resolve(
        new ReadableStream<Bytes>({
          start(controller) {
            if (bytes.length > 0) controller.enqueue(bytes);
            controller.close();
          },
        }),
      );
    },
    async write(key, body, signal) {
      checkKey(key);
      const parts: Uint8Array[] = [];
      for await (const chunk of body) {
        signal?.throwIfAborted();
        parts.push(chunk.slice());
      }
      signal?.throwIfAborted();
      objects.set(key, { bytes: joinBytes(parts), modifiedMs: now() });
    },
    append: async (key, offset) => {
      checkKey(key);
      return await Promise.resolve(openMemoryAppender(objects, key, offset, now));
    },
    move: (from, to) => {
      checkKey(from);
      checkKey(to);
      const found = objects.get(from);
      if (!found) return Promise.reject(new Deno.errors.NotFound("no such object"));
      objects.delete(from);
      objects.set(to, found);
      return Promise.resolve();
    },
    discard: (key) => driver.remove(key),
    remove: (key) => {
      checkKey(key);
      objects.delete(key);
      return Promise.resolve();
    },
    async *list(prefix) {
      const folder = checkPrefix(prefix);
      for (const [key, { bytes, modifiedMs }] of [...objects]) {
        if (folder === "" || key.startsWith(`${folder}/`)) yield { key, sizeBytes: bytes.length, modifiedMs };
      }
    },
    capacity: () => Promise.resolve(undefined),
    probe: () => Promise.resolve(),
  };
  return driver;
}

function openMemoryAppender(
  objects: Map<string, StoredObject>,
  key: string,
  offset: number,
  now: () => number,
): StorageAppender {
  let found = objects.get(key);
  if (!found && offset === 0) objects.set(key, found = { bytes: new Uint8Array(), modifiedMs: now() });
  if (!found || found.bytes.length < offset) {
    throw new AppError("upload_unknown", "the data of this upload is gone; start it again");
  }
  if (found.writing) throw new AppError("upload_invalid", "another request is writing to this upload");
  const object = found;
  object.writing = true;
  object.bytes = object.bytes.slice(0, offset);
  return {
    write(chunk) {
      object.bytes = joinBytes([object.bytes, chunk]);
      object.modifiedMs = now();
      return Promise.resolve();
    },
    close() {
      object.writing = false;
      return Promise.resolve({ sizeBytes: object.bytes.length, key, state: undefined });
    },
    abort() {
      object.writing = false;
      return Promise.resolve();
    },
  };
}

function joinBytes(parts: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
