import { AppError } from "../../../lib/errors.ts";
import type { Appended, StorageAppender } from "../driver.ts";
import type { UploadEvents } from "../object_store.ts";
import type { S3Client } from "./client.ts";
import { isRefusal } from "./errors.ts";
import {
  abortMultipart,
  completeMultipart,
  createMultipart,
  MOST_PARTS,
  type PartTag,
  uploadPart,
} from "./multipart.ts";
import { getObject, headObject, putObject, removeObject } from "./objects.ts";
import { PartCollector } from "../part_collector.ts";
import type { PartPool } from "../part_pool.ts";
import { type UploadState, writeState } from "./upload_state.ts";

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
  readonly #collector: PartCollector;
  /** Where the multipart upload, or the one small object, goes. */
  readonly #key: string;
  readonly #tags: PartTag[];
  #uploadId: string | undefined;
  #partsBytes: number;
  #tailLoaded: boolean;
  /** Whether anything came in this turn. */
  #changed = false;
  #isOpen = true;

  constructor(options: AppenderOptions) {
    this.#options = options;
    const { pool, state, key, target } = options;
    this.#collector = new PartCollector({
      pool,
      signal: this.#stop.signal,
      asFailure: (error) => isRefusal(error, "NoSuchUpload") ? lost(error) : error,
    });
    this.#key = state.uploadId === undefined && options.offset === 0 ? target ?? key : key;
    this.#tags = [...state.parts];
    this.#uploadId = state.uploadId;
    this.#partsBytes = state.partsBytes;
    this.#tailLoaded = state.tail === undefined;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (chunk.length === 0) return;
    this.#collector.throwFailure();
    await this.#loadTail();
    this.#changed = true;
    await this.#collector.collect(chunk, () => this.#sendPart());
  }

  async close({ last = false }: { last?: boolean }): Promise<Appended> {
    this.#collector.throwFailure();
    const result = last ? await this.#finish() : await this.#pause();
    this.#end();
    return result;
  }

  async abort(): Promise<void> {
    if (!this.#isOpen) return;
    this.#stop.abort(new Error("the upload was given up"));
    await this.#collector.settle().catch(() => {});
    const { client, state } = this.#options;
    if (this.#uploadId !== undefined && this.#uploadId !== state.uploadId) {
      await abortMultipart(client, this.#key, this.#uploadId).catch(() => {}); // the clean-up gets it otherwise
    }
    this.#end();
  }

  get #sizeBytes(): number {
    const { state } = this.#options;
    return this.#partsBytes + this.#collector.usedBytes + (this.#tailLoaded ? 0 : state.tail?.sizeBytes ?? 0);
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
    if (this.#collector.usedBytes > 0) {
      tail = { key: `${key}.${crypto.randomUUID().slice(0, 8)}`, sizeBytes: this.#collector.usedBytes };
      await putObject(client, tail.key, this.#collector.used(), this.#stop.signal);
    }
    await this.#collector.settle();
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
      await putObject(client, this.#key, this.#collector.used(), this.#stop.signal);
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
      if (this.#collector.usedBytes > 0) await this.#sendPart();
      await this.#collector.settle();
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

  /** Sends what has been collected as the next part, in the background. */
  async #sendPart(): Promise<void> {
    const { client, events } = this.#options;
    const number = this.#tags.length + 1;
    if (number > MOST_PARTS) {
      throw new AppError("blob_too_large", "the blob is larger than this storage accepts");
    }
    const uploadId = this.#uploadId ??= await createMultipart(client, this.#key, events);
    this.#tags.push("");
    this.#partsBytes += this.#collector.usedBytes;
    this.#collector.send(async (body) => {
      const upload = { key: this.#key, uploadId, number, body, signal: this.#stop.signal };
      this.#tags[number - 1] = await uploadPart(client, upload);
    });
  }

  /** The tail is the beginning of the part that comes next. */
  async #loadTail(): Promise<void> {
    const { tail } = this.#options.state;
    if (this.#tailLoaded || tail === undefined) return;
    const bytes = await getObject(this.#options.client, tail.key, tail.sizeBytes, this.#stop.signal);
    this.#tailLoaded = true;
    await this.#collector.collect(bytes, () => this.#sendPart());
  }

  #end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#collector.end();
    this.#options.ended();
  }
}

function lost(cause: unknown): AppError {
  return new AppError("upload_unknown", "the data of this upload is gone; start it again", {}, { cause });
}
