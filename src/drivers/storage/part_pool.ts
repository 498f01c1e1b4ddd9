import { AppError } from "../../lib/errors.ts";

/** For all threads of a node together: what is left of 500 MB when the rest of the appliance has its share. */
const MEMORY_BYTES = 64 << 20;
/** Many slow senders, each with a part that fills for minutes, may take so much more: else nobody else could push. */
const SLOW_FACTOR = 4;
const PATIENCE_MS = 3_000;
/** How long an upload may wait for others to end. */
const WAIT_MS = 60_000;
/** Memory is given back after so long without an upload. */
const IDLE_MS = 10_000;

export interface PartPoolOptions {
  readonly partBytes: number;
  /** Buffers in use at once when they come back soon. */
  readonly most: number;
  /** Buffers in use at once when slow senders sit on them. */
  readonly mostSlow: number;
  /** An upload that has waited so long for its first buffer gets one of those. */
  readonly patienceMs: number;
  /** An upload that has waited so long is refused. */
  readonly waitMs: number;
}

/**
 * Memory for parts, bounded for one engine of one thread. An upload that holds a buffer may always wait for another of
 * its own; only the first one can make it wait for others. So nobody waits in a ring.
 */
export class PartPool {
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  readonly #waiting: ((buffer: Uint8Array<ArrayBuffer>) => void)[] = [];
  #out = 0;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: PartPoolOptions) {}

  get partBytes(): number {
    return this.options.partBytes;
  }

  /** A buffer if one is to be had at once. */
  tryTake(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#out >= this.options.most || this.#waiting.length > 0) return undefined;
    return this.#takeNew();
  }

  /** The first buffer of an upload. @throws {AppError} `storage_unavailable` when too many uploads hold one for too long */
  async take(signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const now = this.tryTake();
    if (now !== undefined) return now;
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
    const leave = () => {
      const at = this.#waiting.indexOf(resolve);
      if (at !== -1) this.#waiting.splice(at, 1);
      return at !== -1;
    };
    const giveUp = (error: unknown) => leave() && reject(error);
    this.#waiting.push(resolve);
    const patience = setTimeout(() => {
      if (this.#out < this.options.mostSlow && leave()) resolve(this.#takeNew());
    }, this.options.patienceMs);
    const busy = new AppError("storage_unavailable", "too many uploads are under way; retry later");
    const timer = setTimeout(() => giveUp(busy), this.options.waitMs);
    const stop = () => giveUp(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    return await promise.finally(() => {
      clearTimeout(patience);
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    });
  }

  give(buffer: Uint8Array<ArrayBuffer>): void {
    const next = this.#waiting.shift();
    if (next !== undefined) return next(buffer);
    this.#out--;
    // Kept while there is work: what is let go is garbage for a while, and new memory is taken beside it.
    if (this.#out < this.options.most) this.#free.push(buffer);
    clearTimeout(this.#idle);
    if (this.#out === 0) {
      this.#idle = setTimeout(() => this.close(), IDLE_MS);
      this.#idle.unref();
    }
  }

  /** Lets go of what is kept. */
  close(): void {
    clearTimeout(this.#idle);
    this.#free.length = 0;
  }

  /** Buffers in use now. */
  get out(): number {
    return this.#out;
  }

  #takeNew(): Uint8Array<ArrayBuffer> {
    this.#out++;
    // Fresh memory costs nothing until it is written to: a slow sender holds what it has sent.
    return this.#free.pop() ?? new Uint8Array(this.partBytes);
  }
}

/** Memory for one engine of one thread. */
export function poolFor(partBytes: number): PartPool {
  const threads = Math.min(4, navigator.hardwareConcurrency);
  const most = Math.max(2, Math.floor(MEMORY_BYTES / threads / partBytes));
  const mostSlow = SLOW_FACTOR * most;
  return new PartPool({ partBytes, most, mostSlow, patienceMs: PATIENCE_MS, waitMs: WAIT_MS });
}
