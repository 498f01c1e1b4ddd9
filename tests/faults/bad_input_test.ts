import assert from "node:assert/strict";
import { digestOf } from "../../src/oci/digest.ts";
import { type Appliance, startAppliance } from "../appliance.ts";
import { Client, errorCodeOf, eventually, manifestOf, textOf } from "./client.ts";
import { forgedTokens } from "./forged_tokens.ts";
import { openDescriptors, peakBytes, resetPeak, uploadFiles } from "./process_state.ts";
import { bodyOf, sendRaw } from "./raw_request.ts";

const REPOSITORY = "faults/app";
const BASE = `/v2/${REPOSITORY}`;
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const MEGABYTE = 1024 * 1024;

/** Checks, after `work`: healthy, no descriptor lost, nothing of ours failed, no stack in the log, no temporary file. */
async function unharmed(
  work: (appliance: Appliance, client: Client, apiToken: string) => Promise<void>,
): Promise<void> {
  await using appliance = await startAppliance();
  const apiToken = await Client.initialize(appliance);
  using client = await new Client(appliance.httpUrl, REPOSITORY).logIn();
  const first = new TextEncoder().encode("a first blob");
  assert.equal((await client.pushWhole(first)).status, 201);
  await client.request("GET", "/health/instance");
  const before = openDescriptors(appliance.pid);
  await work(appliance, client, apiToken);

  const health = await client.request("GET", "/health/instance");
  assert.equal(health.status, 200, textOf(health));
  await eventually(
    `open descriptors back to about ${before}, now ${openDescriptors(appliance.pid)}`,
    20_000,
    () => Promise.resolve(openDescriptors(appliance.pid) <= before + 8),
  );
  const failed = appliance.log.filter(({ status }) => typeof status === "number" && status >= 500);
  assert.deepEqual(failed, [], "answers that blame us");
  const stacks = appliance.log.filter((record) =>
    /\n\s+at /.test(JSON.stringify(record).replaceAll("\\n", "\n"))
  );
  assert.deepEqual(stacks, [], "stack traces");
}

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const zeros = "0".repeat(64);

Deno.test("/v2: bodies, digests, ranges and references that are no good", async () => {
  await unharmed(async (appliance, client) => {
    const bytes = new TextEncoder().encode("some bytes of a blob");
    const digest = digestOf(bytes);
    const first = digestOf(new TextEncoder().encode("a first blob"));
    const deep = "[".repeat(100_000) + "]".repeat(100_000);
    const upload = async () => (await client.startUpload()).location;
    const put = (reference: string, body: BodyInit | undefined, type: string | undefined = MANIFEST) =>
      client.request("PUT", `${BASE}/manifests/${reference}`, {
        ...(body !== undefined && { body }),
        headers: type === "" ? {} : { "Content-Type": type },
      });
    const get = (path: string, headers: Record<string, string> = {}) =>
      client.request("GET", path, { headers });
    const patch = async (range: string, body = bytes) =>
      client.request("PATCH", await upload(), { body, headers: { "Content-Range": range } });
    const unknownBlob = manifestOf([{ digest: `sha256:${zeros}` as typeof digest, size: 3 }]);

    const rows: [
      what: string,
      answer: () => Promise<{ status: number; bytes: Uint8Array }>,
      status: number,
      code?: string,
    ][] = [
      // blobs
      ["wrong digest, POST", () => client.pushWhole(bytes, first), 400, "DIGEST_INVALID"],
      [
        "wrong digest, PUT",
        async () => client.request("PUT", `${await upload()}?digest=${first}`, { body: bytes }),
        400,
        "DIGEST_INVALID",
      ],
      [
        "no digest",
        async () => client.request("PUT", await upload(), { body: bytes }),
        400,
        "DIGEST_INVALID",
      ],
      ...[
        "sha256:abc",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "sha256",
        "%00",
        "sha256:" + "Z".repeat(64),
        "sha256:" + "A".repeat(64),
        "../../etc/passwd",
      ]
        .map((bad) =>
          [
            `digest ${bad}`,
            async () => client.request("PUT", `${await upload()}?digest=${bad}`, { body: bytes }),
            400,
            "DIGEST_INVALID",
          ] as (typeof rows)[0]
        ),
      [
        "unknown upload, PATCH",
        () => client.request("PATCH", `${BASE}/blobs/uploads/${crypto.randomUUID()}`, { body: bytes }),
        404,
        "BLOB_UPLOAD_UNKNOWN",
      ],
      [
        "unknown upload, PUT",
        () => client.request("PUT", `${BASE}/blobs/uploads/${crypto.randomUUID()}?digest=${digest}`),
        404,
        "BLOB_UPLOAD_UNKNOWN",
      ],
      ["unknown upload, GET", () => get(`${BASE}/blobs/uploads/nothing`), 404, "BLOB_UPLOAD_UNKNOWN"],
      [
        "unknown upload, DELETE",
        () => client.request("DELETE", `${BASE}/blobs/uploads/${crypto.randomUUID()}`),
        404,
        "BLOB_UPLOAD_UNKNOWN",
      ],
      ["out of order", () => patch("100-119"), 416, "BLOB_UPLOAD_INVALID"],
      ["range longer than the body", () => patch("0-99"), 400, "SIZE_INVALID"],
      ["range shorter than the body", () => patch("0-1"), 400, "SIZE_INVALID"],
      ...["19-0", "x-y", "0-", "-5", "0-99999999999999999999", "bytes */20", "\u00b2-\u00b3"].map((range) =>
        [`Content-Range ${range}`, () => patch(range), 400, "BLOB_UPLOAD_INVALID"] as (typeof rows)[0]
      ),
      ["unknown blob", () => get(`${BASE}/blobs/sha256:${zeros}`), 404, "BLOB_UNKNOWN"],
      ["blob by no digest", () => get(`${BASE}/blobs/latest`), 400, "DIGEST_INVALID"],
      ["range beyond the end", () => get(`${BASE}/blobs/${first}`, { Range: "bytes=50-60" }), 416],
      ["range of nothing", () => get(`${BASE}/blobs/${first}`, { Range: "bytes=-0" }), 416],
      ["range backwards", () => get(`${BASE}/blobs/${first}`, { Range: "bytes=5-2" }), 416],
      ["range of another unit", () => get(`${BASE}/blobs/${first}`, { Range: "lines=1-2" }), 200],
      [
        "range of huge numbers",
        () => get(`${BASE}/blobs/${first}`, { Range: `bytes=${"9".repeat(40)}-` }),
        200,
      ],
      [
        "2,000 ranges",
        () => get(`${BASE}/blobs/${first}`, { Range: `bytes=${"0-0,".repeat(2000)}0-0` }),
        200,
      ],
      // manifests
      [
        "media type that is none",
        () => put("t", json({ schemaVersion: 2 }), "text/plain"),
        415,
        "MANIFEST_INVALID",
      ],
      ["no media type", () => put("t", json({ schemaVersion: 2 }), ""), 415, "MANIFEST_INVALID"],
      [
        "media type with a NUL in it",
        () => put("t", '{"schemaVersion":2,"mediaType":"a\\u0000"}'),
        400,
        "MANIFEST_INVALID",
      ],
      ["empty manifest", () => put("t", ""), 400, "MANIFEST_INVALID"],
      ["half JSON", () => put("t", '{"schemaVersion":2,'), 400, "MANIFEST_INVALID"],
      [
        "not UTF-8",
        () => put("t", new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])),
        400,
        "MANIFEST_INVALID",
      ],
      ["nested 100,000 deep", () => put("t", deep), 400, "MANIFEST_INVALID"],
      [
        "nested 100,000 deep in an annotation",
        () => put("t", `{"schemaVersion":2,"annotations":{"a":${deep}}}`),
        400,
        "MANIFEST_INVALID",
      ],
      [
        "nested objects",
        () => put("t", '{"a":'.repeat(100_000) + "1" + "}".repeat(100_000)),
        400,
        "MANIFEST_INVALID",
      ],
      ["an array", () => put("t", "[]"), 400, "MANIFEST_INVALID"],
      ["null", () => put("t", "null"), 400, "MANIFEST_INVALID"],
      ["schema 1", () => put("t", json({ schemaVersion: 1, name: "x" })), 415, "MANIFEST_INVALID"],
      [
        "layers that are no list",
        () => put("t", json({ schemaVersion: 2, mediaType: MANIFEST, config: {}, layers: {} })),
        400,
        "MANIFEST_INVALID",
      ],
      ["size below zero", () => put("t", manifestOf([{ digest: first, size: -1 }])), 400, "MANIFEST_INVALID"],
      [
        "size that is no whole number",
        () => put("t", manifestOf([{ digest: first, size: 1.5 }])),
        400,
        "MANIFEST_INVALID",
      ],
      [
        "size beyond all numbers",
        () => put("t", manifestOf([{ digest: first, size: 1e300 }])),
        400,
        "MANIFEST_INVALID",
      ],
      ["blob that is not there", () => put("t", unknownBlob), 400, "MANIFEST_BLOB_UNKNOWN"],
      [
        "by another digest",
        () => put(`sha256:${zeros}`, manifestOf([{ digest: first, size: 12 }])),
        400,
        "DIGEST_INVALID",
      ],
      ["tag with a dot first", () => put(".t", unknownBlob), 400, "TAG_INVALID"],
      ["tag of 129 letters", () => put("t".repeat(129), unknownBlob), 400, "TAG_INVALID"],
      ["tag in another script", () => get(`${BASE}/manifests/%C3%BC`), 404, "NOT_FOUND"],
      ["unknown tag", () => get(`${BASE}/manifests/nothing`), 404, "MANIFEST_UNKNOWN"],
      ["referrers of no digest", () => get(`${BASE}/referrers/latest`), 400, "DIGEST_INVALID"],
      // lists
      ...["-1", "1.5", "x", "%00", "1e3", "99999999999999999999"].map((n) =>
        [`n=${n}`, () => get(`${BASE}/tags/list?n=${n}`), 400, "INVALID_REQUEST"] as (typeof rows)[0]
      ),
      ["huge n", () => get(`${BASE}/tags/list?n=999999999999999`), 200],
      ["huge n, catalog", () => get(`/v2/_catalog?n=999999999999999`), 200],
      ["n=-1, catalog", () => get(`/v2/_catalog?n=-1`), 400, "INVALID_REQUEST"],
      ["last with a NUL", () => get(`${BASE}/tags/list?last=%00`), 400, "INVALID_REQUEST"],
      ["last that nobody sealed", () => get(`/v2/_catalog?last=v1.AAAA`), 400, "INVALID_REQUEST"],
      // methods
      [
        "a method that blobs do not take",
        () => client.request("POST", `${BASE}/blobs/${first}`),
        405,
        "UNSUPPORTED",
      ],
    ];
    for (const [what, ask, status, code] of rows) {
      const answer = await ask();
      const seen = [what, answer.status, ...(code === undefined ? [] : [errorCodeOf(textOf(answer))])];
      assert.deepEqual(
        seen,
        [what, status, ...(code === undefined ? [] : [code])],
        textOf(answer).slice(0, 500),
      );
    }
    const tags = JSON.parse(textOf(await get(`${BASE}/tags/list`)));
    assert.deepEqual(tags.tags, [], "nothing was stored");
    for (const name of uploadFiles(appliance.dataDir)) {
      assert.equal((await get(`${BASE}/blobs/uploads/${name}`)).status, 204, `uploads/${name} is an orphan`);
    }
  });
});

Deno.test("/v2: names that are no good, as they stand on the wire", async () => {
  await unharmed(async (appliance, client) => {
    const host = "Host: localhost";
    const authorization = `Authorization: Bearer ${client.token}`;
    const rows: [path: string, status: number][] = [
      ["/v2/faults/../app/tags/list", 400],
      ["/v2/faults/a..b/tags/list", 400],
      ["/v2/../etc/passwd", 404],
      ["/v2/faults/%2e%2e/app/tags/list", 404],
      ["/v2/faults%2fapp/tags/list", 404],
      ["/v2/faults/app%00/tags/list", 404],
      ["/v2/faults/app%ff/tags/list", 404],
      ["/v2/faults/app%/tags/list", 404],
      ["/v2/faults/app%5c/tags/list", 404],
      ["/v2/faults/app%252e/tags/list", 404],
      ["/v2/Faults/app/tags/list", 400],
      ["/v2/faults//app/tags/list", 400],
      ["/v2//tags/list", 404],
      [`/v2/faults/${"a".repeat(300)}/tags/list`, 400],
      [`/v2/faults/${"a".repeat(5000)}/tags/list`, 404],
      ["/v2/faults/app/manifests/..", 400],
      ["/v2/faults/app/blobs/uploads/../../../x", 404],
      ["/v2/faults/app/manifests/a:b:c", 400],
      ["/v2/%F0%9F%90%B3/app/tags/list", 404],
      ["/v2/faults/app/tags/list?n=%zz", 400],
    ];
    for (const [path, status] of rows) {
      const answer = await sendRaw(appliance.httpUrl, [
        `GET ${path} HTTP/1.1\r\n${host}\r\n${authorization}\r\nConnection: close\r\n\r\n`,
      ]);
      assert.deepEqual([path, answer.status], [path, status], answer.text.slice(0, 500));
      assert.ok(errorCodeOf(bodyOf(answer)).length < 40, `an OCI error: ${bodyOf(answer)}`);
    }
  });
});

Deno.test("/v2: tokens that are no good", async () => {
  await unharmed(async (appliance, client) => {
    const forged = await forgedTokens(client.token, appliance.dataDir);
    for (const [what, token] of Object.entries(forged)) {
      for (const path of ["/v2/", `${BASE}/tags/list`]) {
        const answer = await client.request("GET", path, { headers: { Authorization: `Bearer ${token}` } });
        assert.deepEqual([what, path, answer.status, errorCodeOf(textOf(answer))], [
          what,
          path,
          401,
          "UNAUTHORIZED",
        ]);
        assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer realm="/);
      }
    }
    using elsewhere = new Client(appliance.httpUrl, "faults/other", client.token);
    const foreign = await elsewhere.pushWhole(new TextEncoder().encode("x"));
    assert.deepEqual([foreign.status, errorCodeOf(textOf(foreign))], [401, "UNAUTHORIZED"]);
    for (
      const header of [
        "Basic",
        "Basic !!!",
        "Basic bm9jb2xvbg==",
        "Bearer x",
        "Digest a",
        `Basic ${"A".repeat(20_000)}`,
      ]
    ) {
      const answer = await client.request("GET", "/v2/auth?service=x", {
        headers: { Authorization: header },
      });
      assert.deepEqual([header.slice(0, 30), answer.status], [header.slice(0, 30), 401], textOf(answer));
    }
    for (
      const scope of [
        "repository",
        "repository::pull",
        "repository:a/b:",
        "x".repeat(5000),
        "repository:../x:pull",
        "repository:%00:push",
      ]
    ) {
      const answer = await client.request("GET", `/v2/auth?service=x&scope=${scope}`, {
        headers: { Authorization: "" },
      });
      assert.ok(
        answer.status === 200 || answer.status === 400,
        `${scope.slice(0, 30)}: ${answer.status} ${textOf(answer)}`,
      );
    }
  });
});

Deno.test("HTTP that is no good: smuggling, headers without end, broken framing, bodies that break off", async () => {
  await unharmed(async (appliance, client, apiToken) => {
    const head = (method: string, path: string, ...headers: string[]) =>
      [
        `${method} ${path} HTTP/1.1`,
        "Host: localhost",
        `Authorization: Bearer ${client.token}`,
        ...headers,
        "",
        "",
      ]
        .join("\r\n");
    const apiPost = (framing: string) =>
      "POST /api/v1/organization/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
      `Authorization: Bearer ${apiToken}\r\n${framing}\r\n\r\n`;
    const smuggled = "GET /v2/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const { location } = await client.startUpload();
    const digest = digestOf(new TextEncoder().encode("hello"));
    const put = `${BASE}/manifests/t`;
    const rows: [
      what: string,
      parts: (string | Uint8Array)[],
      status: number | readonly number[],
      half?: boolean,
    ][] = [
      ["both lengths", [
        head("PUT", put, "Content-Length: 4", "Transfer-Encoding: chunked"),
        "0\r\n\r\n",
        smuggled,
      ], 400],
      ["both lengths, other order", [
        head("PUT", put, "Transfer-Encoding: chunked", "Content-Length: 4"),
        "0\r\n\r\n",
        smuggled,
      ], 400],
      ["two lengths", [head("PUT", put, "Content-Length: 4", "Content-Length: 5"), "abcd", smuggled], 400],
      ["lengths in a list", [head("PUT", put, "Content-Length: 4, 5"), "abcd", smuggled], 400],
      ["length with a sign", [head("PUT", put, "Content-Length: +4"), "abcd", smuggled], 400],
      ["length below zero", [head("PUT", put, "Content-Length: -4"), "abcd", smuggled], 400],
      ["length of 30 digits", [head("PUT", put, `Content-Length: ${"9".repeat(30)}`), "abcd"], [400, 413]],
      ["unknown transfer coding", [head("PUT", put, "Transfer-Encoding: xchunked"), "abcd", smuggled], [
        400,
        501,
      ]],
      ["chunked twice", [head("PUT", put, "Transfer-Encoding: chunked, identity"), "abcd", smuggled], [
        400,
        501,
      ]],
      [
        "space before the colon",
        [head("PUT", put, "Transfer-Encoding : chunked"), "0\r\n\r\n", smuggled],
        400,
      ],
      ["folded header", [head("GET", "/v2/", "X-A: b\r\n c")], [400, 200]],
      ["bare carriage return", [head("GET", "/v2/", "X-A: b\rX-B: c")], 400],
      ["NUL in a header", [head("GET", "/v2/", "X-A: b\0c")], 400],
      ["chunk size that is no number, API", [
        apiPost("Transfer-Encoding: chunked"),
        "zz\r\nabc\r\n0\r\n\r\n",
      ], [400, 0]],
      ["chunk size that is no number", [
        head("PUT", put, "Transfer-Encoding: chunked", `Content-Type: ${MANIFEST}`),
        "zz\r\nabc\r\n0\r\n\r\n",
      ], [400, 0]],
      ["chunk size beyond all numbers", [
        head("PUT", put, "Transfer-Encoding: chunked", `Content-Type: ${MANIFEST}`),
        `${"f".repeat(40)}\r\nabc`,
      ], [400, 0]],
      ["header of 100 KB", [head("GET", "/v2/", `X-A: ${"a".repeat(100_000)}`)], [400, 431]],
      ["10,000 headers", [head("GET", "/v2/", ...Array.from({ length: 10_000 }, (_, i) => `X-${i}: a`))], [
        400,
        431,
      ]],
      ["request line of 100 KB", [`GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`], [
        400,
        414,
        431,
      ]],
      ["no HTTP at all", ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"], [400, 0]],
      ["HTTP/9", ["GET /v2/ HTTP/9.9\r\nHost: x\r\n\r\n"], [400, 505]],
      ["no host", ["GET /v2/ HTTP/1.1\r\n\r\n"], [400, 401]],
      [
        "manifest that breaks off",
        [head("PUT", put, "Content-Length: 500", `Content-Type: ${MANIFEST}`), '{"a":'],
        [400, 0],
        true,
      ],
      [
        "chunk that breaks off",
        [head("PATCH", location, "Content-Length: 500"), "0123456789"],
        [400, 0],
        true,
      ],
      [
        "blob that breaks off",
        [head("POST", `${BASE}/blobs/uploads/?digest=${digest}`, "Content-Length: 5"), "hel"],
        [400, 0],
        true,
      ],
      [
        "chunked blob that breaks off",
        [head("POST", `${BASE}/blobs/uploads/?digest=${digest}`, "Transfer-Encoding: chunked"), "5\r\nhel"],
        [400, 0],
        true,
      ],
      [
        "API body that breaks off",
        [apiPost("Content-Length: 50"), '{"name":'],
        [400, 401, 0],
        true,
      ],
    ];
    for (const [what, parts, statuses, half] of rows) {
      const answer = await sendRaw(appliance.httpUrl, parts, { half: half ?? false });
      const accepted = typeof statuses === "number" ? [statuses] : statuses;
      assert.ok(accepted.includes(answer.status), `${what}: ${answer.status} ${answer.text.slice(0, 500)}`);
      const answers = answer.text.match(/^HTTP\/1\.1 /gm)?.length ?? 0;
      assert.ok(answers <= 1, `${what}: a second request was smuggled in\n${answer.text}`);
    }
    assert.equal((await client.blob(digest)).status, 404, "a blob that broke off is not stored");
    await eventually("no orphan in uploads/", 20_000, async () => {
      const statuses = await Promise.all(
        uploadFiles(appliance.dataDir).map(async (name) => {
          return (await client.request("GET", `${BASE}/blobs/uploads/${name}`)).status;
        }),
      );
      return statuses.every((status) => status === 204);
    });
  });
});

Deno.test("PUT /v2/<name>/manifests/<tag>: 100 MB are refused and never held", async () => {
  await unharmed(async (appliance, client) => {
    const path = `${BASE}/manifests/huge`;
    const piece = new Uint8Array(MEGABYTE).fill(0x20);
    const stream = () => {
      let left = 100;
      return new ReadableStream<Uint8Array>({
        pull(controller) {
          if (left-- > 0) controller.enqueue(piece);
          else controller.close();
        },
      });
    };
    resetPeak(appliance.pid);
    const before = peakBytes(appliance.pid);
    const headers = { "Content-Type": MANIFEST };
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) {
      // With a length that is told, and chunked.
      const told = await sendRaw(appliance.httpUrl, [
        `PUT ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${client.token}\r\n` +
        `Content-Type: ${MANIFEST}\r\nContent-Length: ${100 * MEGABYTE}\r\nConnection: close\r\n\r\n`,
        ...Array.from({ length: 100 }, () => piece),
      ]);
      assert.ok(told.status === 413 || told.status === 0, told.text.slice(0, 300));
      statuses.push(told.status);
      try {
        const chunked = await client.request("PUT", path, { headers, body: stream() });
        assert.deepEqual([chunked.status, errorCodeOf(textOf(chunked))], [413, "SIZE_INVALID"]);
        statuses.push(chunked.status);
      } catch (error) {
        // The answer came and the connection ended while the client was still sending.
        assert.ok(error instanceof TypeError, String(error));
      }
    }
    assert.ok(statuses.includes(413), `${statuses}`);
    const grownBytes = peakBytes(appliance.pid) - before;
    assert.ok(grownBytes < 40 * MEGABYTE, `resident memory grew by ${Math.round(grownBytes / MEGABYTE)} MB`);
  });
});

Deno.test("/api/v1: input that is no good", async () => {
  await unharmed(async (_appliance, client, apiToken) => {
    const call = (method: string, path: string, body?: BodyInit) =>
      client.request(method, `/api/v1${path}`, {
        headers: { Authorization: `Bearer ${apiToken}`, "Content-Type": "application/json" },
        ...(body !== undefined && { body }),
      });
    const rows: [
      what: string,
      answer: () => Promise<{ status: number; bytes: Uint8Array }>,
      status: number | readonly number[],
    ][] = [
      ["half JSON", () => call("POST", "/organization/", '{"name":'), 400],
      ["a list", () => call("POST", "/organization/", "[1]"), 400],
      ["wrong types", () => call("POST", "/organization/", '{"name":{"a":1}}'), 400],
      [
        "wrong types, repository",
        () => call("POST", "/repository", '{"repository":7,"visibility":[],"description":{}}'),
        400,
      ],
      ["deep", () => call("POST", "/organization/", "[".repeat(100_000)), 400],
      ["10 MB", () => call("POST", "/organization/", new Uint8Array(10 * MEGABYTE).fill(0x20)), 413],
      ["not UTF-8", () => call("POST", "/organization/", new Uint8Array([0x22, 0xff, 0x22])), 400],
      ["lone surrogate", () => call("POST", "/organization/", '{"name":"\\ud800abc"}'), 400],
      ["another script", () => call("POST", "/organization/", '{"name":"\u0431\u044e\u0440\u043e"}'), 400],
      ["right to left", () => call("POST", "/organization/", '{"name":"abc\u202ecba"}'), 400],
      ["__proto__", () => call("POST", "/organization/", '{"__proto__":{"name":"abcd"}}'), 400],
      ["unicode in a path", () => call("GET", "/organization/%F0%9F%90%B3"), 404],
      ["broken encoding in a path", () => call("GET", "/organization/%E2%82"), [400, 404]],
      ["dots in a path", () => call("GET", "/repository/faults/..%2f..%2fx"), 404],
      ["unknown", () => call("GET", "/no/such/thing"), 404],
      ["another method", () => call("PATCH", "/organization/"), [404, 405]],
      [
        "wrong token",
        () => client.request("GET", "/api/v1/user/", { headers: { Authorization: "Bearer nothing" } }),
        401,
      ],
      [
        "a description of 100 KB",
        () =>
          call(
            "POST",
            "/repository",
            JSON.stringify({
              namespace: "faults",
              repository: "long",
              visibility: "private",
              description: "x".repeat(100_000),
            }),
          ),
        [200, 201, 400],
      ],
      ["page token that nobody sealed", () => call("GET", "/repository?namespace=faults&next_page=AAAA"), [
        200,
        400,
      ]],
    ];
    for (const [what, ask, statuses] of rows) {
      const answer = await ask();
      const accepted = typeof statuses === "number" ? [statuses] : statuses;
      assert.ok(
        accepted.includes(answer.status),
        `${what}: ${answer.status} ${textOf(answer).slice(0, 300)}`,
      );
    }
  });
});
