import { AppError } from "../../../lib/errors.ts";

/**
 * Memory for parts, bounded for one engine of one thread. An upload that holds a buffer may always wait for another of
 * its own; only the first one can make it wait for others. So nobody waits in a ring.
 */
export class PartPool {
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  readonly #waiting: ((buffer: Uint8Array<ArrayBuffer>) => void)[] = [];
  #out = 0;

  constructor(readonly partBytes: number, private readonly most: number, private readonly waitMs: number) {}

  /** A buffer if one is to be had at once. */
  tryTake(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#out >= this.most || this.#waiting.length > 0) return undefined;
    this.#out++;
    // Fresh memory costs nothing until it is written to: a slow sender holds what it has sent.
    return this.#free.pop() ?? new Uint8Array(this.partBytes);
  }

  /** The first buffer of an upload. @throws {AppError} `storage_unavailable` when too many uploads hold one for too long */
  async take(signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const now = this.tryTake();
    if (now !== undefined) return now;
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
    const giveUp = (error: unknown) => {
      const at = this.#waiting.indexOf(resolve);
      if (at !== -1) this.#waiting.splice(at, 1);
      reject(error);
    };
    this.#waiting.push(resolve);
    const busy = () =>
      giveUp(new AppError("storage_unavailable", "too many uploads are under way; retry later"));
    const timer = setTimeout(busy, this.waitMs);
    const stop = () => giveUp(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    return await promise.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    });
  }

  give(buffer: Uint8Array<ArrayBuffer>): void {
    const next = this.#waiting.shift();
    if (next !== undefined) return next(buffer);
    this.#out--;
    if (this.#free.length < this.most / 2) this.#free.push(buffer);
  }

  /** Buffers in use now. */
  get out(): number {
    return this.#out;
  }
}
