import assert from "node:assert/strict";
import { AppError } from "../../lib/errors.ts";
import { digestOf } from "../../oci/digest.ts";
import { HotBlobs } from "./hot_blobs.ts";

const CONTENT = new Uint8Array(200_000).map((_, at) => at % 251);
const BLOB = { digest: digestOf(CONTENT), sizeBytes: CONTENT.length };
const WHOLE = { start: 0, lengthBytes: CONTENT.length };

function storageOf(...contents: Uint8Array<ArrayBuffer>[]) {
  const state = { reads: 0 };
  const read = () => {
    const content = contents[Math.min(state.reads++, contents.length - 1)]!;
    return Promise.resolve(new Blob([content]).stream());
  };
  return { state, read };
}

const bytesOf = async (stream: ReadableStream<Uint8Array<ArrayBuffer>> | undefined) =>
  stream && new Uint8Array(await new Response(stream).arrayBuffer());

Deno.test("HotBlobs: keeps a blob from its second pull on, whole and in ranges", async () => {
  const blobs = new HotBlobs();
  const { state, read } = storageOf(CONTENT);
  assert.equal(await blobs.open(BLOB, WHOLE, read), undefined);
  const both = await Promise.all([blobs.open(BLOB, WHOLE, read), blobs.open(BLOB, WHOLE, read)]);
  for (const stream of both) assert.deepEqual(await bytesOf(stream), CONTENT);
  const part = await blobs.open(BLOB, { start: 99_999, lengthBytes: 70_001 }, read);
  assert.deepEqual(await bytesOf(part), CONTENT.subarray(99_999, 170_000));
  assert.equal(state.reads, 1, "one read for both that waited, none for the third");
});

Deno.test("HotBlobs: a rotten object is passed on and not kept", async () => {
  const blobs = new HotBlobs();
  const rotten = CONTENT.slice().fill(0, 7, 9);
  const { read } = storageOf(rotten, CONTENT);
  await blobs.open(BLOB, WHOLE, read);
  assert.deepEqual(await bytesOf(await blobs.open(BLOB, WHOLE, read)), rotten);
  assert.deepEqual(await bytesOf(await blobs.open(BLOB, WHOLE, read)), CONTENT);
});

Deno.test("HotBlobs: an object of another size is an error; an empty and a large blob are fine", async () => {
  const blobs = new HotBlobs();
  const { read } = storageOf(CONTENT.slice(1), new Uint8Array());
  await blobs.open(BLOB, WHOLE, read);
  await assert.rejects(
    () => blobs.open(BLOB, WHOLE, read),
    (error) => error instanceof AppError && error.code === "storage_unavailable",
  );
  const empty = { digest: digestOf(new Uint8Array()), sizeBytes: 0 };
  await blobs.open(empty, { start: 0, lengthBytes: 0 }, read);
  const kept = await blobs.open(empty, { start: 0, lengthBytes: 0 }, read);
  assert.deepEqual(await bytesOf(kept), new Uint8Array());
  const large = { ...BLOB, sizeBytes: 2 << 20 };
  for (let pull = 0; pull < 3; pull++) assert.equal(await blobs.open(large, WHOLE, read), undefined);
});
