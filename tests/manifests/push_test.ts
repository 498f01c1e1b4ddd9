import assert from "node:assert/strict";
import { digestOf } from "../../src/oci/digest.ts";
import { MANIFEST_MAX_BYTES } from "../../src/oci/manifest.ts";
import { DOCKER_LIST, OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media_types.ts";
import { addRepository, expectError, index, LAYER, withRegistry } from "./fixture.ts";

const path = (reference: string) => `/v2/acme/app/manifests/${reference}`;

Deno.test("PUT /v2/<name>/manifests/<tag>: stored byte for byte, read back by tag and digest", () =>
  withRegistry(async (registry) => {
    const body = `\n${
      JSON.stringify(await registry.image("one", { "x-unknown": { "é": [1, 2.50] } }), null, 3)
    }\n `;
    const digest = digestOf(body);
    const pushed = await registry.push("v1", body);
    assert.equal(pushed.status, 201);
    assert.equal(await pushed.text(), "OK");
    assert.equal(pushed.headers.get("docker-content-digest"), digest);
    assert.equal(pushed.headers.get("location"), path(digest));
    assert.equal(pushed.headers.get("oci-subject"), null);
    for (const reference of ["v1", digest]) {
      for (const method of ["GET", "HEAD"]) {
        const response = await registry.call(method, path(reference));
        assert.equal(response.status, 200);
        assert.equal(response.headers.get("content-type"), OCI_MANIFEST);
        assert.equal(response.headers.get("docker-content-digest"), digest);
        assert.equal(response.headers.get("content-length"), `${new TextEncoder().encode(body).byteLength}`);
        assert.equal(response.headers.get("etag"), `"${digest}"`);
        assert.equal(await response.text(), method === "GET" ? body : "");
      }
      const cached = await registry.call("GET", path(reference), {
        headers: { "if-none-match": `"x", W/"${digest}"` },
      });
      assert.equal(cached.status, 304);
    }
    const row = await registry
      .sql`select config_media_type, layers_compressed_size::integer as size from manifest`;
    assert.deepEqual({ ...row[0] }, {
      config_media_type: "application/vnd.oci.image.config.v1+json",
      size: 3,
    });
  }));

Deno.test("PUT /v2/<name>/manifests/<digest>: sha256 and sha512, with tag parameters", () =>
  withRegistry(async (registry) => {
    const body = JSON.stringify(await registry.image("one"));
    for (const algorithm of ["sha256", "sha512"] as const) {
      const digest = digestOf(body, algorithm);
      const pushed = await registry.push(`${digest}?tag=a-${algorithm}&tag=b-${algorithm}`, body);
      assert.equal(pushed.status, 201, await pushed.text());
      assert.equal(pushed.headers.get("oci-tag"), `a-${algorithm}, b-${algorithm}`);
      for (const reference of [digest, `a-${algorithm}`, `b-${algorithm}`]) {
        const response = await registry.call("HEAD", path(reference));
        assert.equal(response.status, 200);
        assert.equal(response.headers.get("docker-content-digest"), digest);
      }
    }
    await expectError(await registry.push(`${digestOf(body)}?tag=-bad`, body), 400, "TAG_INVALID");
    await expectError(await registry.push(digestOf("other"), body), 400, "DIGEST_INVALID");
    await expectError(await registry.push("sha256:baddigeststring", body), 400, "DIGEST_INVALID");
    await expectError(await registry.push("-x", body), 400, "TAG_INVALID");
  }));

Deno.test("PUT by digest without a tag: kept for PUSH_TEMP_TAG_EXPIRATION_SEC, not listed", () =>
  withRegistry(async (registry) => {
    const child = await registry.child("one");
    await registry.child("one");
    assert.equal((await registry.call("HEAD", path(child.digest))).status, 200);
    const hidden = await registry.sql`select name, hidden from tag`;
    assert.equal(hidden.length, 1);
    assert.match(hidden[0]?.name, /^\$temp-/);
    const list = await registry.call("GET", "/v2/acme/app/tags/list");
    assert.deepEqual(await list.json(), { name: "acme/app", tags: [] });
    registry.clock.ms += 60_001;
    await expectError(await registry.call("GET", path(child.digest)), 404, "MANIFEST_UNKNOWN");
  }, { PUSH_TEMP_TAG_EXPIRATION_SEC: 60 }));

Deno.test("PUT: what is missing is refused and named; what lives elsewhere may be missing", () =>
  withRegistry(async (registry) => {
    const image = await registry.image("one");
    const [a, b] = [digestOf("absent a"), digestOf("absent b")];
    const gone = [{ mediaType: LAYER, digest: a, size: 1 }, { mediaType: LAYER, digest: b, size: 1 }];
    const refused = await expectError(
      await registry.push("v1", { ...image, layers: gone }),
      400,
      "MANIFEST_BLOB_UNKNOWN",
    );
    assert.deepEqual(refused.detail, { digests: [a, b] });
    const child = { mediaType: OCI_MANIFEST, digest: a, size: 1 };
    await expectError(await registry.push("v1", index([child])), 400, "MANIFEST_BLOB_UNKNOWN");
    assert.equal((await registry.sql`select 1 from manifest`).length, 0);
    assert.equal((await registry.sql`select 1 from tag`).length, 0);
    const foreign = [
      {
        mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar",
        digest: a,
        size: 1,
        urls: ["https://x.test/a"],
      },
      { mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", digest: b, size: 1 },
    ];
    assert.equal((await registry.push("v1", { ...image, layers: foreign })).status, 201);
    const subject = { mediaType: OCI_MANIFEST, digest: a, size: 1 };
    const pushed = await registry.push("v2", { ...image, subject });
    assert.equal(pushed.status, 201);
    assert.equal(pushed.headers.get("oci-subject"), a);
  }));

Deno.test("PUT: a blob of another repository does not count", () =>
  withRegistry(async (registry) => {
    const image = await registry.image("one");
    const [{ namespaceId } = { namespaceId: 0 }] = await registry.sql<{ namespaceId: number }[]>`
      select namespace_user_id as "namespaceId" from repository`;
    const otherId = await addRepository(registry.sql, namespaceId, "other", "public");
    await registry.sql`update uploadedblob set repository_id = ${otherId}`;
    await expectError(await registry.push("v1", image), 400, "MANIFEST_BLOB_UNKNOWN");
  }));

Deno.test("PUT: indexes, nested too; children are readable through them and not without them", () =>
  withRegistry(async (registry) => {
    const child = await registry.child("one");
    const inner = JSON.stringify(index([child]));
    const innerDescriptor = { mediaType: OCI_INDEX, digest: digestOf(inner), size: inner.length };
    assert.equal((await registry.push(innerDescriptor.digest, inner, OCI_INDEX)).status, 201);
    assert.equal((await registry.push("all", index([innerDescriptor, child, child]))).status, 201);
    registry.clock.ms += 60_001;
    for (const digest of [child.digest, innerDescriptor.digest]) {
      assert.equal((await registry.call("HEAD", path(digest))).status, 200);
    }
    assert.equal((await registry.call("DELETE", path("all"))).status, 202);
    for (const digest of [child.digest, innerDescriptor.digest]) {
      assert.equal((await registry.call("HEAD", path(digest))).status, 404);
    }
    assert.equal((await registry.push("empty", index([]))).status, 201);
    const list = index([], { mediaType: DOCKER_LIST });
    assert.equal((await registry.push("list", list)).status, 201);
  }, { PUSH_TEMP_TAG_EXPIRATION_SEC: 60 }));

Deno.test("PUT: the same push again changes nothing", () =>
  withRegistry(async (registry) => {
    const image = await registry.image("one", { annotations: { a: "b" } });
    for (let times = 0; times < 3; times++) {
      assert.equal((await registry.push("v1", image)).status, 201);
      registry.clock.ms += 1000;
    }
    const counts = await registry.sql`
      select (select count(*)::integer from tag) as tags, (select count(*)::integer from manifest) as manifests,
        (select count(*)::integer from manifestblob) as blobs, (select count(*)::integer from manifestlabel) as labels`;
    assert.deepEqual({ ...counts[0] }, { tags: 1, manifests: 1, blobs: 2, labels: 1 });
  }));

Deno.test("PUT: many pushes at once to one new tag leave one live tag and a clean history", () =>
  withRegistry(async (registry) => {
    const images = [];
    for (let at = 0; at < 12; at++) images.push(await registry.image(`image ${at}`));
    const responses = await Promise.all(images.map((image) => registry.push("new", image)));
    assert.deepEqual(responses.map((response) => response.status), images.map(() => 201));
    const rows = await registry.sql<{ end: number | null }[]>`
      select lifetime_end_ms as "end" from tag where name = 'new' order by id`;
    assert.equal(rows.length, 12);
    assert.deepEqual(rows.map((row) => row.end === null), [...Array(11).fill(false), true]);
    assert.equal(new Set(rows.map((row) => row.end)).size, 12);
  }));

Deno.test("PUT: quay.expires-after from labels, annotations and all children; applied again by the next push", () =>
  withRegistry(async (registry) => {
    const { clock } = registry;
    const endOf = async (tag: string) => {
      const [row] = await registry.sql<{ end: number | null }[]>`
        select lifetime_end_ms as "end" from tag where name = ${tag} order by id desc limit 1`;
      return row?.end === null ? null : row!.end - clock.ms;
    };
    const labelled = await registry.image("one", {}, { Labels: { "quay.expires-after": "1h" } });
    await registry.push("label", labelled);
    assert.equal(await endOf("label"), 3_600_000);
    clock.ms += 1000;
    await registry.push("label", labelled);
    assert.equal(await endOf("label"), 3_600_000);
    await registry.push("note", await registry.image("two", { annotations: { "quay.expires-after": "2d" } }));
    assert.equal(await endOf("note"), 2 * 86_400_000);
    await registry.push(
      "bad",
      await registry.image("three", { annotations: { "quay.expires-after": "soon" } }),
    );
    assert.equal(await endOf("bad"), null);
    await registry.push(
      "short",
      await registry.image("four", { annotations: { "quay.expires-after": "1m" } }),
    );
    const a = await registry.child("a", { annotations: { "quay.expires-after": "3h" } });
    const b = await registry.child("b", {}, { Labels: { "quay.expires-after": "3h" } });
    await registry.push("both", index([a, b]));
    assert.equal(await endOf("both"), 3 * 3_600_000);
    await registry.push("mixed", index([a, await registry.child("c")]));
    assert.equal(await endOf("mixed"), null);
    clock.ms += 60_001;
    await expectError(await registry.call("GET", path("short")), 404, "TAG_EXPIRED");
  }));

const JSON_NOT: readonly [what: string, body: BodyInit, contentType: string, status: number, code: string][] =
  [
    ["malformed JSON", "{", OCI_MANIFEST, 400, "MANIFEST_INVALID"],
    ["invalid UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), OCI_MANIFEST, 400, "MANIFEST_INVALID"],
    ["a NUL", "{\0}", OCI_MANIFEST, 400, "MANIFEST_INVALID"],
    ["deep nesting", `{"a":${"[".repeat(1_000_000)}`, OCI_MANIFEST, 400, "MANIFEST_INVALID"],
    ["unsupported type", "{}", "text/plain", 415, "MANIFEST_INVALID"],
    ["schema 1", "{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", 415, "MANIFEST_INVALID"],
    ["plain JSON", "{}", "application/json", 415, "MANIFEST_INVALID"],
    ["another type inside", JSON.stringify(index([])), OCI_MANIFEST, 400, "MANIFEST_INVALID"],
    ["one byte too long", " ".repeat(MANIFEST_MAX_BYTES + 1), OCI_MANIFEST, 413, "SIZE_INVALID"],
  ];

Deno.test("PUT: bad bodies get the right error and store nothing", () =>
  withRegistry(async (registry) => {
    for (const [what, body, contentType, status, code] of JSON_NOT) {
      const response = await registry.call("PUT", path("v1"), {
        body,
        headers: { "content-type": contentType },
      });
      await expectError(response, status, code).catch((error) => assert.fail(`${what}: ${error.message}`));
    }
    assert.equal((await registry.sql`select 1 from manifest`).length, 0);
  }));

Deno.test("PUT: a body without end is read no further than the limit", () =>
  withRegistry(async (registry) => {
    let given = 0;
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        given += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
      cancel() {
        cancelled = true;
      },
    });
    const response = await registry.call("PUT", path("v1"), {
      body,
      headers: { "content-type": OCI_MANIFEST },
    });
    await expectError(response, 413, "SIZE_INVALID");
    assert.ok(cancelled);
    assert.ok(given < MANIFEST_MAX_BYTES * 2);
  }));
