import assert from "node:assert/strict";
import { digestOf } from "../../src/oci/digest.ts";
import { type TestRegistry, withRegistry } from "./registry.ts";

const START = "/v2/acme/app/blobs/uploads/";
const bytes = (text: string) => new TextEncoder().encode(text);

async function start(registry: TestRegistry, query = ""): Promise<string> {
  const response = await registry.call("POST", `${START}${query}`);
  assert.equal(response.status, 202);
  assert.equal(response.headers.get("range"), "0--1");
  const location = response.headers.get("location") ?? "";
  assert.ok(location.startsWith(START), location);
  assert.equal(location.slice(START.length), response.headers.get("docker-upload-uuid"));
  return location;
}

async function expectError(response: Response, status: number, code: string): Promise<void> {
  const body = await response.json();
  assert.equal(response.status, status, JSON.stringify(body));
  assert.equal(body.errors[0].code, code);
}

async function expectBlob(registry: TestRegistry, digest: string, body: Uint8Array): Promise<void> {
  const response = await registry.call("GET", `/v2/acme/app/blobs/${digest}`);
  assert.equal(response.status, 200);
  assert.deepEqual(new Uint8Array(await response.arrayBuffer()), body);
}

const absent = async (registry: TestRegistry, digest: string) =>
  assert.equal((await registry.call("HEAD", `/v2/acme/app/blobs/${digest}`)).status, 404);

const patch = (registry: TestRegistry, location: string, body: string, range?: string) =>
  registry.call("PATCH", location, {
    body: bytes(body),
    headers: range === undefined ? {} : { "content-range": range },
  });

/** Sends the head of a request and part of its body, then drops the connection. */
async function sendAndDrop(
  registry: TestRegistry,
  method: string,
  path: string,
  length: number,
  part: Uint8Array,
) {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: registry.port });
  const authorization = await registry.bearer({ "acme/app": ["pull", "push"] });
  await connection.write(bytes(
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Length: ${length}\r\n\r\n`,
  ));
  for (let at = 0; at < part.length;) at += await connection.write(part.subarray(at));
  await new Promise((resolve) => setTimeout(resolve, 150));
  connection.close();
}

async function statusWhen(registry: TestRegistry, location: string, range: string): Promise<void> {
  for (let i = 0;; i++) {
    const response = await registry.call("GET", location);
    assert.equal(response.status, 204);
    if (response.headers.get("range") === range) return;
    assert.ok(i < 100, `Range is ${response.headers.get("range")}, wanted ${range}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("POST + PUT: 201, Location, digest header, no temporary file", () =>
  withRegistry(async (registry) => {
    const body = bytes("hello");
    const digest = digestOf(body);
    const location = await start(registry);
    const response = await registry.call("PUT", `${location}?digest=${digest}`, { body });
    assert.equal(response.status, 201);
    assert.equal(response.headers.get("location"), `/v2/acme/app/blobs/${digest}`);
    assert.equal(response.headers.get("docker-content-digest"), digest);
    await expectBlob(registry, digest, body);
    assert.deepEqual(await registry.files(), [`sha256/${digest.slice(7, 9)}/${digest.slice(7)}`]);
    await expectError(await registry.call("GET", location), 404, "BLOB_UPLOAD_UNKNOWN");
  }));

Deno.test("POST ?digest=: 201 for sha256, sha512 and the empty blob; twice is once", () =>
  withRegistry(async (registry) => {
    for (const text of ["monolithic", "", "monolithic"]) {
      for (const algorithm of ["sha256", "sha512"] as const) {
        const body = bytes(text);
        const digest = digestOf(body, algorithm);
        const response = await registry.call("POST", `${START}?digest=${digest}`, { body });
        assert.equal(response.status, 201);
        await expectBlob(registry, digest, body);
      }
    }
    const [{ count } = { count: 0 }] = await registry.sql<{ count: number }[]>`
      select count(*)::int as count from imagestorage where content_checksum is not null`;
    assert.equal(count, 4);
  }));

Deno.test("empty blob: POST + PUT without a body", () =>
  withRegistry(async (registry) => {
    const digest = digestOf("");
    const location = await start(registry);
    assert.equal((await registry.call("PUT", `${location}?digest=${digest}`)).status, 201);
    await expectBlob(registry, digest, new Uint8Array());
  }));

Deno.test("PATCH chunks with Content-Range, status between them, last chunk in PUT", () =>
  withRegistry(async (registry) => {
    const digest = digestOf("abcdefghij");
    const location = await start(registry);
    const first = await patch(registry, location, "abcd", "0-3");
    assert.equal(first.status, 202);
    assert.equal(first.headers.get("range"), "0-3");
    assert.equal(first.headers.get("location"), location);
    const status = await registry.call("GET", location);
    assert.equal(status.status, 204);
    assert.equal(status.headers.get("range"), "0-3");
    assert.equal((await patch(registry, location, "efg", "4-6")).headers.get("range"), "0-6");
    const headers = { "content-range": "7-9" };
    const put = await registry.call("PUT", `${location}?digest=${digest}`, { body: bytes("hij"), headers });
    assert.equal(put.status, 201);
    await expectBlob(registry, digest, bytes("abcdefghij"));
  }));

Deno.test("PATCH out of order, PUT out of order: 416 with Range and Location, and the upload goes on", () =>
  withRegistry(async (registry) => {
    const digest = digestOf("abcdef");
    const location = await start(registry);
    await patch(registry, location, "abc", "0-2");
    for (const [method, range] of [["PATCH", "4-6"], ["PATCH", "0-2"], ["PUT", "9-11"]] as const) {
      const path = method === "PUT" ? `${location}?digest=${digest}` : location;
      const response = await registry.call(method, path, {
        body: bytes("xyz"),
        headers: { "content-range": range },
      });
      assert.equal(response.headers.get("range"), "0-2");
      assert.equal(response.headers.get("location"), location);
      await expectError(response, 416, "BLOB_UPLOAD_INVALID");
    }
    await patch(registry, location, "def", "3-5");
    assert.equal((await registry.call("PUT", `${location}?digest=${digest}`)).status, 201);
    await expectBlob(registry, digest, bytes("abcdef"));
  }));

Deno.test("PATCH streamed without a length, then PUT: 8 MiB + 11", () =>
  withRegistry(async (registry) => {
    const body = new Uint8Array((8 << 20) + 11);
    for (let i = 0; i < body.length; i++) body[i] = (i * 7 + (i >> 9)) & 255;
    const location = await start(registry);
    const stream = new ReadableStream({
      start(controller) {
        for (let at = 0; at < body.length; at += 100_003) controller.enqueue(body.subarray(at, at + 100_003));
        controller.close();
      },
    });
    const response = await registry.call("PATCH", location, { body: stream });
    assert.equal(response.headers.get("range"), `0-${body.length - 1}`);
    assert.equal((await registry.call("PUT", `${location}?digest=${digestOf(body)}`)).status, 201);
    await expectBlob(registry, digestOf(body), body);
    assert.equal(registry.deps.uploads.buffers.out, 0);
  }));

Deno.test("sha512: with ?digest-algorithm=, and without it by reading again", () =>
  withRegistry(async (registry) => {
    for (const query of ["?digest-algorithm=sha512", ""]) {
      const body = `body ${query}`;
      const digest = digestOf(body, "sha512");
      const location = await start(registry, query);
      await patch(registry, location, body);
      assert.equal((await registry.call("PUT", `${location}?digest=${digest}`)).status, 201);
      await expectBlob(registry, digest, bytes(body));
    }
    await expectError(await registry.call("POST", `${START}?digest-algorithm=md5`), 400, "DIGEST_INVALID");
  }));

Deno.test("wrong digest: 400 DIGEST_INVALID, nothing stored, the right one still works", () =>
  withRegistry(async (registry) => {
    const wrong = digestOf("something else");
    const body = bytes("hello");
    await expectError(
      await registry.call("POST", `${START}?digest=${wrong}`, { body }),
      400,
      "DIGEST_INVALID",
    );
    assert.deepEqual(await registry.files(), []);

    const location = await start(registry);
    for (let attempt = 0; attempt < 2; attempt++) {
      const response = await registry.call("PUT", `${location}?digest=${wrong}`, { body });
      await expectError(response, 400, "DIGEST_INVALID");
    }
    await absent(registry, wrong);
    await absent(registry, digestOf(body));
    assert.equal((await registry.call("PUT", `${location}?digest=${digestOf(body)}`, { body })).status, 201);

    const patched = await start(registry);
    await patch(registry, patched, "patched");
    await expectError(await registry.call("PUT", `${patched}?digest=${wrong}`), 400, "DIGEST_INVALID");
    await expectError(await registry.call("PUT", patched), 400, "DIGEST_INVALID");
    await expectError(await registry.call("PUT", `${patched}?digest=sha256:12`), 400, "DIGEST_INVALID");
    assert.equal((await registry.call("PUT", `${patched}?digest=${digestOf("patched")}`)).status, 201);
  }));

Deno.test("lengths that differ: 400 SIZE_INVALID; malformed Content-Range: 400; the upload is unharmed", () =>
  withRegistry(async (registry) => {
    const location = await start(registry);
    await expectError(await patch(registry, location, "abc", "0-9"), 400, "SIZE_INVALID");
    for (const range of ["x", "5", "3-1", "0-"]) {
      await expectError(await patch(registry, location, "abc", range), 400, "BLOB_UPLOAD_INVALID");
    }
    const short = new ReadableStream({
      start(controller) {
        controller.enqueue(bytes("abc"));
        controller.close();
      },
    });
    const headers = { "content-range": "0-9" };
    await expectError(await registry.call("PATCH", location, { body: short, headers }), 400, "SIZE_INVALID");
    await statusWhen(registry, location, "0--1");
    await patch(registry, location, "abc", "0-2");
    assert.equal((await registry.call("PUT", `${location}?digest=${digestOf("abc")}`)).status, 201);
  }));

Deno.test("unknown uploads: 404 for another uuid, another repository, traversal and no uuid at all", () =>
  withRegistry(async (registry) => {
    const location = await start(registry);
    const uuid = location.slice(START.length);
    const headers = { authorization: await registry.bearer({ "acme/other": ["pull", "push"] }) };
    const foreign = `/v2/acme/other/blobs/uploads/${uuid}`;
    for (const method of ["GET", "PATCH", "PUT", "DELETE"]) {
      const path = method === "PUT" ? `${foreign}?digest=${digestOf("")}` : foreign;
      await expectError(await registry.call(method, path, { headers }), 404, "BLOB_UPLOAD_UNKNOWN");
    }
    for (const name of [crypto.randomUUID(), "nonsense", uuid.toUpperCase(), `${uuid}x`, "..."]) {
      await expectError(await registry.call("GET", `${START}${name}`), 404, "BLOB_UPLOAD_UNKNOWN");
      await expectError(
        await registry.call("PATCH", `${START}${name}`, { body: "x" }),
        404,
        "BLOB_UPLOAD_UNKNOWN",
      );
    }
    for (const name of ["%2e%2e%2fsha256", "..%2f..%2fetc%2fpasswd", "%00", `${uuid}%00`]) {
      assert.equal((await registry.call("GET", `${START}${name}`)).status, 404);
    }
    assert.equal((await registry.call("GET", location)).status, 204);
  }));

Deno.test("DELETE upload: 204, its file is gone, and so is the session", () =>
  withRegistry(async (registry) => {
    const location = await start(registry);
    await patch(registry, location, "abc");
    assert.equal((await registry.files()).length, 1);
    assert.equal((await registry.call("DELETE", location)).status, 204);
    assert.deepEqual(await registry.files(), []);
    await expectError(await registry.call("GET", location), 404, "BLOB_UPLOAD_UNKNOWN");
    await expectError(await registry.call("DELETE", location), 404, "BLOB_UPLOAD_UNKNOWN");
  }));

Deno.test("dropped connection: what arrived is kept, and the client goes on from there", () =>
  withRegistry(async (registry) => {
    const body = crypto.getRandomValues(new Uint8Array(60_000));
    const location = await start(registry);
    await sendAndDrop(registry, "PATCH", location, body.length, body.subarray(0, 40_000));
    await statusWhen(registry, location, "0-39999");
    const headers = { "content-range": "40000-59999" };
    assert.equal(
      (await registry.call("PATCH", location, { body: body.subarray(40_000), headers })).status,
      202,
    );
    assert.equal((await registry.call("PUT", `${location}?digest=${digestOf(body)}`)).status, 201);
    await expectBlob(registry, digestOf(body), body);
    assert.equal(registry.deps.uploads.buffers.out, 0);
  }));

Deno.test("truncated bodies of PUT and POST ?digest=: nothing visible, nothing left, a retry works", () =>
  withRegistry(async (registry) => {
    const body = crypto.getRandomValues(new Uint8Array(60_000));
    const digest = digestOf(body);
    const location = await start(registry);
    await sendAndDrop(registry, "PUT", `${location}?digest=${digest}`, body.length, body.subarray(0, 30_000));
    await sendAndDrop(registry, "POST", `${START}?digest=${digest}`, body.length, body.subarray(0, 30_000));
    await absent(registry, digest);
    assert.equal((await registry.call("PUT", `${location}?digest=${digest}`, { body })).status, 201);
    await expectBlob(registry, digest, body);
    for (let i = 0; (await registry.files()).length > 1; i++) {
      assert.ok(i < 100, "the temporary file stays");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }));

Deno.test("two writers on one upload: one waits or is refused, and the bytes are whole", () =>
  withRegistry(async (registry) => {
    const location = await start(registry);
    const responses = await Promise.all(
      Array.from({ length: 4 }, (_, i) => patch(registry, location, `${i}`.repeat(1000), "0-999")),
    );
    const statuses = responses.map((response) => response.status).sort();
    assert.deepEqual(statuses, [202, 416, 416, 416]);
    const winner = responses.findIndex((response) => response.status === 202);
    const digest = digestOf(`${winner}`.repeat(1000));
    assert.equal((await registry.call("PUT", `${location}?digest=${digest}`)).status, 201);
  }));

Deno.test("a second writer while the first one is still sending: 400, and the first one finishes", () =>
  withRegistry(async (registry) => {
    const location = await start(registry);
    let send!: ReadableStreamDefaultController;
    const slow = new ReadableStream({ start: (controller) => void (send = controller) });
    const first = registry.call("PATCH", location, { body: slow });
    send.enqueue(bytes("first "));
    await new Promise((resolve) => setTimeout(resolve, 200));
    await expectError(await patch(registry, location, "intruder"), 400, "BLOB_UPLOAD_INVALID");
    send.enqueue(bytes("writer"));
    send.close();
    assert.equal((await first).headers.get("range"), "0-11");
    assert.equal((await registry.call("PUT", `${location}?digest=${digestOf("first writer")}`)).status, 201);
  }));

Deno.test("the same blob pushed 8 times at once: one row, one object, 8 times 201", () =>
  withRegistry(async (registry) => {
    const body = crypto.getRandomValues(new Uint8Array(50_000));
    const digest = digestOf(body);
    const responses = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        if (i % 2) return await registry.call("POST", `${START}?digest=${digest}`, { body });
        return await registry.call("PUT", `${await start(registry)}?digest=${digest}`, { body });
      }),
    );
    assert.deepEqual(responses.map((response) => response.status), Array(8).fill(201));
    const rows = await registry.sql`select id from imagestorage where content_checksum = ${digest}`;
    assert.equal(rows.length, 1);
    assert.equal((await registry.files()).length, 1);
    await expectBlob(registry, digest, body);
  }));

Deno.test("another worker ends an upload: by the digest in the row, and by reading again", () =>
  withRegistry(async (registry) => {
    const { createUploadWorkspace } = await import("../../src/domain/content/upload_workspace.ts");
    for (const chunks of [["whole"], ["in ", "three ", "parts"]]) {
      const location = await start(registry);
      for (const chunk of chunks) {
        assert.equal((await patch(registry, location, chunk)).status, 202);
        Object.assign(registry.deps, { uploads: createUploadWorkspace() });
      }
      const digest = digestOf(chunks.join(""));
      assert.equal((await registry.call("PUT", `${location}?digest=${digest}`)).status, 201);
      await expectBlob(registry, digest, bytes(chunks.join("")));
    }
  }));

Deno.test("MAXIMUM_LAYER_SIZE: 413 for a length beyond it, for a stream beyond it, and for the sum of chunks", () =>
  withRegistry(
    async (registry) => {
      const big = new Uint8Array((1 << 20) + 1);
      const stream = () => new Response(big).body!;
      const digest = digestOf(big);
      const at = `${START}?digest=${digest}`;
      await expectError(await registry.call("POST", at, { body: stream() }), 413, "SIZE_INVALID");
      const location = await start(registry);
      assert.equal((await registry.call("PATCH", location, { body: big.subarray(0, 1 << 20) })).status, 202);
      await expectError(
        await registry.call("PATCH", location, { body: big.subarray(0, 1) }),
        413,
        "SIZE_INVALID",
      );
      await absent(registry, digest);
    },
    undefined,
    { MAXIMUM_LAYER_SIZE: "1M" },
  ));

Deno.test("POST ?mount=: from a readable repository, from anywhere, and never from one that is closed to the caller", () =>
  withRegistry(async (registry) => {
    const push = async (name: string, text: string) => {
      const headers = { authorization: await registry.bearer({ [name]: ["pull", "push"] }) };
      const path = `/v2/${name}/blobs/uploads/?digest=${digestOf(text)}`;
      assert.equal((await registry.call("POST", path, { body: bytes(text), headers })).status, 201);
      return digestOf(text);
    };
    const secret = await push("acme/other", "secret");
    const open = await push("acme/open", "open");
    const both = {
      authorization: await registry.bearer({ "acme/app": ["pull", "push"], "acme/other": ["pull"] }),
    };
    const mount = (digest: string, from: string, headers = {}) =>
      registry.call("POST", `${START}?mount=${digest}${from}`, { headers });

    for (const from of ["&from=acme/other", "", "&from=acme/missing", "&from=../x", "&from=acme/open"]) {
      assert.equal((await mount(secret, from)).status, 202, from);
    }
    await absent(registry, secret);
    assert.equal((await mount("sha256:bad", "")).status, 202);
    assert.equal((await mount(secret, "&from=acme/open", both)).status, 202);

    for (
      const [digest, from, headers] of [[secret, "&from=acme/other", both], [
        open,
        "&from=acme/open",
        {},
      ]] as const
    ) {
      const response = await mount(digest, from, headers);
      assert.equal(response.status, 201);
      assert.equal(response.headers.get("location"), `/v2/acme/app/blobs/${digest}`);
      assert.equal(response.headers.get("docker-content-digest"), digest);
    }
    await expectBlob(registry, secret, bytes("secret"));
    await registry.sql`delete from uploadedblob where repository_id = ${registry.ids.app}`;
    assert.equal((await mount(secret, "", both)).status, 201);
    assert.equal((await mount(open, "")).status, 201);
    await expectBlob(registry, open, bytes("open"));
  }));
