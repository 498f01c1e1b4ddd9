import assert from "node:assert/strict";
import { createUploadWorkspace } from "../../src/domain/content/upload_workspace.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { cleanUploads } from "../../src/workers/upload_cleanup.ts";
import { test } from "../skip.ts";
import { startFaultProxy } from "../storage/fault_proxy.ts";
import { driverOf, freshBucket, rgw, RGW_NEEDS } from "../storage/rgw.ts";
import { type TestRegistry, withRegistry } from "./registry.ts";

const data = new Uint8Array((21 << 20) + 5).map((_, i) => (i * 31 + (i >> 12)) & 255);
const digest = digestOf(data);
const blobUrl = `/v2/acme/app/blobs/${digest}`;

async function withRgw(
  fn: (registry: TestRegistry, proxy: ReturnType<typeof startFaultProxy>) => Promise<void>,
  overrides: Partial<TestRegistry["deps"]["config"]> = {},
): Promise<void> {
  const proxy = startFaultProxy((await rgw()).port);
  const driver = driverOf(await freshBucket({ endpoint: proxy.url }));
  try {
    await withRegistry((registry) => fn(registry, proxy), () => driver, overrides);
  } finally {
    await driver.close();
    proxy.close();
  }
}

async function pushWhole({ call }: TestRegistry): Promise<void> {
  const made = await call("POST", `/v2/acme/app/blobs/uploads/?digest=${digest}`, { body: data });
  assert.equal(made.status, 201, await made.text());
}

async function bytesOf(answer: Response): Promise<Uint8Array> {
  return new Uint8Array(await answer.arrayBuffer());
}

test({
  name: "POST ?digest= to Ceph RGW: straight into place, and GET is sent there, with and without Range",
  needs: RGW_NEEDS,
  fn: () =>
    withRgw(async (registry, proxy) => {
      await pushWhole(registry);
      assert.ok(
        !proxy.requests.some(({ method, target }) => method === "PUT" && !/partNumber=/.test(target)),
        "no copy",
      );
      const authorization = await registry.bearer({ "acme/app": ["pull"] });
      const first = await fetch(`${registry.url}${blobUrl}`, {
        headers: { authorization },
        redirect: "manual",
      });
      assert.equal(first.status, 302);
      assert.equal(first.headers.get("docker-content-digest"), digest);
      const location = first.headers.get("location")!;
      assert.deepEqual(await bytesOf(await fetch(location)), data);
      const part = await fetch(location, { headers: { range: "bytes=1000-1999" } });
      assert.equal(part.status, 206);
      assert.deepEqual(await bytesOf(part), data.slice(1000, 2000));
      // The address is for that object and that method.
      const other = location.replace(digest.slice(7), "0".repeat(64));
      const refused = await fetch(other);
      assert.equal(refused.status, 403, await refused.text());
    }),
});

test({
  name: "GET with FEATURE_PROXY_STORAGE: the bytes themselves, with and without Range",
  needs: RGW_NEEDS,
  fn: () =>
    withRgw(async (registry) => {
      await pushWhole(registry);
      const whole = await registry.call("GET", blobUrl);
      assert.equal(whole.status, 200);
      assert.deepEqual(await bytesOf(whole), data);
      const part = await registry.call("GET", blobUrl, { headers: { range: "bytes=-7" } });
      assert.equal(part.status, 206);
      assert.deepEqual(await bytesOf(part), data.slice(-7));
    }, { FEATURE_PROXY_STORAGE: true }),
});

test({
  name: "GET with FEATURE_PROXY_STORAGE: a client that goes away stops the reading from the store",
  needs: RGW_NEEDS,
  fn: () =>
    withRgw(async (registry, proxy) => {
      await pushWhole(registry);
      const before = proxy.answeredBytes;
      const reader = (await registry.call("GET", blobUrl)).body!.getReader();
      await reader.read();
      await reader.cancel();
      let seen = -1;
      while (seen !== proxy.answeredBytes) {
        seen = proxy.answeredBytes;
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
      assert.ok(seen - before < data.length, `${seen - before} bytes were read`);
    }, { FEATURE_PROXY_STORAGE: true }),
});

test({
  name: "PATCH that ends in the middle of a part, each on another node: every byte is kept",
  needs: RGW_NEEDS,
  fn: () =>
    withRgw(async (registry) => {
      const { deps, call } = registry;
      let location = (await call("POST", "/v2/acme/app/blobs/uploads/")).headers.get("location")!;
      let at = 0;
      for (const size of [1, 6 << 20, 3 << 20, 9 << 20, data.length]) {
        Object.assign(deps, { uploads: createUploadWorkspace() }); // nothing is remembered
        const chunk = data.slice(at, at + size);
        const range = `${at}-${at + chunk.length - 1}`;
        const patched = await call("PATCH", location, { body: chunk, headers: { "content-range": range } });
        assert.equal(patched.status, 202, await patched.text());
        location = patched.headers.get("location")!;
        at += chunk.length;
        assert.equal(patched.headers.get("range"), `0-${at - 1}`);
      }
      assert.equal((await call("PUT", `${location}?digest=${digest}`)).status, 201);
      assert.deepEqual(await registry.files(), [`sha256/${digest.slice(7, 9)}/${digest.slice(7)}`]);
      assert.deepEqual(await bytesOf(await call("GET", blobUrl)), data);
    }, { FEATURE_PROXY_STORAGE: true }),
});

test({
  name: "PUT with the wrong digest: digest_invalid, and the right one ends the same session",
  needs: RGW_NEEDS,
  fn: () =>
    withRgw(async ({ call }) => {
      const location = (await call("POST", "/v2/acme/app/blobs/uploads/")).headers.get("location")!;
      await (await call("PATCH", location, { body: data })).text();
      const wrong = await call("PUT", `${location}?digest=${digestOf("other")}`);
      assert.equal(wrong.status, 400);
      assert.match(await wrong.text(), /DIGEST_INVALID/);
      assert.equal((await call("PUT", `${location}?digest=${digest}`)).status, 201);
    }),
});

test({
  name:
    "cleanUploads() in a bucket: tails and unfinished uploads without a session go, those of live ones stay",
  needs: RGW_NEEDS,
  fn: () =>
    withRgw(async (registry) => {
      const { deps, call, sql } = registry;
      const begin = async () => {
        const location = (await call("POST", "/v2/acme/app/blobs/uploads/")).headers.get("location")!;
        await (await call("PATCH", location, { body: data })).text();
        return location;
      };
      const live = await begin();
      await begin();
      await sql`delete from blobupload where uuid <> ${live.split("/").at(-1)!}`;
      assert.deepEqual(await cleanUploads(deps, { orphanAgeMs: 600_000 }), { sessions: 0, files: 0 });
      assert.deepEqual(await cleanUploads(deps, { orphanAgeMs: 0 }), { sessions: 0, files: 2 });
      assert.equal((await call("PUT", `${live}?digest=${digest}`)).status, 201);
      const stale = await begin();
      await sql`update blobupload set created = now() at time zone 'utc' - interval '2881 minutes'
        where uuid = ${stale.split("/").at(-1)!}`;
      assert.deepEqual(await cleanUploads(deps, { orphanAgeMs: 600_000 }), { sessions: 1, files: 0 });
      assert.equal((await registry.files()).length, 1);
    }),
});

test({
  name: "PATCH and GET while the store refuses: 503 with Retry-After, and all is well when it is back",
  needs: RGW_NEEDS,
  fn: () =>
    withRgw(async ({ call }, proxy) => {
      const location = (await call("POST", "/v2/acme/app/blobs/uploads/")).headers.get("location")!;
      proxy.plan = () => ({ kind: "answer", status: 403, code: "AccessDenied" });
      const refused = await call("PATCH", location, { body: data });
      assert.equal(refused.status, 503);
      assert.ok(refused.headers.has("retry-after"));
      assert.match(await refused.text(), /UNAVAILABLE.*storage cannot be used now/);
      proxy.plan = () => undefined;
      assert.equal((await call("PUT", `${location}?digest=${digest}`, { body: data })).status, 201);
      proxy.plan = () => ({ kind: "answer", status: 403, code: "AccessDenied" });
      const unread = await call("GET", blobUrl);
      assert.equal(unread.status, 503, await unread.text());
    }, { FEATURE_PROXY_STORAGE: true }),
});
