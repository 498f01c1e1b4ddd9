import { Buffer } from "node:buffer";
import type { BlockBlobClient } from "@azure/storage-blob";
import { AppError } from "../../../lib/errors.ts";
import type { Appended, StorageAppender } from "../driver.ts";
import { PartCollector } from "../part_collector.ts";
import type { PartPool } from "../part_pool.ts";
import type { UploadEvents } from "../object_store.ts";
import { codeOf } from "./errors.ts";

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
  readonly #collector: PartCollector;
  readonly #blocks: string[];
  #sentBytes: number;
  #changed = false;
  #isOpen = true;

  constructor(private readonly options: AzureAppenderOptions) {
    const { pool, asError } = options;
    this.#collector = new PartCollector({ pool, signal: this.#stop.signal, asFailure: asError });
    this.#blocks = [...options.state.blocks];
    this.#sentBytes = options.state.sizeBytes;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (chunk.length === 0) return;
    this.#collector.throwFailure();
    this.#changed = true;
    await this.#collector.collect(chunk, () => this.#sendBlock());
  }

  async close({ last = false }: { last?: boolean }): Promise<Appended> {
    this.#collector.throwFailure();
    const sizeBytes = this.#sentBytes + this.#collector.usedBytes;
    const result = last
      ? { sizeBytes, key: await this.#finish(sizeBytes), state: undefined }
      : await this.#pause(sizeBytes);
    this.#end();
    return result;
  }

  async abort(): Promise<void> {
    if (!this.#isOpen) return;
    this.#stop.abort(new Error("the upload was given up"));
    await this.#collector.settle().catch(() => {});
    this.#end();
  }

  async #pause(sizeBytes: number): Promise<Appended> {
    if (this.#collector.usedBytes > 0) this.#sendBlock();
    await this.#collector.settle();
    const state: BlockState = { blocks: this.#blocks, sizeBytes };
    return { sizeBytes, key: this.options.key, state: sizeBytes === 0 ? undefined : JSON.stringify(state) };
  }

  /** Makes a whole blob of it. @returns its key */
  async #finish(sizeBytes: number): Promise<string> {
    const { blobOf, key, target, events } = this.options;
    const abortSignal = this.#stop.signal;
    if (this.#blocks.length === 0) {
      const whole = this.#collector.used();
      await this.#try(() =>
        blobOf(target ?? key).upload(Buffer.from(whole.buffer, 0, whole.length), whole.length, {
          abortSignal,
        })
      );
      return target ?? key;
    }
    if (this.#collector.usedBytes > 0) this.#sendBlock();
    await this.#collector.settle();
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

  /** Sends what has been collected as the next block, in the background. */
  #sendBlock(): void {
    const { blobOf, key, events } = this.options;
    if (this.#blocks.length === MOST_BLOCKS) {
      throw new AppError("blob_too_large", "the blob is larger than this storage accepts");
    }
    if (this.#blocks.length === 0) events.started();
    // All of a blob's names must have one length.
    const name = btoa(`${this.#turn}-${`${this.#blocks.length}`.padStart(6, "0")}`);
    this.#blocks.push(name);
    this.#sentBytes += this.#collector.usedBytes;
    this.#collector.send(async (body) => {
      const bytes = Buffer.from(body.buffer, 0, body.length);
      await blobOf(key).stageBlock(name, bytes, bytes.length, { abortSignal: this.#stop.signal });
    });
  }

  async #try<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw this.options.asError(error);
    }
  }

  #end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#collector.end();
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
