import type { LookupFunction } from "node:net";
import { AppError } from "../../../lib/errors.ts";
import type { AppendTurn, StorageAppender, StorageDriver } from "../driver.ts";
import { checkKey, checkPrefix } from "../keys.ts";
import { S3Appender } from "./appender.ts";
import { S3Client } from "./client.ts";
import { createCloudFrontSigner } from "./cloud_front.ts";
import { CredentialStore } from "./credentials.ts";
import { abortMultipart, copyObject, listMultiparts } from "./multipart.ts";
import { streamObject } from "./object_stream.ts";
import { headObject, listObjects, putObject, removeObject } from "./objects.ts";
import { appendWhole, probeStore, type UploadEvents } from "../object_store.ts";
import { poolFor } from "../part_pool.ts";
import type { S3Settings } from "./settings.ts";
import { createTransport } from "../transport.ts";
import { parse, readState } from "./upload_state.ts";

export interface S3Options {
  readonly settings: S3Settings;
  /** PEM certificates that are trusted besides the public ones. */
  readonly authorities: readonly string[];
  readonly events: UploadEvents;
  /** Resolves names in place of the system. */
  readonly lookup?: LookupFunction | undefined;
  /** PEM of the key that signs CloudFront's addresses. */
  readonly cloudFrontKey?: string | undefined;
  readonly now?: () => number;
  /** How long the store may take to begin an answer. */
  readonly answerMs?: number;
}

/** A driver whose connections end when `close` is called. */
export interface S3Driver extends StorageDriver {
  close(): Promise<void>;
}

/**
 * S3 and what speaks it: Ceph RGW above all. An object appears whole or not at all, since S3 has no other way: one PUT, or
 * the end of a multipart upload. Nothing is kept on the local disk.
 */
export function createS3Driver(options: S3Options): S3Driver {
  const { settings, events, now = Date.now } = options;
  const transport = createTransport(options.authorities, options.lookup);
  const credentials = new CredentialStore(settings.credentials, transport, now);
  const client = new S3Client(settings, transport, credentials, now, options.answerMs);
  const pool = poolFor(settings.partBytes);
  const signCloudFront = settings.cloudFront !== undefined && options.cloudFrontKey !== undefined
    ? createCloudFrontSigner(settings.cloudFront, options.cloudFrontKey)
    : undefined;
  /** Uploads with an open appender here; other threads and nodes are kept out by the session's lease. */
  const writing = new Set<string>();

  function append(key: string, offset: number, turn: AppendTurn = {}): Promise<StorageAppender> {
    checkKey(key);
    if (turn.target !== undefined) checkKey(turn.target);
    if (writing.has(key)) {
      return Promise.reject(new AppError("upload_invalid", "another request is writing to this upload"));
    }
    const state = readState(turn.state, offset);
    writing.add(key);
    const ended = () => void writing.delete(key);
    return Promise.resolve(
      new S3Appender({ client, pool, events, key, offset, state, target: turn.target, ended }),
    );
  }

  async function write(key: string, body: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    checkKey(key);
    const appender = await append(`uploads/${crypto.randomUUID()}`, 0, { target: key });
    await appendWhole(appender, body, signal);
  }

  async function move(from: string, to: string): Promise<void> {
    checkKey(from);
    checkKey(to);
    const found = await headObject(client, from);
    if (found === undefined) {
      throw new AppError("upload_unknown", "the data of this upload is gone; start it again");
    }
    await copyObject(client, { from, to, sizeBytes: found.sizeBytes }, events);
    await removeObject(client, from).catch(() => {}); // the clean-up gets it otherwise
  }

  async function discard(key: string, stateText?: string): Promise<void> {
    checkKey(key);
    const state = parse(stateText);
    if (state?.uploadId !== undefined) await abortMultipart(client, key, state.uploadId);
    for (const name of [key, state?.tail?.key, state?.staleTail]) {
      if (name !== undefined) await removeObject(client, name);
    }
  }

  async function* list(prefix: string) {
    const folder = checkPrefix(prefix);
    yield* listObjects(client, folder === "" ? "" : `${folder}/`);
  }

  return {
    async stat(key) {
      checkKey(key);
      return await headObject(client, key);
    },
    async read(key, offset = 0, length) {
      checkKey(key);
      return await streamObject(client, key, offset, length);
    },
    write,
    append: async (key, offset, turn) => await append(key, offset, turn),
    discard,
    move,
    async remove(key) {
      checkKey(key);
      await removeObject(client, key);
    },
    list,
    listUnfinished: () => listMultiparts(client, ""),
    removeUnfinished: ({ key, id }) => abortMultipart(client, key, id),
    async presign(key, { seconds, namespace }) {
      checkKey(key);
      if (signCloudFront !== undefined) {
        return signCloudFront(client.fullKey(key), { expiresMs: now() + seconds * 1000, namespace });
      }
      return await client.presign(key, seconds);
    },
    capacity: () => Promise.resolve(undefined),
    probe: () =>
      probeStore({
        put: (key, bytes) => putObject(client, key, bytes),
        read: (key) => streamObject(client, key, 0, undefined),
        remove: (key) => removeObject(client, key),
      }),
    close: () => {
      pool.close();
      return transport.close();
    },
  };
}
