import assert from "node:assert/strict";
import { appendToUpload, finishUpload, startUpload } from "../../src/domain/content/uploads.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { cleanUploads } from "../../src/workers/upload_cleanup.ts";
import { type TestRegistry, withRegistry } from "./registry.ts";

async function session({ deps, ids }: TestRegistry, text: string): Promise<string> {
  const { uuid } = await startUpload(deps, ids.app);
  const stream = new Response(text).body;
  await appendToUpload(deps, ids.app, uuid, { stream, lengthBytes: undefined, start: undefined });
  return uuid;
}

Deno.test("cleanUploads(): stale sessions and orphaned files go, live ones and blobs stay", () =>
  withRegistry(async (registry) => {
    const { deps, ids, sql, root } = registry;
    const stale = await session(registry, "stale");
    const busy = await session(registry, "old, but somebody writes to it");
    const live = await session(registry, "live");
    const done = await session(registry, "done");
    await finishUpload(deps, ids.app, done, digestOf("done"), {
      stream: null,
      lengthBytes: 0,
      start: undefined,
    });
    const orphan = crypto.randomUUID();
    await Deno.writeTextFile(`${root}/uploads/${orphan}`, "left by a crash");
    await sql`update blobupload set created = now() at time zone 'utc' - interval '2881 minutes'
      where uuid in (${stale}, ${busy})`;
    await sql`update blobupload set lease_token = 'x', lease_expires_at = now() at time zone 'utc' + interval '1 minute'
      where uuid = ${busy}`;

    assert.deepEqual(await cleanUploads(deps, { orphanAgeMs: 600_000 }), { sessions: 1, files: 0 });
    const blob = `sha256/${digestOf("done").slice(7, 9)}/${digestOf("done").slice(7)}`;
    assert.deepEqual(
      await registry.files(),
      [blob, ...[busy, live, orphan].map((uuid) => `uploads/${uuid}`)].sort(),
    );
    assert.deepEqual(await cleanUploads(deps, { orphanAgeMs: 0 }), { sessions: 0, files: 1 });
    assert.deepEqual(await registry.files(), [blob, ...[busy, live].map((uuid) => `uploads/${uuid}`)].sort());
    assert.deepEqual(await cleanUploads(deps, { orphanAgeMs: 0 }), { sessions: 0, files: 0 });
  }));

Deno.test("cleanUploads() with CLEAN_BLOB_UPLOAD_FOLDER false: leaves files without a session alone", () =>
  withRegistry(
    async (registry) => {
      await session(registry, "makes the folder");
      await Deno.writeTextFile(`${registry.root}/uploads/${crypto.randomUUID()}`, "kept");
      assert.deepEqual(await cleanUploads(registry.deps, { orphanAgeMs: 0 }), { sessions: 0, files: 0 });
      assert.equal((await registry.files()).length, 2);
    },
    undefined,
    { CLEAN_BLOB_UPLOAD_FOLDER: false },
  ));
