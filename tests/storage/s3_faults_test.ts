import assert from "node:assert/strict";
import type { S3Driver } from "../../src/drivers/storage/s3/s3.ts";
import type { S3Settings } from "../../src/drivers/storage/s3/settings.ts";
import { AppError } from "../../src/lib/errors.ts";
import { test } from "../skip.ts";
import { readAll, rejectsWith } from "./driver_suite.ts";
import { type Fault, type FaultProxy, startFaultProxy } from "./fault_proxy.ts";
import { ACCESS_KEY, driverOf, freshBucket, rgw, RGW_NEEDS } from "./rgw.ts";

const KEY = `sha256/ab/ab${"0".repeat(62)}`;
const data = new Uint8Array(18 << 20).map((_, i) => (i * 31 + (i >> 12)) & 255);

async function* pieces(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += 1 << 20) {
    yield await Promise.resolve(data.subarray(at, at + (1 << 20)));
  }
}

interface Site {
  readonly proxy: FaultProxy;
  readonly settings: S3Settings;
  /** Through the proxy. */
  readonly driver: S3Driver;
  /** Past it. */
  readonly direct: S3Driver;
}

async function withProxy(
  fn: (site: Site) => Promise<void>,
  overrides: Partial<S3Settings> = {},
): Promise<void> {
  const proxy = startFaultProxy((await rgw()).port);
  const plain = await freshBucket();
  const settings = { ...plain, endpoint: proxy.url, ...overrides };
  const driver = driverOf(settings);
  const direct = driverOf(plain);
  try {
    await fn({ proxy, settings, driver, direct });
  } finally {
    await driver.close();
    await direct.close();
    proxy.close();
  }
}

async function keys(driver: S3Driver): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of driver.list("")) found.push(key);
  for await (const { key } of driver.listUnfinished?.() ?? []) found.push(`unfinished ${key}`);
  return found;
}

/** Applies the fault to the first `times` requests that `match`. */
function fail(proxy: FaultProxy, match: RegExp, fault: Fault, times = Infinity): void {
  let left = times;
  proxy.plan = ({ method, target }) => match.test(`${method} ${target}`) && left-- > 0 ? fault : undefined;
}

const answer = (status: number, code: string, headers?: string): Fault => ({
  kind: "answer",
  status,
  code,
  ...(headers !== undefined && { headers }),
});

const PASSING: readonly [name: string, match: RegExp, fault: Fault, times: number][] = [
  ["503 SlowDown to parts", /partNumber=/, answer(503, "SlowDown"), 3],
  ["500 to the start of the upload", /^POST .*\?uploads=/, answer(500, "InternalError"), 2],
  ["503 to the end of the upload", /^POST .*\?uploadId=/, answer(503, "ServiceUnavailable"), 2],
  ["a reset in the middle of a part", /partNumber=2/, { kind: "reset", afterBytes: 3 << 20 }, 2],
  ["an answer to a part that breaks off", /partNumber=1/, { kind: "truncate", afterBytes: 20 }, 1],
  ["a reset of the last part", /partNumber=3/, { kind: "reset", afterBytes: 1 }, 1],
];

for (const [name, match, fault, times] of PASSING) {
  test({
    name: `S3 write(): ${name}: tried again, and every byte arrives`,
    needs: RGW_NEEDS,
    fn: () =>
      withProxy(async ({ proxy, driver, direct }) => {
        fail(proxy, match, fault, times);
        await driver.write(KEY, pieces());
        assert.deepEqual(await readAll(await direct.read(KEY)), data);
        assert.deepEqual(await keys(direct), [KEY]);
      }),
  });
}

const LASTING: readonly [name: string, match: RegExp, fault: Fault][] = [
  ["403 to a part", /partNumber=2/, answer(403, "AccessDenied")],
  ["503 SlowDown without end", /partNumber=/, answer(503, "SlowDown")],
  ["resets without end", /partNumber=2/, { kind: "reset", afterBytes: 1000 }],
  ["no end of the upload", /^POST .*\?uploadId=/, answer(503, "ServiceUnavailable")],
];

for (const [name, match, fault] of LASTING) {
  test({
    name:
      `S3 write(): ${name}: storage_unavailable after a few tries, nothing to be seen, nothing left behind`,
    needs: RGW_NEEDS,
    fn: () =>
      withProxy(async ({ proxy, driver, direct }) => {
        fail(proxy, match, fault);
        await rejectsWith("storage_unavailable", () => driver.write(KEY, pieces()));
        assert.ok(proxy.requests.length < 30, `${proxy.requests.length} requests`);
        assert.deepEqual(await keys(direct), []);
      }),
  });
}

test({
  name: "S3 read(): answers that break off are gone on with, from the byte where they did",
  needs: RGW_NEEDS,
  fn: () =>
    withProxy(async ({ proxy, driver, direct }) => {
      await direct.write(KEY, pieces());
      proxy.plan = ({ number }) =>
        number < 3 ? { kind: "truncate", afterBytes: (4 << 20) + number } : undefined;
      assert.deepEqual(await readAll(await driver.read(KEY)), data);
      assert.equal(proxy.requests.length, 4);
    }),
});

test({
  name: "S3 read(): answers that break off without bringing anything: an error, no short success",
  needs: RGW_NEEDS,
  fn: () =>
    withProxy(async ({ proxy, driver, direct }) => {
      await direct.write(KEY, pieces());
      proxy.plan = ({ number }) => ({ kind: "truncate", afterBytes: number === 0 ? 1 << 20 : 700 });
      await rejectsWith("storage_unavailable", async () => await readAll(await driver.read(KEY)));
      assert.ok(proxy.requests.length < 20);
    }),
});

test({
  name: "S3 read() of an object that was replaced while it was read: an error, no mixture",
  needs: RGW_NEEDS,
  fn: () =>
    withProxy(async ({ proxy, driver, direct }) => {
      await direct.write(KEY, pieces());
      proxy.plan = ({ number }) => number === 0 ? { kind: "truncate", afterBytes: 4 << 20 } : undefined;
      const stream = await driver.read(KEY);
      async function* other() {
        yield await Promise.resolve(data.toReversed());
      }
      await direct.write(KEY, other());
      await rejectsWith("storage_unavailable", () => readAll(stream));
    }),
});

test({
  name: "S3 read() cancelled: the store's answer ends too",
  needs: RGW_NEEDS,
  fn: () =>
    withProxy(async ({ proxy, driver, direct }) => {
      await direct.write(KEY, pieces());
      const reader = (await driver.read(KEY)).getReader();
      await reader.read();
      await reader.cancel();
      // What is in the kernel's buffers may go on for a moment.
      let before = -1;
      while (before !== proxy.answeredBytes) {
        before = proxy.answeredBytes;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      assert.ok(proxy.answeredBytes < data.length, `${proxy.answeredBytes} of ${data.length}`);
      assert.equal((await readAll(await driver.read(KEY, 0, 5))).length, 5);
    }),
});

async function words(driver: S3Driver): Promise<string> {
  const error = await driver.probe().then(() => undefined, (error) => error);
  assert.ok(error instanceof AppError && error.code === "storage_unavailable", String(error));
  assert.ok(error.cause instanceof Error);
  return error.cause.message;
}

const WORDS: readonly [name: string, Partial<S3Settings>, RegExp][] = [
  [
    "an unknown access key",
    { credentials: { kind: "fixed", accessKey: "NOBODY", secretKey: "secret-of-nobody" } },
    /wrong keys|does not know the access key/,
  ],
  [
    "a wrong secret key",
    { credentials: { kind: "fixed", accessKey: ACCESS_KEY, secretKey: "wrong-secret" } },
    /secret key does not belong|wrong keys/,
  ],
  ["a missing bucket", { bucket: "no-such-bucket" }, /no bucket no-such-bucket at 127\.0\.0\.1/],
];

for (const [name, overrides, pattern] of WORDS) {
  test({
    name: `S3 probe(): says in words: ${name}`,
    needs: RGW_NEEDS,
    fn: () =>
      withProxy(async ({ driver }) => {
        const said = await words(driver);
        assert.match(said, pattern);
        assert.doesNotMatch(said, /wrong-secret|secret-of-nobody/);
      }, overrides),
  });
}

test({
  name: "S3 with an endpoint that hangs: given up in time, in words",
  needs: RGW_NEEDS,
  fn: () =>
    withProxy(async ({ proxy, settings }) => {
      proxy.plan = () => ({ kind: "hang" });
      const driver = driverOf(settings, { answerMs: 200 });
      assert.match(await words(driver), /took the request and does not answer in time/);
      await rejectsWith("storage_unavailable", () => driver.read(KEY));
      await rejectsWith("storage_unavailable", () => driver.stat(KEY));
      assert.ok(proxy.requests.length <= 10, "asked once more, no oftener");
      await driver.close();
    }),
});

test({
  name: "S3 probe(): says by how much the clock is off",
  needs: RGW_NEEDS,
  fn: async () => {
    const settings = await freshBucket();
    const driver = driverOf(settings, { now: () => Date.now() - 40 * 60_000 });
    try {
      assert.match(await words(driver), /clock is 40 minutes behind/);
    } finally {
      await driver.close();
    }
  },
});

test({
  name: "S3 probe(): says that nobody listens, and that the quota is used up",
  needs: RGW_NEEDS,
  fn: () =>
    withProxy(async ({ proxy, driver }) => {
      fail(proxy, /^PUT/, answer(403, "QuotaExceeded"));
      await rejectsWith("storage_full", () => driver.probe());
      proxy.close();
      assert.match(await words(driver), /refuses connections/);
    }),
});
