import { asStorageError } from "./io_errors.ts";
import { AppError } from "../../lib/errors.ts";

/** Largest chunk of a download: `Deno.FsFile.readable` uses 64 KiB and reaches a third of this speed. */
const CHUNK_BYTES = 1 << 20;

/**
 * `lengthBytes` bytes of `file` from its present position. Takes the file over: it is closed at the end, on an
 * error and on cancel (client gone). A file that ends early errors the stream, so that the response breaks off
 * instead of looking complete.
 */
export function streamFile(file: Deno.FsFile, lengthBytes: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = lengthBytes;
  let open = true;
  const close = () => {
    if (open) file.close();
    open = false;
  };
  if (left === 0) close();
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      if (left === 0) controller.close();
    },
    async pull(controller) {
      try {
        const chunk = new Uint8Array(Math.min(CHUNK_BYTES, left));
        const count = await file.read(chunk);
        if (!open) return; // cancelled meanwhile
        if (count === null) throw new AppError("storage_unavailable", "the stored object ends early");
        left -= count;
        controller.enqueue(count === chunk.length ? chunk : chunk.subarray(0, count));
        if (left === 0) {
          close();
          controller.close();
        }
      } catch (error) {
        if (!open) return;
        close();
        throw asStorageError(error);
      }
    },
    cancel: close,
  }, { highWaterMark: 0 });
}
