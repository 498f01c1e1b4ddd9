import { AppError } from "../../../lib/errors.ts";
import { forEachLimited } from "../../../lib/for_each_limited.ts";
import type { S3Client } from "./client.ts";
import { isRefusal } from "./errors.ts";
import type { UploadEvents } from "../object_store.ts";
import { headerOf } from "../transport.ts";
import { elementsIn, encodeXml, textIn } from "./xml.ts";

/** S3's limits. */
export const MOST_PARTS = 10_000;
/** The largest object that one request may copy, and the parts of a copy of a larger one. */
export const COPY_LIMITS = { wholeBytes: 5 * 1024 ** 3, partBytes: 1024 ** 3 };
const COPIES_AT_ONCE = 4;
/** A store may copy and assemble for as long as this, when nothing else is wrong. */
const ASSEMBLY_MS = 15 * 60_000;

/** A finished part: its number is its place in the list, from 1. */
export type PartTag = string;

/** @returns the upload's id */
export async function createMultipart(client: S3Client, key: string, events: UploadEvents): Promise<string> {
  const { text } = await client.sendForText({
    method: "POST",
    key,
    query: { uploads: "" },
    headers: { ...client.settings.encryption, "content-type": "application/octet-stream" },
  });
  const id = textIn(text, "UploadId");
  if (id === undefined) throw unexpected(client, "a multipart upload without an id");
  events.started();
  return id;
}

/** @returns the part's tag. The body must not change before the promise settles: it may be sent again. */
export async function uploadPart(
  client: S3Client,
  part: { key: string; uploadId: string; number: number; body: Uint8Array; signal: AbortSignal },
): Promise<PartTag> {
  const answer = await client.send({
    method: "PUT",
    key: part.key,
    query: { partNumber: String(part.number), uploadId: part.uploadId },
    body: part.body,
    signal: part.signal,
  });
  await answer.body.dump();
  const tag = headerOf(answer, "etag");
  if (tag === undefined) throw unexpected(client, "a part without an ETag");
  return tag;
}

/**
 * Makes the parts one object, all at once.
 * @throws {AppError} `upload_unknown` when there is no such upload, or its parts are not those: another writer had it
 */
export async function completeMultipart(
  client: S3Client,
  { key, uploadId, parts }: { key: string; uploadId: string; parts: readonly PartTag[] },
  events: UploadEvents,
): Promise<void> {
  const list = parts.map((tag, i) =>
    `<Part><PartNumber>${i + 1}</PartNumber><ETag>${encodeXml(tag)}</ETag></Part>`
  );
  const body = new TextEncoder().encode(
    `<CompleteMultipartUpload>${list.join("")}</CompleteMultipartUpload>`,
  );
  try {
    const { text } = await client.sendForText({
      method: "POST",
      key,
      query: { uploadId },
      headers: { "content-type": "application/xml" },
      body,
      answerMs: ASSEMBLY_MS,
    });
    refuseErrorIn200(client, text);
  } catch (error) {
    if (isRefusal(error, "NoSuchUpload", "InvalidPart", "InvalidPartOrder", "NoSuchKey")) {
      throw new AppError("upload_unknown", "the data of this upload is gone; start it again", {}, {
        cause: error,
      });
    }
    throw error;
  }
  events.completed();
}

/** Gives the space of the parts back. Succeeds when there is no such upload. */
export async function abortMultipart(client: S3Client, key: string, uploadId: string): Promise<void> {
  try {
    const answer = await client.send({ method: "DELETE", key, query: { uploadId } });
    await answer.body.dump();
  } catch (error) {
    if (!isRefusal(error, "NoSuchUpload", "NoSuchKey")) throw error;
  }
}

/** Copies inside the store, by parts where one request may not copy so much. */
export async function copyObject(
  client: S3Client,
  { from, to, sizeBytes }: { from: string; to: string; sizeBytes: number },
  events: UploadEvents,
  { wholeBytes, partBytes } = COPY_LIMITS,
): Promise<void> {
  const source = `/${client.settings.bucket}/${client.fullKey(from)}`.split("/").map(encodeURIComponent).join(
    "/",
  );
  if (sizeBytes <= wholeBytes) {
    const { text } = await client.sendForText({
      method: "PUT",
      key: to,
      headers: { ...client.settings.encryption, "x-amz-copy-source": source },
      answerMs: ASSEMBLY_MS,
    });
    return refuseErrorIn200(client, text);
  }
  const uploadId = await createMultipart(client, to, events);
  try {
    const parts = new Array<PartTag>(Math.ceil(sizeBytes / partBytes));
    // All that run have ended before the upload is given up: a part that comes later would stay, and cost, for ever.
    await forEachLimited(parts.keys(), COPIES_AT_ONCE, async (at) => {
      const start = at * partBytes;
      const end = Math.min(sizeBytes, start + partBytes) - 1;
      parts[at] = await copyPart(client, { to, uploadId, number: at + 1, source, start, end });
    });
    await completeMultipart(client, { key: to, uploadId, parts }, events);
  } catch (error) {
    await abortMultipart(client, to, uploadId).catch(() => {}); // the clean-up gets it otherwise
    throw error;
  }
}

async function copyPart(
  client: S3Client,
  part: { to: string; uploadId: string; number: number; source: string; start: number; end: number },
): Promise<PartTag> {
  const { text } = await client.sendForText({
    method: "PUT",
    key: part.to,
    query: { partNumber: String(part.number), uploadId: part.uploadId },
    headers: {
      "x-amz-copy-source": part.source,
      "x-amz-copy-source-range": `bytes=${part.start}-${part.end}`,
    },
    answerMs: ASSEMBLY_MS,
  });
  refuseErrorIn200(client, text);
  const tag = textIn(text, "ETag");
  if (tag === undefined) throw unexpected(client, "a copied part without an ETag");
  return tag;
}

/** Uploads that were begun and not ended below `prefix`; `modifiedMs`: the last part's time. */
export async function* listMultiparts(
  client: S3Client,
  prefix: string,
): AsyncGenerator<{ key: string; id: string; modifiedMs: number }> {
  const base = client.fullKey("");
  let markers: Record<string, string> = {};
  while (true) {
    const { text } = await client.sendForText({
      method: "GET",
      query: { uploads: "", prefix: client.fullKey(prefix), ...markers },
    });
    for (const upload of elementsIn(text, "Upload")) {
      const [full, id, begun] = [
        textIn(upload, "Key"),
        textIn(upload, "UploadId"),
        textIn(upload, "Initiated"),
      ];
      if (full === undefined || id === undefined || !full.startsWith(base)) continue;
      const key = full.slice(base.length);
      const modifiedMs = Math.max(Date.parse(begun ?? "") || 0, await lastPartMs(client, key, id));
      yield { key, id, modifiedMs };
    }
    const next = textIn(text, "NextKeyMarker");
    if (textIn(text, "IsTruncated") !== "true" || next === undefined) return;
    markers = { "key-marker": next, "upload-id-marker": textIn(text, "NextUploadIdMarker") ?? "" };
  }
}

/** When the last part came; 0 when there is none, or the upload has just ended. */
async function lastPartMs(client: S3Client, key: string, uploadId: string): Promise<number> {
  let latest = 0;
  let marker = "0";
  try {
    while (true) {
      const { text } = await client.sendForText({
        method: "GET",
        key,
        query: { uploadId, "part-number-marker": marker },
      });
      for (const part of elementsIn(text, "Part")) {
        latest = Math.max(latest, Date.parse(textIn(part, "LastModified") ?? "") || 0);
      }
      const next = textIn(text, "NextPartNumberMarker");
      if (textIn(text, "IsTruncated") !== "true" || next === undefined) return latest;
      marker = next;
    }
  } catch (error) {
    if (isRefusal(error, "NoSuchUpload", "NoSuchKey")) return latest;
    throw error;
  }
}

/** Copies and assemblies answer 200 first, to keep the connection, and may fail afterwards. */
function refuseErrorIn200(client: S3Client, text: string): void {
  const error = /<Error>/.test(text) ? textIn(text, "Code") ?? "unknown" : undefined;
  if (error !== undefined) throw unexpected(client, `an error after 200: ${error}`);
}

function unexpected(client: S3Client, what: string): AppError {
  return new AppError("storage_unavailable", "storage cannot be used now; retry later", {}, {
    cause: new Error(`${client.host} answers with ${what}`),
  });
}
