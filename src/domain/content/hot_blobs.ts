import { ByteCache } from "../../lib/byte_cache.ts";
import { AppError } from "../../lib/errors.ts";
import { algorithmOf, createHasher, type Digest } from "../../oci/digest.ts";
import type { ByteRange } from "../../oci/range.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const CACHE_BYTES = 16 << 20;
/** Larger blobs gain little: opening the file is a small part of sending them. */
export const HOT_MAX_BYTES = 1 << 20;
/** Digests of which one read is remembered, to tell what is asked for again. */
const SEEN_MOST = 10_000;
/** The server copies a body of one piece once more, and takes about as much as this at a time. */
const PIECE_BYTES = 1 << 16;

/**
 * Bytes of small blobs that are pulled again and again (configs, small layers), kept by digest for one thread. Whether a
 * caller may have them is asked before, each time. They are kept from the second pull on, and only when they hash to
 * their digest, so that a rotten object is not served from here after a push has mended it.
 */
export class HotBlobs {
  readonly #bytes = new ByteCache<Digest>(CACHE_BYTES);
  readonly #seen = new Set<Digest>();
  readonly #filling = new Map<Digest, Promise<Bytes>>();

  /**
   * @param read all bytes of the stored object
   * @returns `undefined` for a blob that is not kept: the caller reads it from storage
   * @throws {AppError} what `read` throws; `storage_unavailable` when the object has another size
   */
  async open(
    blob: { readonly digest: Digest; readonly sizeBytes: number },
    { start, lengthBytes }: ByteRange,
    read: () => Promise<ReadableStream<Bytes>>,
  ): Promise<ReadableStream<Bytes> | undefined> {
    const { digest, sizeBytes } = blob;
    if (sizeBytes > HOT_MAX_BYTES) return undefined;
    let bytes = this.#bytes.get(digest);
    if (bytes === undefined) {
      if (!this.#seenBefore(digest)) return undefined;
      bytes = await this.#fill(digest, sizeBytes, read);
    }
    return streamOf(bytes.subarray(start, start + lengthBytes));
  }

  /** One read for all who wait for the same blob. */
  #fill(digest: Digest, sizeBytes: number, read: () => Promise<ReadableStream<Bytes>>): Promise<Bytes> {
    let filling = this.#filling.get(digest);
    if (filling === undefined) {
      filling = readWhole(sizeBytes, read).then((bytes) => {
        const algorithm = algorithmOf(digest);
        const actual = `${algorithm}:${createHasher(algorithm).update(bytes).digest("hex")}`;
        if (actual === digest) this.#bytes.set(digest, bytes);
        return bytes; // rotten: the client finds out as from any other read
      }).finally(() => this.#filling.delete(digest));
      this.#filling.set(digest, filling);
    }
    return filling;
  }

  #seenBefore(digest: Digest): boolean {
    if (this.#seen.has(digest)) return true;
    if (this.#seen.size >= SEEN_MOST) this.#seen.clear();
    this.#seen.add(digest);
    return false;
  }
}

async function readWhole(sizeBytes: number, read: () => Promise<ReadableStream<Bytes>>): Promise<Bytes> {
  const bytes = new Uint8Array(sizeBytes);
  let at = 0;
  for await (const chunk of await read()) {
    if (at + chunk.length > sizeBytes) throw wrongSize();
    bytes.set(chunk, at);
    at += chunk.length;
  }
  if (at !== sizeBytes) throw wrongSize();
  return bytes;
}

const wrongSize = () => new AppError("storage_unavailable", "the stored object is not as long as it was");

function streamOf(bytes: Bytes): ReadableStream<Bytes> {
  let at = 0;
  return new ReadableStream<Bytes>({
    pull(controller) {
      if (at < bytes.length) controller.enqueue(bytes.subarray(at, at += PIECE_BYTES));
      if (at >= bytes.length) controller.close();
    },
  }, { highWaterMark: 0 });
}
