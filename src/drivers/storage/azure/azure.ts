import { Buffer } from "node:buffer";
import {
  AnonymousCredential,
  BlobSASPermissions,
  BlobServiceClient,
  type BlockBlobClient,
  SASProtocol,
  StorageRetryPolicyType,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import { AppError } from "../../../lib/errors.ts";
import type { AppendTurn, StorageAppender, StorageDriver } from "../driver.ts";
import { checkKey, checkPrefix } from "../keys.ts";
import { appendWhole, probeStore } from "../object_store.ts";
import { type PartPool, poolFor } from "../part_pool.ts";
import type { UploadEvents } from "../object_store.ts";
import { createTransport } from "../transport.ts";
import { AzureAppender, parseBlockState, readBlockState } from "./appender.ts";
import { asAzureError, codeOf, statusOf } from "./errors.ts";
import { createAzureHttpClient } from "./http_client.ts";
import type { AzureSettings } from "./settings.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export interface AzureOptions {
  readonly settings: AzureSettings;
  /** PEM certificates that are trusted besides the public ones. */
  readonly authorities: readonly string[];
  readonly events: UploadEvents;
  /** How long the store may take to begin an answer. */
  readonly answerMs?: number;
}

const ANSWER_MS = 20_000;
const TRIES = 4;
/** A break in the middle of a download is gone on from so often. */
const READ_RETRIES = 5;
/** Clocks differ a little: an address is good from before it was made. */
const SKEW_MS = 5 * 60_000;
const COPY_POLL_MS = 100;

/**
 * Azure Blob Storage through its official SDK. A blob appears whole or not at all: one PUT, or the commit of a list of
 * blocks; blocks that nobody commits are Azure's to remove, after a week.
 */
export function createAzureDriver(options: AzureOptions): StorageDriver & { close(): Promise<void> } {
  const { settings, events, answerMs = ANSWER_MS } = options;
  const { endpoint, credential, prefix } = settings;
  const transport = createTransport(options.authorities);
  const key = credential.kind === "key"
    ? new StorageSharedKeyCredential(credential.accountName, credential.accountKey)
    : new AnonymousCredential();
  const base = `${endpoint.href.replace(/\/$/, "")}${
    credential.kind === "sas" ? `?${credential.token}` : ""
  }`;
  const container = new BlobServiceClient(base, key, {
    httpClient: createAzureHttpClient(transport, answerMs),
    retryOptions: {
      maxTries: TRIES,
      retryPolicyType: StorageRetryPolicyType.EXPONENTIAL,
      retryDelayInMs: 100,
      maxRetryDelayInMs: 3000,
    },
  }).getContainerClient(settings.container);
  const pool: PartPool = poolFor(settings.partBytes);
  const place = { host: endpoint.host, container: settings.container };
  const asError = (error: unknown) => asAzureError(place, error);
  const writing = new Set<string>();

  const fullKey = (name: string) => prefix === "" ? name : `${prefix}/${name}`;
  const blobOf = (name: string): BlockBlobClient => container.getBlockBlobClient(fullKey(name));

  async function guard<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw asError(error);
    }
  }

  async function stat(name: string): Promise<{ sizeBytes: number } | undefined> {
    checkKey(name);
    try {
      const { contentLength } = await blobOf(name).getProperties();
      return { sizeBytes: contentLength ?? 0 };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw asError(error);
    }
  }

  async function read(name: string, offset = 0, length?: number): Promise<ReadableStream<Bytes>> {
    checkKey(name);
    if (length === 0) return emptyStream();
    const stop = new AbortController();
    const request = { abortSignal: stop.signal, maxRetryRequests: READ_RETRIES };
    let body: NodeJS.ReadableStream | undefined;
    try {
      body = (await blobOf(name).download(offset, length, request)).readableStreamBody;
    } catch (error) {
      if (codeOf(error) === "ContainerNotFound") throw asError(error);
      if (statusOf(error) === 404) throw new AppError("blob_unknown", "no such object in storage");
      // Beyond the end there is nothing; the filesystem says so too.
      if (statusOf(error) === 416) return emptyStream();
      throw asError(error);
    }
    if (body === undefined) return emptyStream();
    const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Bytes>;
    return new ReadableStream<Bytes>({
      async pull(controller) {
        const { value, done } = await chunks.next().catch((error) => {
          throw asError(error);
        });
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel() {
        stop.abort(new Error("nobody reads any more"));
      },
    }, { highWaterMark: 0 });
  }

  function append(name: string, offset: number, turn: AppendTurn = {}): StorageAppender {
    checkKey(name);
    if (turn.target !== undefined) checkKey(turn.target);
    if (writing.has(name)) throw new AppError("upload_invalid", "another request is writing to this upload");
    const state = readBlockState(turn.state, offset);
    writing.add(name);
    const ended = () => void writing.delete(name);
    return new AzureAppender({ blobOf, pool, events, key: name, state, target: turn.target, asError, ended });
  }

  async function write(name: string, body: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    checkKey(name);
    const upload = `uploads/${crypto.randomUUID()}`;
    const whole = await appendWhole(append(upload, 0, { target: name }), body, signal);
    if (whole.key !== name) await move(whole.key, name);
  }

  async function move(from: string, to: string): Promise<void> {
    checkKey(from);
    checkKey(to);
    try {
      const copying = await blobOf(to).beginCopyFromURL(blobOf(from).url, { intervalInMs: COPY_POLL_MS });
      const { copyStatus } = await copying.pollUntilDone();
      if (copyStatus !== "success") throw new Error(`a copy ended as ${copyStatus}`);
    } catch (error) {
      if (statusOf(error) === 404) {
        throw new AppError("upload_unknown", "the data of this upload is gone; start it again", {}, {
          cause: error,
        });
      }
      throw asError(error);
    }
    await blobOf(from).deleteIfExists().catch(() => {}); // the clean-up gets it otherwise
  }

  async function discard(name: string, stateText?: string): Promise<void> {
    checkKey(name);
    await guard(async () => {
      // Blocks go when a blob takes their place.
      const holdsBlocks = (parseBlockState(stateText)?.blocks.length ?? 0) > 0;
      if (holdsBlocks) await blobOf(name).upload(Buffer.alloc(0), 0);
      await blobOf(name).deleteIfExists();
    });
  }

  async function* list(folder: string) {
    const below = checkPrefix(folder);
    const start = fullKey("");
    try {
      for await (
        const { name, properties } of container.listBlobsFlat({
          prefix: fullKey(below === "" ? "" : `${below}/`),
        })
      ) {
        yield {
          key: name.slice(start.length),
          sizeBytes: properties.contentLength ?? 0,
          modifiedMs: properties.lastModified.getTime(),
        };
      }
    } catch (error) {
      throw asError(error);
    }
  }

  return {
    stat,
    read,
    write,
    append: async (name, offset, turn) => await Promise.resolve(append(name, offset, turn)),
    discard,
    move,
    async remove(name) {
      checkKey(name);
      await guard(() => blobOf(name).deleteIfExists());
    },
    list,
    async presign(name, { seconds }) {
      checkKey(name);
      // A token of the site's own may do more than read, and is nobody's business.
      if (credential.kind === "sas") return undefined;
      return new URL(
        await blobOf(name).generateSasUrl({
          permissions: BlobSASPermissions.parse("r"),
          protocol: endpoint.protocol === "https:" ? SASProtocol.Https : SASProtocol.HttpsAndHttp,
          startsOn: new Date(Date.now() - SKEW_MS),
          expiresOn: new Date(Date.now() + seconds * 1000),
        }),
      );
    },
    capacity: () => Promise.resolve(undefined),
    probe: () =>
      probeStore({
        put: (key, bytes) => guard(() => blobOf(key).upload(Buffer.from(bytes.buffer), bytes.length)),
        read,
        remove: (key) => blobOf(key).deleteIfExists(),
      }),
    close: () => {
      pool.close();
      return transport.close();
    },
  };
}

function emptyStream(): ReadableStream<Bytes> {
  return new ReadableStream<Bytes>({ start: (controller) => controller.close() });
}
