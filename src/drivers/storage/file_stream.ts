import { asStorageError } from "./io_errors.ts";
import { AppError } from "../../lib/errors.ts";

/** One read: `Deno.FsFile.readable` takes 64 KiB at a time and reaches half of this speed. */
const READ_BYTES = 1 << 21;
/** One read while many downloads are open, so that a crowd of slow clients cannot take all memory. */
const CROWDED_READ_BYTES = 1 << 17;
const CROWD = 32;
/** What the server takes at a time. Smaller pieces of a large read let it write while the next read is under way. */
const PIECE_BYTES = 1 << 18;
/** The next read starts when fewer pieces than this are waiting. */
const PIECES_AHEAD = 4;

/** Downloads that are open in one engine. */
export interface OpenStreams {
  count: number;
}

/**
 * `lengthBytes` bytes of `file` from its present position, read ahead by one read. Takes the file over: it is closed at
 * the end, on an error and on cancel (client gone). A file that ends early errors the stream, so that the response
 * breaks off instead of looking complete.
 */
export function streamFile(
  file: Deno.FsFile,
  lengthBytes: number,
  streams: OpenStreams,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = lengthBytes;
  let open = true;
  streams.count++;
  const close = () => {
    if (!open) return;
    open = false;
    streams.count--;
    file.close();
  };
  if (left === 0) close();
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      if (left === 0) controller.close();
    },
    async pull(controller) {
      try {
        const bytes = new Uint8Array(Math.min(streams.count > CROWD ? CROWDED_READ_BYTES : READ_BYTES, left));
        const count = await file.read(bytes);
        if (!open) return; // cancelled meanwhile
        if (count === null) throw new AppError("storage_unavailable", "the stored object ends early");
        left -= count;
        for (let at = 0; at < count; at += PIECE_BYTES) {
          controller.enqueue(bytes.subarray(at, Math.min(at + PIECE_BYTES, count)));
        }
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
  }, { highWaterMark: PIECES_AHEAD });
}
