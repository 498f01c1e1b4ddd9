import type { Hash } from "node:crypto";
import {
  type ClaimedFetch,
  deleteFetch,
  type FetchProgress,
  releaseFetch,
  saveFetch,
} from "../../drivers/database/queries/blob_fetch.ts";
import type { StorageAppender, StorageLocation } from "../../drivers/storage/driver.ts";
import { type Upstream, UpstreamError } from "../../drivers/upstream/driver.ts";
import { AppError } from "../../lib/errors.ts";
import { pause } from "../../lib/pause.ts";
import { algorithmOf, blobKey, createHasher } from "../../oci/digest.ts";
import { BufferedWriter } from "../content/upload_body.ts";
import type { BufferPool } from "../content/upload_workspace.ts";
import type { Deps } from "../deps.ts";
import { locationOf } from "../storage/locations.ts";
import type { RunLimits } from "./limits.ts";
import type { ReportProgress } from "./progress.ts";
import { storeVerified, type WantedBlob } from "./stored_blob.ts";

export type FetchDeps = Pick<Deps, "sql" | "config" | "storage" | "metrics" | "now"> & {
  readonly buffers: BufferPool;
};

/** What a fetch is given by its run. */
export interface FetchContext {
  readonly repositoryId: number;
  readonly upstream: Pick<Upstream, "openBlob">;
  readonly limits: RunLimits;
  readonly report: ReportProgress;
  readonly signal: AbortSignal;
}

export const LEASE_SECONDS = 60;
/** Bytes after which what has come is forced out, and written down. */
const CHECKPOINT_BYTES = 64 << 20;
/** Attempts in a row that bring nothing. Any byte starts the count anew. */
const FRUITLESS_MAX = 8;
const PAUSE_MS = { first: 250, most: 30_000 } as const;

export const lostLease = () => new AppError("upload_invalid", "another process has taken this fetch over");

/** One process's work on one blob, under its lease. */
export class FetchSession {
  readonly #key: string;
  /** What was begun somewhere goes on there. */
  readonly #location: StorageLocation;
  #hash: Hash;
  /** Whether the hash has seen all bytes: not those of an earlier session that storage does not show yet. */
  #isHashed = true;
  #state: string | undefined;
  /** Bytes that were handed to storage, and hashed. */
  #atBytes = 0;
  #durableBytes = 0;
  /** Bytes of an earlier session. */
  #inheritedBytes = 0;

  constructor(
    readonly deps: FetchDeps,
    readonly blob: WantedBlob,
    readonly context: FetchContext,
    readonly claim: ClaimedFetch,
  ) {
    this.#key = `uploads/${claim.uuid}`;
    this.#location = claim.locationName === undefined
      ? deps.storage
      : locationOf(deps.storage, claim.locationName);
    this.#state = claim.storageState;
    this.#hash = this.#newHash();
  }

  async run(): Promise<void> {
    let stored = false;
    try {
      if (await this.#adoptStored()) stored = true;
      else {
        await this.#takeOver();
        stored = await this.#store(await this.#fetchVerified());
      }
    } catch (error) {
      // What storage has lost cannot be gone on with.
      if (error instanceof AppError && error.code === "upload_unknown") this.#startOver();
      throw error;
    } finally {
      // Whatever happened, the next one goes on from here.
      if (!stored) await releaseFetch(this.deps.sql, this.claim, this.#progress()).catch(() => {});
    }
  }

  /** An object that a crash left between its rename and its rows is as good as one that comes over the link. */
  async #adoptStored(): Promise<boolean> {
    const { driver } = this.#location;
    const key = blobKey(this.blob.digest);
    if ((await driver.stat(key))?.sizeBytes !== this.blob.sizeBytes) return false;
    const hash = this.#newHash();
    for await (const chunk of await driver.read(key)) hash.update(chunk);
    if (this.#digestOf(hash) !== this.blob.digest || !await this.#store(key)) return false;
    await driver.discard(this.#key, this.#state).catch(() => {}); // the clean-up gets it otherwise
    return true;
  }

  /** Hashes what an earlier session has brought. */
  async #takeOver(): Promise<void> {
    const { driver } = this.#location;
    const inStorage = (await driver.stat(this.#key))?.sizeBytes;
    if (inStorage === undefined && this.claim.storageState !== undefined) {
      // Object stores show nothing before its end: it is hashed then.
      this.#atBytes = this.#durableBytes = this.#inheritedBytes = this.claim.sizeBytes;
      this.#isHashed = this.#atBytes === 0;
      if (this.#atBytes > 0) this.context.report({ kind: "here", bytes: this.#atBytes });
      return;
    }
    const presentBytes = inStorage ?? 0;
    if (presentBytes === 0 || presentBytes > this.blob.sizeBytes) return;
    try {
      for await (const chunk of await driver.read(this.#key, 0, presentBytes)) {
        this.#hash.update(chunk);
        this.#atBytes += chunk.length;
        this.context.signal.throwIfAborted();
      }
    } catch (error) {
      if (this.context.signal.aborted) throw error;
      this.#startOver();
    }
    if (this.#atBytes !== presentBytes) this.#startOver();
    this.#inheritedBytes = this.#atBytes;
    this.#durableBytes = Math.min(this.claim.sizeBytes, this.#atBytes);
    if (this.#atBytes > 0) this.context.report({ kind: "here", bytes: this.#atBytes });
  }

  /** @returns where the whole, verified object is */
  async #fetchVerified(): Promise<string> {
    const { digest, sizeBytes } = this.blob;
    while (true) {
      await this.#fetchRest();
      const early = this.#isHashed ? undefined : await this.#finish();
      if (early !== undefined) await this.#hashWhole(early);
      const actual = this.#digestOf(this.#hash);
      if (actual === digest) return early ?? await this.#finish();
      const inheritedBytes = this.#inheritedBytes;
      await this.#location.driver.discard(this.#key, this.#state).catch(() => {});
      this.#startOver();
      if (inheritedBytes > 0) continue; // a power cut may have spoilt what was there
      throw new UpstreamError(
        "lied",
        `the blob that came (${sizeBytes} bytes) has the digest ${actual}, not ${digest}`,
      );
    }
  }

  async #hashWhole(key: string): Promise<void> {
    this.#hash = this.#newHash();
    for await (const chunk of await this.#location.driver.read(key)) this.#hash.update(chunk);
  }

  /** Goes on until all bytes are there, however often the link fails, as long as it brings something. */
  async #fetchRest(): Promise<void> {
    const { signal, report } = this.context;
    let fruitless = 0;
    while (this.#durableBytes < this.blob.sizeBytes || this.blob.sizeBytes === 0) {
      const before = this.#atBytes;
      try {
        // All of it came before a kill, but was not forced out.
        if (before > 0 && before === this.blob.sizeBytes) {
          return await this.#checkpoint(await this.#openSink());
        }
        await this.#fetchOnce();
        if (this.#atBytes >= this.blob.sizeBytes) return;
        throw new UpstreamError("connection", `blob ${this.blob.digest} ends before its last byte`, {
          passing: true,
        });
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof UpstreamError) || !error.passing) throw error;
        fruitless = this.#atBytes > before ? 0 : fruitless + 1;
        if (fruitless >= FRUITLESS_MAX) throw error;
        report({ kind: "error", message: error.message });
        const pauseMs = error.retryAfterMs ?? Math.min(PAUSE_MS.most, PAUSE_MS.first * 2 ** fruitless);
        await pause(pauseMs, signal);
      }
    }
  }

  /** One request: appends what it brings. Whatever ends it, all that came is in storage, durable, and written down. */
  async #fetchOnce(): Promise<void> {
    const { context, blob } = this;
    const { startsAt, bytes } = await context.upstream.openBlob(blob.digest, this.#atBytes, context.signal);
    let skip = this.#atBytes - startsAt;
    let sink: Sink | undefined;
    try {
      for await (const chunk of bytes) {
        context.signal.throwIfAborted();
        const fresh = skip > 0 ? chunk.subarray(skip) : chunk;
        skip = Math.max(0, skip - chunk.length);
        context.report({ kind: "fetched", bytes: chunk.length });
        if (this.#atBytes + fresh.length > blob.sizeBytes) {
          throw new UpstreamError(
            "lied",
            `blob ${blob.digest} is longer than the ${blob.sizeBytes} bytes it should have`,
          );
        }
        if (fresh.length > 0) {
          sink ??= await this.#openSink();
          this.#hash.update(fresh);
          this.#atBytes += fresh.length;
          await sink.writer.write(fresh);
        }
        if (sink !== undefined && this.#atBytes - this.#durableBytes >= CHECKPOINT_BYTES) {
          const full = sink;
          sink = undefined;
          await this.#checkpoint(full);
        }
        await context.limits.took(chunk.length, context.signal);
      }
      if (blob.sizeBytes === 0) sink ??= await this.#openSink();
    } catch (error) {
      if (isStorageFailure(error)) {
        const open = sink;
        sink = undefined;
        await open?.writer.dispose();
        await open?.appender.abort();
      }
      throw error;
    } finally {
      if (sink !== undefined) await this.#checkpoint(sink);
    }
  }

  async #openSink(): Promise<Sink> {
    const appender = await this.#location.driver.append(this.#key, this.#atBytes, { state: this.#state });
    return { appender, writer: new BufferedWriter(appender, this.deps.buffers) };
  }

  async #checkpoint({ writer, appender }: Sink): Promise<void> {
    try {
      await writer.flush();
      const { sizeBytes, state } = await appender.close({ durable: true });
      this.#durableBytes = sizeBytes;
      this.#state = state;
    } catch (error) {
      await appender.abort();
      throw error;
    } finally {
      await writer.dispose();
    }
    if (!await saveFetch(this.deps.sql, this.claim, this.#progress(), LEASE_SECONDS)) throw lostLease();
  }

  /** @returns false when the object is there no more */
  async #store(whole: string): Promise<boolean> {
    const { deps, context: { repositoryId }, blob } = this;
    if (!await storeVerified(deps, { repositoryId, blob, location: this.#location, whole })) return false;
    // What is left of it is ended by whoever fetches the digest next, or by the clean-up.
    await deleteFetch(deps.sql, this.claim);
    deps.metrics.pushedBytes.labels().inc(blob.sizeBytes);
    return true;
  }

  /** Makes a whole object of what has come. @returns where it is */
  async #finish(): Promise<string> {
    const { appender } = await this.#openSink();
    try {
      return (await appender.close({ durable: true, last: true })).key;
    } catch (error) {
      await appender.abort();
      throw error;
    }
  }

  #progress(): FetchProgress {
    const { name } = this.#location;
    return { sizeBytes: this.#durableBytes, locationName: name, storageState: this.#state };
  }

  #startOver(): void {
    this.#state = undefined;
    this.#hash = this.#newHash();
    this.#isHashed = true;
    this.#atBytes = 0;
    this.#durableBytes = 0;
    this.#inheritedBytes = 0;
  }

  #newHash(): Hash {
    return createHasher(algorithmOf(this.blob.digest));
  }

  #digestOf(hash: Hash): string {
    return `${algorithmOf(this.blob.digest)}:${hash.copy().digest("hex")}`;
  }
}

interface Sink {
  readonly appender: StorageAppender;
  readonly writer: BufferedWriter;
}

/** Not the link's fault. */
function isStorageFailure(error: unknown): boolean {
  return error instanceof AppError && (error.code === "storage_full" || error.code === "storage_unavailable");
}
