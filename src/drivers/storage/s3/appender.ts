import { AppError } from "../../../lib/errors.ts";
import type { Appended, StorageAppender } from "../driver.ts";
import type { S3Client } from "./client.ts";
import { isRefusal } from "./errors.ts";
import {
  abortMultipart,
  completeMultipart,
  createMultipart,
  MOST_PARTS,
  type PartTag,
  type UploadEvents,
  uploadPart,
} from "./multipart.ts";
import { getObject, headObject, putObject, removeObject } from "./objects.ts";
import type { PartPool } from "../part_pool.ts";
import { type UploadState, writeState } from "./upload_state.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Most uploads are smaller (configs, signatures) and need no buffer of the pool. */
const SMALL_BYTES = 1 << 18;
/** Parts of one upload that are on their way at once, besides the one that fills. */
const PARTS_AT_ONCE = 3;

export interface AppenderOptions {
  readonly client: S3Client;
  readonly pool: PartPool;
  readonly events: UploadEvents;
  readonly key: string;
  readonly offset: number;
  readonly state: UploadState;
  readonly target: string | undefined;
  /** When it has ended, whichever way. */
  readonly ended: () => void;
}

/** One turn of an upload: see `upload_state.ts` for what it finds and leaves in the store. */
export class S3Appender implements StorageAppender {
  readonly collects = true;
  readonly #options: AppenderOptions;
  readonly #stop = new AbortController();
  /** Where the multipart upload, or the one small object, goes. */
  readonly #key: string;
  readonly #tags: PartTag[];
  #uploadId: string | undefined;
  #partsBytes: number;
  #small: Bytes | undefined = undefined;
  #filling: Bytes | undefined = undefined;
  #usedBytes = 0;
  #tailLoaded: boolean;
  /** Whether anything came in this turn. */
  #changed = false;
  readonly #inFlight = new Set<Promise<void>>();
  #failure: unknown = undefined;
  #isOpen = true;

  constructor(options: AppenderOptions) {
    this.#options = options;
    const { state, key, target } = options;
    this.#key = state.uploadId === undefined && options.offset === 0 ? target ?? key : key;
    this.#tags = [...state.parts];
    this.#uploadId = state.uploadId;
    this.#partsBytes = state.partsBytes;
    this.#tailLoaded = state.tail === undefined;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (chunk.length === 0) return;
    this.#throwFailure();
    await this.#loadTail();
    this.#changed = true;
    for (let at = 0; at < chunk.length;) {
      const buffer = await this.#roomFor(chunk.length - at);
      const part = chunk.subarray(at, at + buffer.length - this.#usedBytes);
      buffer.set(part, this.#usedBytes);
      this.#usedBytes += part.length;
      at += part.length;
      if (this.#usedBytes === this.#options.pool.partBytes) await this.#sendPart();
    }
  }

  async close({ last = false }: { last?: boolean }): Promise<Appended> {
    this.#throwFailure();
    const result = last ? await this.#finish() : await this.#pause();
    this.#end();
    return result;
  }

  async abort(): Promise<void> {
    if (!this.#isOpen) return;
    this.#stop.abort(new Error("the upload was given up"));
    await Promise.allSettled(this.#inFlight);
    const { client, state } = this.#options;
    if (this.#uploadId !== undefined && this.#uploadId !== state.uploadId) {
      await abortMultipart(client, this.#key, this.#uploadId).catch(() => {}); // the clean-up gets it otherwise
    }
    this.#end();
  }

  get #sizeBytes(): number {
    const { state } = this.#options;
    return this.#partsBytes + this.#usedBytes + (this.#tailLoaded ? 0 : state.tail?.sizeBytes ?? 0);
  }

  /** Ends the turn: whole parts stay parts, the rest becomes the tail. */
  async #pause(): Promise<Appended> {
    const { client, key, state } = this.#options;
    const sizeBytes = this.#sizeBytes;
    if (!this.#changed) {
      const text = sizeBytes === 0 ? undefined : writeState(state);
      return { sizeBytes, key, state: text };
    }
    let tail: UploadState["tail"];
    if (this.#usedBytes > 0) {
      tail = { key: `${key}.${crypto.randomUUID().slice(0, 8)}`, sizeBytes: this.#usedBytes };
      await putObject(client, tail.key, this.#used(), this.#stop.signal);
    }
    await this.#settle();
    // The caller has kept the state that this turn started from: what the turn before had left for safety may go.
    if (state.staleTail !== undefined) await removeObject(client, state.staleTail).catch(() => {});
    const next: UploadState = {
      uploadId: this.#uploadId,
      parts: this.#tags,
      partsBytes: this.#partsBytes,
      tail,
      staleTail: state.tail?.key,
    };
    return { sizeBytes, key, state: writeState(next) };
  }

  /** Makes a whole object of it. */
  async #finish(): Promise<Appended> {
    const { client, state } = this.#options;
    const sizeBytes = this.#sizeBytes;
    if (this.#uploadId === undefined) {
      // The tail is all there is: it is the object.
      if (!this.#changed && state.tail !== undefined) {
        await this.#removeTails(state.staleTail);
        return { sizeBytes, key: state.tail.key, state: undefined };
      }
      await putObject(client, this.#key, this.#used(), this.#stop.signal);
    } else {
      await this.#complete(sizeBytes);
    }
    await this.#removeTails(state.tail?.key, state.staleTail);
    return { sizeBytes, key: this.#key, state: undefined };
  }

  async #complete(sizeBytes: number): Promise<void> {
    const { client, events } = this.#options;
    try {
      await this.#loadTail();
      if (this.#usedBytes > 0) await this.#sendPart();
      await this.#settle();
      const upload = { key: this.#key, uploadId: this.#uploadId as string, parts: this.#tags };
      await completeMultipart(client, upload, events);
    } catch (error) {
      // An earlier try may have got through, its answer or what came after it not.
      const gone = (error instanceof AppError && error.code === "upload_unknown") ||
        isRefusal(error, "NoSuchUpload");
      if (!gone || this.#changed) throw gone ? lost(error) : error;
      if ((await headObject(client, this.#key))?.sizeBytes !== sizeBytes) throw lost(error);
    }
  }

  async #removeTails(...keys: (string | undefined)[]): Promise<void> {
    for (const key of keys) {
      // The clean-up gets it otherwise.
      if (key !== undefined) await removeObject(this.#options.client, key).catch(() => {});
    }
  }

  /** Room for at least one byte more; a buffer of the pool once it is no small upload any more. */
  async #roomFor(sizeBytes: number): Promise<Bytes> {
    const { pool } = this.#options;
    if (this.#filling !== undefined) return this.#filling;
    if (this.#inFlight.size === 0 && this.#usedBytes + sizeBytes <= SMALL_BYTES) {
      return this.#small ??= new Uint8Array(SMALL_BYTES);
    }
    while (this.#filling === undefined && this.#inFlight.size > 0) {
      if (this.#inFlight.size < PARTS_AT_ONCE) this.#filling = pool.tryTake();
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

  /** Sends what has been collected as the next part, in the background. */
  async #sendPart(): Promise<void> {
    const { client, pool, events } = this.#options;
    const number = this.#tags.length + 1;
    if (number > MOST_PARTS) {
      throw new AppError("blob_too_large", "the blob is larger than this storage accepts");
    }
    this.#uploadId ??= await createMultipart(client, this.#key, events);
    const buffer = this.#filling;
    const body = this.#used();
    this.#tags.push("");
    this.#partsBytes += body.length;
    this.#filling = undefined;
    this.#small = undefined;
    this.#usedBytes = 0;
    const upload = { key: this.#key, uploadId: this.#uploadId, number, body, signal: this.#stop.signal };
    const sending = uploadPart(client, upload).then((tag) => {
      this.#tags[number - 1] = tag;
    }, (error) => {
      this.#failure ??= error;
    }).finally(() => {
      this.#inFlight.delete(sending);
      if (buffer !== undefined) pool.give(buffer);
    });
    this.#inFlight.add(sending);
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#inFlight);
    this.#throwFailure();
  }

  /** The tail is the beginning of the part that comes next. */
  async #loadTail(): Promise<void> {
    const { tail } = this.#options.state;
    if (this.#tailLoaded || tail === undefined) return;
    const bytes = await getObject(this.#options.client, tail.key, tail.sizeBytes, this.#stop.signal);
    this.#tailLoaded = true;
    for (let at = 0; at < bytes.length;) {
      const buffer = await this.#roomFor(bytes.length - at);
      const part = bytes.subarray(at, at + buffer.length - this.#usedBytes);
      buffer.set(part, this.#usedBytes);
      this.#usedBytes += part.length;
      at += part.length;
      if (this.#usedBytes === this.#options.pool.partBytes) await this.#sendPart();
    }
  }

  #throwFailure(): void {
    if (this.#failure === undefined) return;
    throw isRefusal(this.#failure, "NoSuchUpload") ? lost(this.#failure) : this.#failure;
  }

  #end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#filling !== undefined) this.#options.pool.give(this.#filling);
    this.#filling = undefined;
    this.#small = undefined;
    this.#options.ended();
  }
}

function lost(cause: unknown): AppError {
  return new AppError("upload_unknown", "the data of this upload is gone; start it again", {}, { cause });
}
