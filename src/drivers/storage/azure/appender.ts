import { Buffer } from "node:buffer";
import type { BlockBlobClient } from "@azure/storage-blob";
import { AppError } from "../../../lib/errors.ts";
import type { Appended, StorageAppender } from "../driver.ts";
import type { PartPool } from "../part_pool.ts";
import type { UploadEvents } from "../s3/multipart.ts";
import { codeOf } from "./errors.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Most uploads are smaller (configs, signatures) and need no buffer of the pool. */
const SMALL_BYTES = 1 << 18;
const BLOCKS_AT_ONCE = 3;
const MOST_BLOCKS = 50_000;

/**
 * What one turn of an upload leaves to the next, kept by the caller as text: names of blocks, in order, that were sent and
 * belong to no blob yet. Azure forgets those after a week. Blocks may be of any size, so nothing else is kept.
 */
export interface BlockState {
  readonly blocks: readonly string[];
  readonly sizeBytes: number;
}

export interface AzureAppenderOptions {
  readonly blobOf: (key: string) => BlockBlobClient;
  readonly pool: PartPool;
  readonly events: UploadEvents;
  readonly key: string;
  readonly state: BlockState;
  readonly target: string | undefined;
  /** Turns the SDK's failure into what callers are meant to see. */
  readonly asError: (error: unknown) => unknown;
  readonly ended: () => void;
}

/** One turn of an upload. Its blocks have names of its own, so that a writer whose lease was lost overwrites nothing. */
export class AzureAppender implements StorageAppender {
  readonly collects = true;
  readonly #turn = crypto.randomUUID().slice(0, 8);
  readonly #stop = new AbortController();
  readonly #blocks: string[];
  #sentBytes: number;
  #small: Bytes | undefined;
  #filling: Bytes | undefined;
  #usedBytes = 0;
  #changed = false;
  readonly #inFlight = new Set<Promise<void>>();
  #failure: unknown;
  #isOpen = true;

  constructor(private readonly options: AzureAppenderOptions) {
    this.#blocks = [...options.state.blocks];
    this.#sentBytes = options.state.sizeBytes;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (chunk.length === 0) return;
    this.#throwFailure();
    this.#changed = true;
    for (let at = 0; at < chunk.length;) {
      const buffer = await this.#roomFor(chunk.length - at);
      const part = chunk.subarray(at, at + buffer.length - this.#usedBytes);
      buffer.set(part, this.#usedBytes);
      this.#usedBytes += part.length;
      at += part.length;
      if (this.#usedBytes === this.options.pool.partBytes) this.#sendBlock();
    }
  }

  async close({ last = false }: { last?: boolean }): Promise<Appended> {
    this.#throwFailure();
    const sizeBytes = this.#sentBytes + this.#usedBytes;
    const result = last
      ? { sizeBytes, key: await this.#finish(sizeBytes), state: undefined }
      : await this.#pause(sizeBytes);
    this.#end();
    return result;
  }

  async abort(): Promise<void> {
    if (!this.#isOpen) return;
    this.#stop.abort(new Error("the upload was given up"));
    await Promise.allSettled(this.#inFlight);
    this.#end();
  }

  async #pause(sizeBytes: number): Promise<Appended> {
    if (this.#usedBytes > 0) this.#sendBlock();
    await this.#settle();
    const state: BlockState = { blocks: this.#blocks, sizeBytes };
    return { sizeBytes, key: this.options.key, state: sizeBytes === 0 ? undefined : JSON.stringify(state) };
  }

  /** Makes a whole blob of it. @returns its key */
  async #finish(sizeBytes: number): Promise<string> {
    const { blobOf, key, target, events } = this.options;
    const abortSignal = this.#stop.signal;
    if (this.#blocks.length === 0) {
      const whole = this.#used();
      await this.#try(() =>
        blobOf(target ?? key).upload(Buffer.from(whole.buffer, 0, whole.length), whole.length, {
          abortSignal,
        })
      );
      return target ?? key;
    }
    if (this.#usedBytes > 0) this.#sendBlock();
    await this.#settle();
    try {
      await blobOf(key).commitBlockList(this.#blocks, { abortSignal });
    } catch (error) {
      if (codeOf(error) !== "InvalidBlockList") throw this.options.asError(error);
      // An earlier try may have got through, its answer or what came after it not.
      const found = this.#changed ? undefined : await blobOf(key).getProperties().catch(() => undefined);
      if (found?.contentLength !== sizeBytes) throw lost(error);
    }
    events.completed();
    return key;
  }

  async #roomFor(sizeBytes: number): Promise<Bytes> {
    const { pool } = this.options;
    if (this.#filling !== undefined) return this.#filling;
    if (this.#inFlight.size === 0 && this.#usedBytes + sizeBytes <= SMALL_BYTES) {
      return this.#small ??= new Uint8Array(SMALL_BYTES);
    }
    while (this.#filling === undefined && this.#inFlight.size > 0) {
      if (this.#inFlight.size < BLOCKS_AT_ONCE) this.#filling = pool.tryTake();
      // One of our own comes back for certain.
      if (this.#filling === undefined) await Promise.race(this.#inFlight);
      this.#throwFailure();
    }
    this.#filling ??= await pool.take(this.#stop.signal);
    if (this.#small !== undefined) this.#filling.set(this.#small.subarray(0, this.#usedBytes));
    this.#small = undefined;
    return this.#filling;
  }

  #used(): Bytes {
    return (this.#filling ?? this.#small ?? new Uint8Array()).subarray(0, this.#usedBytes);
  }

  /** Sends what has been collected as the next block, in the background. */
  #sendBlock(): void {
    const { blobOf, key, pool, events } = this.options;
    if (this.#blocks.length === MOST_BLOCKS) {
      throw new AppError("blob_too_large", "the blob is larger than this storage accepts");
    }
    if (this.#blocks.length === 0) events.started();
    const buffer = this.#filling;
    const body = this.#used();
    // All of a blob's names must have one length.
    const name = btoa(`${this.#turn}-${`${this.#blocks.length}`.padStart(6, "0")}`);
    this.#blocks.push(name);
    this.#sentBytes += body.length;
    this.#filling = undefined;
    this.#small = undefined;
    this.#usedBytes = 0;
    const bytes = Buffer.from(body.buffer, 0, body.length);
    const sending = blobOf(key).stageBlock(name, bytes, bytes.length, { abortSignal: this.#stop.signal })
      .then(() => {}, (error) => {
        this.#failure ??= this.options.asError(error);
      })
      .finally(() => {
        this.#inFlight.delete(sending);
        if (buffer !== undefined) pool.give(buffer);
      });
    this.#inFlight.add(sending);
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#inFlight);
    this.#throwFailure();
  }

  async #try<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw this.options.asError(error);
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#filling !== undefined) this.options.pool.give(this.#filling);
    this.#filling = undefined;
    this.#small = undefined;
    this.options.ended();
  }
}

/** @throws {AppError} `upload_unknown` for what a close did not give out for that offset */
export function readBlockState(text: string | undefined, offset: number): BlockState {
  if (offset === 0) return { blocks: [], sizeBytes: 0 };
  const state = parseBlockState(text);
  if (state?.sizeBytes !== offset) throw lost();
  return state;
}

export function parseBlockState(text: string | undefined): BlockState | undefined {
  if (text === undefined) return undefined;
  try {
    const found = JSON.parse(text) as Record<string, unknown>;
    if (!Array.isArray(found.blocks) || !Number.isSafeInteger(found.sizeBytes)) return undefined;
    return { blocks: found.blocks.map(String), sizeBytes: Number(found.sizeBytes) };
  } catch {
    return undefined;
  }
}

function lost(cause?: unknown): AppError {
  return new AppError("upload_unknown", "the data of this upload is gone; start it again", {}, { cause });
}
