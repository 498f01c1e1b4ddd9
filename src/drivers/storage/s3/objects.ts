import { AppError } from "../../../lib/errors.ts";
import type { S3Client } from "./client.ts";
import { isRefusal } from "./errors.ts";
import { headerOf } from "../transport.ts";
import { streamObject } from "./object_stream.ts";
import { elementsIn, textIn } from "./xml.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Stores a small object, all at once. */
export async function putObject(
  client: S3Client,
  key: string,
  body: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const answer = await client.send({
    method: "PUT",
    key,
    headers: { ...client.settings.encryption, "content-type": "application/octet-stream" },
    body,
    signal,
  });
  await answer.body.dump();
}

/** `undefined` when there is no such object. A missing bucket is a failure. */
export async function headObject(client: S3Client, key: string): Promise<{ sizeBytes: number } | undefined> {
  try {
    const answer = await client.send({ method: "HEAD", key });
    await answer.body.dump();
    return { sizeBytes: Number(headerOf(answer, "content-length")) };
  } catch (error) {
    if (isRefusal(error, "NoSuchKey")) return undefined;
    throw error;
  }
}

/** A small object as a whole. @throws {AppError} `upload_unknown` when it is gone or not of that size */
export async function getObject(
  client: S3Client,
  key: string,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<Bytes> {
  const gone = (cause?: unknown) =>
    new AppError("upload_unknown", "the data of this upload is gone; start it again", {}, { cause });
  try {
    const bytes = new Uint8Array(sizeBytes);
    let at = 0;
    for await (const chunk of await streamObject(client, key, 0, undefined, signal)) {
      if (at + chunk.length > sizeBytes) throw gone();
      bytes.set(chunk, at);
      at += chunk.length;
    }
    if (at !== sizeBytes) throw gone();
    return bytes;
  } catch (error) {
    if (error instanceof AppError && error.code === "blob_unknown") throw gone(error);
    throw error;
  }
}

/** Succeeds when there is no such object. */
export async function removeObject(client: S3Client, key: string): Promise<void> {
  try {
    const answer = await client.send({ method: "DELETE", key });
    await answer.body.dump();
  } catch (error) {
    if (!isRefusal(error, "NoSuchKey")) throw error;
  }
}

/** Objects whose keys start with `prefix`. */
export async function* listObjects(
  client: S3Client,
  prefix: string,
): AsyncGenerator<{ key: string; sizeBytes: number; modifiedMs: number }> {
  const base = client.fullKey("");
  let token: string | undefined;
  do {
    const { text } = await client.sendForText({
      method: "GET",
      query: {
        "list-type": "2",
        prefix: client.fullKey(prefix),
        ...(token !== undefined && { "continuation-token": token }),
      },
    });
    for (const entry of elementsIn(text, "Contents")) {
      const full = textIn(entry, "Key");
      if (full === undefined || !full.startsWith(base)) continue;
      yield {
        key: full.slice(base.length),
        sizeBytes: Number(textIn(entry, "Size")),
        modifiedMs: Date.parse(textIn(entry, "LastModified") ?? "") || 0,
      };
    }
    token = textIn(text, "IsTruncated") === "true" ? textIn(text, "NextContinuationToken") : undefined;
  } while (token !== undefined);
}
