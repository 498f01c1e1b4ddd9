import type { Hash } from "node:crypto";
import type { DigestAlgorithm } from "../../oci/digest.ts";

const BUFFER_BYTES = 1 << 19;
/** Buffers handed out at once: 32 parallel uploads at worst write their last chunks unbuffered. */
const BUFFERS_MAX = 32;
/** Buffers kept for the next upload; the rest go back to the system. */
const BUFFERS_KEPT = 16;
/** Sessions whose hash is remembered between two requests. A forgotten one costs a read of its bytes at the end. */
const HASHES_MAX = 1000;

/**
 * Memory for upload bodies, bounded for the whole thread. When it is used up `take` gives nothing and the caller writes
 * straight through: slower, but nobody waits for a slow client's buffer.
 */
export class BufferPool {
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  #out = 0;

  take(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#out >= BUFFERS_MAX) return undefined;
    this.#out++;
    return this.#free.pop() ?? new Uint8Array(BUFFER_BYTES);
  }

  give(buffer: Uint8Array<ArrayBuffer>): void {
    this.#out--;
    if (this.#free.length < BUFFERS_KEPT) this.#free.push(buffer);
  }

  /** Buffers in use now. */
  get out(): number {
    return this.#out;
  }
}

/** The running hash of a session's first `sizeBytes` bytes. */
export interface RunningHash {
  readonly hash: Hash;
  readonly algorithm: DigestAlgorithm;
  readonly sizeBytes: number;
}

/** Running hashes of the sessions that this thread wrote to last. The row's size decides whether one still holds. */
export class HashCache {
  readonly #byUuid = new Map<string, RunningHash>();

  /** Removes and returns the hash of exactly the first `sizeBytes` bytes. */
  take(uuid: string, sizeBytes: number, algorithm: DigestAlgorithm): Hash | undefined {
    const found = this.#byUuid.get(uuid);
    this.#byUuid.delete(uuid);
    return found?.sizeBytes === sizeBytes && found.algorithm === algorithm ? found.hash : undefined;
  }

  put(uuid: string, running: RunningHash): void {
    this.#byUuid.delete(uuid);
    this.#byUuid.set(uuid, running);
    if (this.#byUuid.size > HASHES_MAX) {
      const [oldest] = this.#byUuid.keys();
      if (oldest !== undefined) this.#byUuid.delete(oldest);
    }
  }
}

/** What uploads keep in memory: one for each HTTP worker thread. Losing it loses speed only. */
export interface UploadWorkspace {
  readonly buffers: BufferPool;
  readonly hashes: HashCache;
}

export function createUploadWorkspace(): UploadWorkspace {
  return { buffers: new BufferPool(), hashes: new HashCache() };
}
