import { AppError } from "../../lib/errors.ts";
import type { StorageAppender } from "./driver.ts";
import { EarlyFlush } from "./early_flush.ts";
import { withStorageErrors } from "./io_errors.ts";

/**
 * Opens the file for writing from `offset`, dropping what lies beyond, under an exclusive `flock`: even when an
 * upload's lease in the database was lost, two threads of this machine cannot write into one file.
 * @throws {AppError} `upload_unknown` when fewer than `offset` bytes are there; `upload_invalid` when another
 * writer has it open
 */
export async function openAppender(path: string, key: string, offset: number): Promise<StorageAppender> {
  const file = await openExisting(path, offset);
  const early = new EarlyFlush(path);
  let sizeBytes = offset;
  let open = true;
  const close = () => {
    if (open) file.close();
    open = false;
  };
  try {
    if (!await file.tryLock(true)) {
      throw new AppError("upload_invalid", "another request is writing to this upload");
    }
    const presentBytes = (await file.stat()).size;
    if (presentBytes < offset) throw uploadLost();
    if (presentBytes > offset) await file.truncate(offset);
    if (offset > 0) await file.seek(offset, Deno.SeekMode.Start);
  } catch (error) {
    close();
    throw error;
  }
  const abort = async () => {
    await early.end();
    if (!open) return;
    // Nobody was promised these bytes, and on a full disk they are what keeps it full.
    await file.truncate(offset).catch(() => {});
    close();
  };
  return {
    async write(chunk) {
      await withStorageErrors(async () => {
        for (let done = 0; done < chunk.length;) done += await file.write(chunk.subarray(done));
      });
      sizeBytes += chunk.length;
      early.wrote(chunk.length);
    },
    async close({ durable }) {
      try {
        await early.end();
        if (durable) await withStorageErrors(() => file.syncData());
      } catch (error) {
        await abort();
        throw error;
      }
      close();
      return { sizeBytes, key, state: undefined };
    },
    abort,
  };
}

async function openExisting(path: string, offset: number): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { write: true, create: offset === 0, mode: 0o640 });
  } catch (error) {
    if (offset > 0 && error instanceof Deno.errors.NotFound) throw uploadLost();
    throw error;
  }
}

function uploadLost(): AppError {
  return new AppError("upload_unknown", "the data of this upload is gone; start it again");
}
