import type { PartPool } from "./part_pool.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Most uploads are smaller (configs, signatures) and need no buffer of the pool. */
const SMALL_BYTES = 1 << 18;
/** Parts of one upload that are on their way at once, besides the one that fills. */
const PARTS_AT_ONCE = 3;

export interface PartCollectorOptions {
  readonly pool: PartPool;
  /** Ends the wait for a buffer. */
  readonly signal: AbortSignal;
  /** What is thrown for the failure of a part. */
  readonly asFailure: (error: unknown) => unknown;
}

/** Collects one turn of an upload into parts and lets some of them be on their way: what engines with parts do alike. */
export class PartCollector {
  #small: Bytes | undefined;
  #filling: Bytes | undefined;
  #usedBytes = 0;
  readonly #inFlight = new Set<Promise<void>>();
  #failure: unknown;

  constructor(private readonly options: PartCollectorOptions) {}

  /** Bytes that no part has taken yet. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** @param sendPart is due at each whole part, and takes it with {@link send} */
  async collect(bytes: Uint8Array, sendPart: () => void | Promise<void>): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const buffer = await this.#roomFor(bytes.length - at);
      const part = bytes.subarray(at, at + buffer.length - this.#usedBytes);
      buffer.set(part, this.#usedBytes);
      this.#usedBytes += part.length;
      at += part.length;
      if (this.#usedBytes === this.options.pool.partBytes) await sendPart();
    }
  }

  /** What has been collected; good until more is. */
  used(): Bytes {
    return (this.#filling ?? this.#small ?? new Uint8Array()).subarray(0, this.#usedBytes);
  }

  /** Hands what has been collected to `upload`, in the background. */
  send(upload: (body: Bytes) => Promise<void>): void {
    const buffer = this.#filling;
    const body = this.used();
    this.#filling = undefined;
    this.#small = undefined;
    this.#usedBytes = 0;
    const sending = upload(body).catch((error) => {
      this.#failure ??= this.options.asFailure(error);
    }).finally(() => {
      this.#inFlight.delete(sending);
      if (buffer !== undefined) this.options.pool.give(buffer);
    });
    this.#inFlight.add(sending);
  }

  /** Waits for the parts on their way. @throws what the first that failed failed with */
  async settle(): Promise<void> {
    await Promise.all(this.#inFlight);
    this.throwFailure();
  }

  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Gives the memory back. Parts on their way keep theirs until they have ended. */
  end(): void {
    if (this.#filling !== undefined) this.options.pool.give(this.#filling);
    this.#filling = undefined;
    this.#small = undefined;
  }

  /** Room for at least one byte more; a buffer of the pool once it is no small upload any more. */
  async #roomFor(sizeBytes: number): Promise<Bytes> {
    const { pool, signal } = this.options;
    if (this.#filling !== undefined) return this.#filling;
    if (this.#inFlight.size === 0 && this.#usedBytes + sizeBytes <= SMALL_BYTES) {
      return this.#small ??= new Uint8Array(SMALL_BYTES);
    }
    while (this.#filling === undefined && this.#inFlight.size > 0) {
      if (this.#inFlight.size < PARTS_AT_ONCE) this.#filling = pool.tryTake();
      // One of our own comes back for certain.
      if (this.#filling === undefined) await Promise.race(this.#inFlight);
      this.throwFailure();
    }
    this.#filling ??= await pool.take(signal);
    if (this.#small !== undefined) this.#filling.set(this.#small.subarray(0, this.#usedBytes));
    this.#small = undefined;
    return this.#filling;
  }
}
