import assert from "node:assert/strict";
import { digestOf } from "../../src/oci/digest.ts";
import { type TestRegistry, withRegistry } from "./registry.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const blobPath = (digest: string, name = "acme/app") => `/v2/${name}/blobs/${digest}`;
const openDescriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;

async function push(registry: TestRegistry, body: Uint8Array<ArrayBuffer>, name = "acme/app") {
  const digest = digestOf(body);
  const headers = { authorization: await registry.bearer({ [name]: ["pull", "push"] }) };
  const response = await registry.call("POST", `/v2/${name}/blobs/uploads/?digest=${digest}`, {
    body,
    headers,
  });
  assert.equal(response.status, 201);
  return digest;
}

async function expectError(response: Response, status: number, code: string): Promise<void> {
  const body = await response.json();
  assert.equal(response.status, status, JSON.stringify(body));
  assert.equal(body.errors[0].code, code);
}

Deno.test("GET, HEAD /v2/<name>/blobs/<digest>: bytes and headers", () =>
  withRegistry(async (registry) => {
    const digest = await push(registry, bytes("0123456789"));
    for (const method of ["GET", "HEAD"]) {
      const response = await registry.call(method, blobPath(digest));
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-length"), "10");
      assert.equal(response.headers.get("docker-content-digest"), digest);
      assert.equal(response.headers.get("content-type"), "application/octet-stream");
      assert.equal(response.headers.get("accept-ranges"), "bytes");
      assert.match(response.headers.get("cache-control") ?? "", /max-age=\d+/);
      assert.equal(await response.text(), method === "GET" ? "0123456789" : "");
    }
    const cached = await registry.call("GET", blobPath(digest), {
      headers: { "if-none-match": `"${digest}"` },
    });
    assert.equal(cached.status, 304);
    assert.equal(await cached.text(), "");
  }));

Deno.test("GET /v2/<name>/blobs/<digest> with Range: 206, 416 or the whole", () =>
  withRegistry(async (registry) => {
    const digest = await push(registry, bytes("0123456789"));
    const cases: [string, number, string, string | null][] = [
      ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
      ["bytes=4-", 206, "456789", "bytes 4-9/10"],
      ["bytes=-3", 206, "789", "bytes 7-9/10"],
      ["bytes=8-100", 206, "89", "bytes 8-9/10"],
      ["bytes=10-", 416, "", "bytes */10"],
      ["bytes=5-2", 416, "", "bytes */10"],
      ["bytes=0-1,3-4", 200, "0123456789", null],
    ];
    for (const [range, status, body, contentRange] of cases) {
      const response = await registry.call("GET", blobPath(digest), { headers: { range } });
      assert.equal(response.status, status, range);
      assert.equal(await response.text(), body, range);
      assert.equal(response.headers.get("content-range"), contentRange, range);
      assert.equal(response.headers.get("content-length"), `${body.length}`, range);
    }
    const changed = { range: "bytes=0-3", "if-range": '"something else"' };
    const whole = await registry.call("GET", blobPath(digest), { headers: changed });
    assert.equal(whole.status, 200);
    assert.equal(await whole.text(), "0123456789");
  }));

Deno.test("GET /v2/<name>/blobs/<digest>: unknown, foreign and malformed digests", () =>
  withRegistry(async (registry) => {
    const foreign = await push(registry, bytes("of another repository"), "acme/other");
    await expectError(await registry.call("GET", blobPath(foreign)), 404, "BLOB_UNKNOWN");
    await expectError(await registry.call("GET", blobPath(digestOf("nobody has it"))), 404, "BLOB_UNKNOWN");
    for (
      const bad of [
        "sha256:abc",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "latest",
        `sha256:${"G".repeat(64)}`,
      ]
    ) {
      await expectError(await registry.call("GET", blobPath(bad)), 400, "DIGEST_INVALID");
    }
  }));

Deno.test("GET /v2/<name>/blobs/<digest>: expired push without a manifest is gone, a manifest keeps it", () =>
  withRegistry(async (registry) => {
    const digest = await push(registry, bytes("fresh"));
    await registry.sql`update uploadedblob set expires_at = now() at time zone 'utc' - interval '1 second'`;
    await expectError(await registry.call("GET", blobPath(digest)), 404, "BLOB_UNKNOWN");
    await linkManifest(registry, digest, null);
    const response = await registry.call("GET", blobPath(digest));
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "fresh");
  }));

Deno.test("GET /v2/<name>/blobs/<digest>: HEAD, 304, 416, full reads and clients that leave close every file", () =>
  withRegistry(async (registry) => {
    const digest = await push(registry, new Uint8Array(24 << 20));
    const path = blobPath(digest);
    await (await registry.call("GET", path)).arrayBuffer();
    const settled = openDescriptors();
    const filesOpen = () =>
      [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
        try {
          return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(registry.root);
        } catch {
          return false;
        }
      }).length;
    for (let i = 0; i < 5; i++) {
      await registry.call("HEAD", path);
      await (await registry.call("GET", path, { headers: { range: "bytes=99999999-" } })).text();
      await (await registry.call("GET", path)).arrayBuffer();
      const left = await registry.call("GET", path);
      const reader = left.body!.getReader();
      await reader.read();
      await reader.cancel();
    }
    for (let i = 0; i < 200 && filesOpen() > 0; i++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(filesOpen(), 0, `descriptors: ${settled} before, ${openDescriptors()} after`);
  }));

Deno.test("DELETE /v2/<name>/blobs/<digest>: 202 and gone here, still there elsewhere; then 404", () =>
  withRegistry(async (registry) => {
    const digest = await push(registry, bytes("shared"));
    await push(registry, bytes("shared"), "acme/other");
    const deleted = await registry.call("DELETE", blobPath(digest));
    assert.equal(deleted.status, 202);
    assert.equal((await registry.call("HEAD", blobPath(digest))).status, 404);
    await expectError(await registry.call("DELETE", blobPath(digest)), 404, "BLOB_UNKNOWN");
    const headers = { authorization: await registry.bearer({ "acme/other": ["pull"] }) };
    const elsewhere = await registry.call("GET", blobPath(digest, "acme/other"), { headers });
    assert.equal(await elsewhere.text(), "shared");
    await push(registry, bytes("shared"));
    assert.equal((await registry.call("HEAD", blobPath(digest))).status, 200);
  }));

Deno.test("DELETE /v2/<name>/blobs/<digest>: 405 while a live manifest needs it, 202 after; a restored tag finds it", () =>
  withRegistry(async (registry) => {
    const digest = await push(registry, bytes("layer"));
    const manifestId = await linkManifest(registry, digest, null);
    await expectError(await registry.call("DELETE", blobPath(digest)), 405, "UNSUPPORTED");
    assert.equal((await registry.call("HEAD", blobPath(digest))).status, 200);

    await registry.sql`update tag set lifetime_end_ms = 2 where manifest_id = ${manifestId}`;
    const deleted = await registry.call("DELETE", blobPath(digest));
    assert.equal(deleted.status, 202);
    assert.equal((await registry.call("HEAD", blobPath(digest))).status, 404);

    await registry.sql`update tag set lifetime_end_ms = null where manifest_id = ${manifestId}`;
    assert.equal((await registry.call("HEAD", blobPath(digest))).status, 200);

    // Pushed again after the deletion: the old manifest's link counts again, for longer than the push itself keeps it.
    await registry.sql`update tag set lifetime_end_ms = 2 where manifest_id = ${manifestId}`;
    await push(registry, bytes("layer"));
    await registry.sql`delete from uploadedblob`;
    assert.equal((await registry.call("HEAD", blobPath(digest))).status, 200);
  }));

async function linkManifest(registry: TestRegistry, digest: string, endMs: number | null): Promise<number> {
  const { sql, ids } = registry;
  const [manifest] = await sql<{ id: number }[]>`
    insert into manifest (repository_id, digest, media_type_id, manifest_bytes)
    select ${ids.app}, ${digestOf(digest)}, min(id), '{}' from mediatype returning id`;
  await sql`insert into manifestblob (repository_id, manifest_id, blob_id)
    select ${ids.app}, ${manifest!.id}, id from imagestorage where content_checksum = ${digest}`;
  await sql`insert into tag (name, repository_id, manifest_id, lifetime_start_ms, lifetime_end_ms, hidden, reversion,
      tag_kind_id)
    select 'v1', ${ids.app}, ${manifest!.id}, 1, ${endMs}, false, false, min(id) from tagkind`;
  return manifest!.id;
}

Deno.test("GET /v2/<name>/blobs/<digest>: no such repository, a disabled namespace, a token for another repository", () =>
  withRegistry(async (registry) => {
    const digest = await push(registry, bytes("x"));
    const missing = { authorization: await registry.bearer({ "acme/missing": ["pull"] }) };
    const path = blobPath(digest, "acme/missing");
    await expectError(await registry.call("GET", path, { headers: missing }), 404, "NAME_UNKNOWN");
    await expectError(
      await registry.call("GET", blobPath(digest), { headers: missing }),
      401,
      "UNAUTHORIZED",
    );
    const pullOnly = { authorization: await registry.bearer({ "acme/app": ["pull"] }) };
    await expectError(
      await registry.call("DELETE", blobPath(digest), { headers: pullOnly }),
      401,
      "UNAUTHORIZED",
    );
    await registry.sql`update "user" set enabled = false where username = 'acme'`;
    await expectError(await registry.call("GET", blobPath(digest)), 405, "DENIED");
  }));
