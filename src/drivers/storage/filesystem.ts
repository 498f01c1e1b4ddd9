import { statfs } from "node:fs/promises";
import { AppError } from "../../lib/errors.ts";
import type { StorageAppender, StorageDriver } from "./driver.ts";
import { openAppender } from "./file_appender.ts";
import { type OpenStreams, streamFile } from "./file_stream.ts";
import { errnoOf, withStorageErrors } from "./io_errors.ts";
import { checkKey, checkPrefix } from "./keys.ts";

/**
 * Quay's `LocalStorage`: one file a key below `root`, created on first use.
 *
 * Durability: file contents are forced out by `fdatasync` before a rename, the new name by `fsync` of its directory
 * after it, and a new directory by `fsync` of its parent. So when `move` and `write` return, a power cut cannot lose or
 * shorten the object. Half-written objects only ever live under `uploads/`; a name there that a power cut brings back
 * is one more thing for the clean-up.
 */
export function createFilesystemDriver({ root }: { root: string }): StorageDriver {
  // Directories known to exist and to be durable: saves two system calls a blob.
  const madeFolders = new Set<string>();
  const downloads: OpenStreams = { count: 0 };
  const pathOf = (key: string) => {
    checkKey(key);
    return `${root}/${key}`;
  };
  const forget = () => madeFolders.clear();

  /** Creates the folder of `key`, and forces out the names of those that were new. */
  async function makeFolderOf(key: string): Promise<void> {
    const parts = key.split("/").slice(0, -1);
    const folder = parts.join("/");
    if (madeFolders.has(folder)) return;
    let path = root;
    await Deno.mkdir(path, { recursive: true, mode: 0o750 });
    for (const part of parts) {
      const parent = path;
      path = `${path}/${part}`;
      try {
        await Deno.mkdir(path, { mode: 0o750 });
      } catch (error) {
        // Another thread may have made it and not have forced it out yet: sync the parent all the same.
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      }
      await syncFolder(parent);
    }
    madeFolders.add(folder);
  }

  /** Runs `operation`; when a folder has vanished (someone tidied up), makes it again and retries once. */
  async function inFolderOf<T>(key: string, operation: () => Promise<T>): Promise<T> {
    await makeFolderOf(key);
    try {
      return await operation();
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
      forget();
      await makeFolderOf(key);
      return await operation();
    }
  }

  async function move(from: string, to: string): Promise<void> {
    const [source, target] = [pathOf(from), pathOf(to)];
    await withStorageErrors(() => inFolderOf(to, () => Deno.rename(source, target)));
    await withStorageErrors(() => syncFolder(folderOf(target)));
  }

  async function append(key: string, offset: number): Promise<StorageAppender> {
    const path = pathOf(key);
    return await withStorageErrors(() =>
      offset === 0 ? inFolderOf(key, () => openAppender(path, key, 0)) : openAppender(path, key, offset)
    );
  }

  async function write(key: string, body: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    const temporary = `uploads/${crypto.randomUUID()}`;
    checkKey(key);
    const appender = await append(temporary, 0);
    try {
      for await (const chunk of body) {
        signal?.throwIfAborted();
        await appender.write(chunk);
      }
      signal?.throwIfAborted();
      await appender.close({ durable: true });
      await move(temporary, key);
    } catch (error) {
      await appender.abort();
      await remove(temporary).catch(() => {}); // the clean-up worker gets it otherwise
      throw error;
    }
  }

  async function remove(key: string): Promise<void> {
    const path = pathOf(key);
    await withStorageErrors(async () => {
      try {
        await Deno.remove(path);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    });
  }

  async function stat(key: string): Promise<{ sizeBytes: number } | undefined> {
    const path = pathOf(key);
    return await withStorageErrors(async () => {
      try {
        const info = await Deno.stat(path);
        return info.isFile ? { sizeBytes: info.size } : undefined;
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    });
  }

  async function read(key: string, offset = 0, length?: number) {
    const path = pathOf(key);
    return await withStorageErrors(async () => {
      const file = await openForReading(path);
      try {
        const sizeBytes = file.statSync().size; // fstat never waits for the disk
        const start = Math.min(offset, sizeBytes);
        if (start > 0) await file.seek(start, Deno.SeekMode.Start);
        return streamFile(file, Math.min(length ?? Infinity, sizeBytes - start), downloads);
      } catch (error) {
        file.close();
        throw error;
      }
    });
  }

  async function* list(prefix: string) {
    const folder = checkPrefix(prefix);
    yield* walk(folder === "" ? root : `${root}/${folder}`, folder === "" ? "" : `${folder}/`);
  }

  async function capacity() {
    return await withStorageErrors(async () => {
      await Deno.mkdir(root, { recursive: true, mode: 0o750 });
      const info = await statfs(root);
      return { freeBytes: info.bavail * info.bsize, totalBytes: info.blocks * info.bsize };
    });
  }

  async function probe(): Promise<void> {
    const key = `uploads/probe-${crypto.randomUUID()}`;
    const sent = crypto.getRandomValues(new Uint8Array(4096));
    const appender = await append(key, 0);
    try {
      await appender.write(sent);
      await appender.close({ durable: true });
      const got = await withStorageErrors(() => Deno.readFile(pathOf(key)));
      if (!got.every((byte, i) => byte === sent[i]) || got.length !== sent.length) {
        throw new AppError("storage_unavailable", "storage does not return what was written");
      }
    } finally {
      await appender.abort();
      await remove(key).catch(() => {});
    }
  }

  return { stat, read, write, append, discard: remove, move, remove, list, capacity, probe };
}

async function openForReading(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new AppError("blob_unknown", "no such object in storage");
    }
    throw error;
  }
}

async function* walk(
  path: string,
  prefix: string,
): AsyncGenerator<{ key: string; sizeBytes: number; modifiedMs: number }> {
  try {
    for await (const entry of Deno.readDir(path)) {
      if (entry.isDirectory) yield* walk(`${path}/${entry.name}`, `${prefix}${entry.name}/`);
      if (!entry.isFile) continue;
      const info = await Deno.stat(`${path}/${entry.name}`).catch(() => undefined); // may be gone by now
      if (info) {
        yield { key: `${prefix}${entry.name}`, sizeBytes: info.size, modifiedMs: info.mtime?.getTime() ?? 0 };
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Forces the names in a directory out to the disk. */
async function syncFolder(path: string): Promise<void> {
  const folder = await Deno.open(path);
  try {
    await folder.sync();
  } finally {
    folder.close();
  }
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
