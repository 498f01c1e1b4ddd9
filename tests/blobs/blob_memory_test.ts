import assert from "node:assert/strict";
import { findBlobByName, openBlob, unlinkBlob } from "../../src/domain/content/blobs.ts";
import { pushBlob } from "../../src/domain/content/uploads.ts";
import { ChangeCounters } from "../../src/lib/change_counters.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { readAll } from "../storage/driver_suite.ts";
import { withRegistry } from "./registry.ts";

const APP = { namespace: "acme", name: "app" };

Deno.test("findBlobByName(): what one thread remembers ends when another thread unlinks the blob", () =>
  withRegistry(async ({ deps: plain, ids, sql }) => {
    const memory = ChangeCounters.allocate();
    const reader = { ...plain, changes: new ChangeCounters(memory), now: () => 1_000_000 };
    const writer = { ...plain, changes: new ChangeCounters(memory) };
    const digest = digestOf("blob");
    assert.equal((await findBlobByName(reader, APP, digest))?.blob, undefined);
    await pushBlob(writer, ids.app, digest, { stream: new Response("blob").body, lengthBytes: undefined });
    for (let pull = 0; pull < 3; pull++) {
      const blob = (await findBlobByName(reader, APP, digest))?.blob;
      assert.equal(blob?.sizeBytes, 4, "a push is seen at once, and again");
      assert.deepEqual(await readAll(await openBlob(reader, blob)), new TextEncoder().encode("blob"));
    }
    // Behind its back, which nothing but a counter can tell: proof that the answer came from memory.
    await sql`update imagestorage set image_size = 5 where content_checksum = ${digest}`;
    assert.equal((await findBlobByName(reader, APP, digest))?.blob?.sizeBytes, 4);

    await unlinkBlob(writer, ids.app, digest);
    assert.equal((await findBlobByName(reader, APP, digest))?.blob, undefined);
  }));
