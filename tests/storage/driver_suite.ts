import assert from "node:assert/strict";
import { AppError, type ErrorCode } from "../../src/lib/errors.ts";
import { test } from "../skip.ts";
import type { StorageAppender, StorageDriver } from "../../src/drivers/storage/driver.ts";

export interface StorageUnderTest extends AsyncDisposable {
  readonly driver: StorageDriver;
}

const KEY = `sha256/ab/ab${"0".repeat(62)}`;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytesOf = (value: string) => new TextEncoder().encode(value);

export async function readAll(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());
}

export async function rejectsWith(code: ErrorCode, operation: () => Promise<unknown>): Promise<void> {
  await assert.rejects(operation, (error) => error instanceof AppError && error.code === code);
}

async function keysUnder(driver: StorageDriver, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of driver.list(prefix)) keys.push(key);
  return keys.sort();
}

async function unfinished(driver: StorageDriver): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of driver.listUnfinished?.() ?? []) keys.push(key);
  return keys;
}

/** Bytes that repeat nowhere within a part. */
function pattern(size: number): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(size);
  for (let i = 0; i < size; i++) data[i] = (i * 31 + (i >> 12) + (i >> 20)) & 255;
  return data;
}

async function* chunks(...values: string[]): AsyncGenerator<Uint8Array> {
  for (const value of values) yield await Promise.resolve(bytesOf(value));
}

/** What every storage engine must do. Each case gets a fresh, empty engine. */
const CASES: readonly [string, (driver: StorageDriver) => Promise<void>][] = [
  ["stat() of an absent key: undefined", async (driver) => {
    assert.equal(await driver.stat(KEY), undefined);
  }],
  ["read() of an absent key: blob_unknown", async (driver) => {
    await rejectsWith("blob_unknown", () => driver.read(KEY));
  }],
  ["write() then read(): the same bytes, and no temporary object is left", async (driver) => {
    await driver.write(KEY, chunks("hello ", "", "world"));
    assert.deepEqual(await driver.stat(KEY), { sizeBytes: 11 });
    assert.equal(text(await readAll(await driver.read(KEY))), "hello world");
    assert.deepEqual(await keysUnder(driver, ""), [KEY]);
  }],
  ["write() of nothing: an empty object", async (driver) => {
    await driver.write(KEY, chunks());
    assert.deepEqual(await driver.stat(KEY), { sizeBytes: 0 });
    assert.equal((await readAll(await driver.read(KEY))).length, 0);
  }],
  ["write() whose body fails: no object and no temporary object", async (driver) => {
    async function* broken() {
      yield await Promise.resolve(bytesOf("half"));
      throw new Error("connection reset");
    }
    await assert.rejects(() => driver.write(KEY, broken()), /connection reset/);
    assert.deepEqual(await keysUnder(driver, ""), []);
  }],
  ["write() that is aborted: no object and no temporary object", async (driver) => {
    const controller = new AbortController();
    async function* slow() {
      yield await Promise.resolve(bytesOf("half"));
      controller.abort();
      yield bytesOf("rest");
    }
    await assert.rejects(() => driver.write(KEY, slow(), controller.signal));
    assert.deepEqual(await keysUnder(driver, ""), []);
  }],
  ["write() over an object: replaces it", async (driver) => {
    await driver.write(KEY, chunks("a longer first text"));
    await driver.write(KEY, chunks("second"));
    assert.equal(text(await readAll(await driver.read(KEY))), "second");
  }],
  ["read() of ranges: exactly those bytes, clipped at the end", async (driver) => {
    await driver.write(KEY, chunks("0123456789"));
    for (
      const [offset, length, want] of [
        [0, 4, "0123"],
        [3, 4, "3456"],
        [9, 1, "9"],
        [7, 100, "789"],
        [10, 5, ""],
        [4, 0, ""],
        [6, undefined, "6789"],
      ] as const
    ) {
      assert.equal(text(await readAll(await driver.read(KEY, offset, length))), want, `${offset}+${length}`);
    }
  }],
  ["read() of 5 MiB + 17: every byte, across chunk borders", async (driver) => {
    const size = (5 << 20) + 17;
    const data = new Uint8Array(size);
    for (let i = 0; i < size; i++) data[i] = (i * 31 + (i >> 12)) & 255;
    const appender = await driver.append("uploads/u1", 0);
    await appender.write(data);
    const { sizeBytes, key } = await appender.close({ durable: true, last: true });
    assert.equal(sizeBytes, size);
    await driver.move(key, KEY);
    assert.ok((await readAll(await driver.read(KEY))).every((byte, i) => byte === data[i]));
    const offset = (1 << 20) - 3;
    const part = await readAll(await driver.read(KEY, offset, 1 << 20));
    assert.equal(part.length, 1 << 20);
    assert.ok(part.every((byte, i) => byte === data[offset + i]));
  }],
  ["read() cancelled in the middle: the object stays usable", async (driver) => {
    await driver.write(KEY, chunks("x".repeat(3 << 20)));
    const stream = await driver.read(KEY);
    const reader = stream.getReader();
    await reader.read();
    await reader.cancel();
    await driver.remove(KEY);
    assert.equal(await driver.stat(KEY), undefined);
  }],
  ["append() in two turns: continues where the first ended", async (driver) => {
    const first = await driver.append("uploads/u1", 0);
    await first.write(bytesOf("hello "));
    const { sizeBytes, state } = await first.close({ durable: true });
    assert.equal(sizeBytes, 6);
    const second = await driver.append("uploads/u1", 6, { state });
    await second.write(bytesOf("world"));
    const whole = await second.close({ durable: false, last: true });
    assert.equal(whole.sizeBytes, 11);
    assert.equal(text(await readAll(await driver.read(whole.key))), "hello world");
  }],
  [
    "append() in turns that end anywhere: every byte, and nothing is left when it has been moved",
    async (driver) => {
      const turns = [3, 6 << 20, 0, (9 << 20) + 1, 17, 5 << 20, 0];
      const data = pattern(turns.reduce((sum, size) => sum + size, 0));
      let [offset, state]: [number, string | undefined] = [0, undefined];
      for (const size of turns) {
        const appender: StorageAppender = await driver.append("uploads/u1", offset, { state });
        for (let at = 0; at < size; at += 1 << 18) {
          await appender.write(data.subarray(offset + at, offset + Math.min(size, at + (1 << 18))));
        }
        ({ sizeBytes: offset, state } = await appender.close({ durable: true }));
      }
      assert.equal(offset, data.length);
      const end = await driver.append("uploads/u1", offset, { state });
      const { key } = await end.close({ durable: true, last: true });
      await driver.move(key, KEY);
      assert.deepEqual(await readAll(await driver.read(KEY)), data);
      assert.deepEqual(await keysUnder(driver, ""), [KEY]);
      assert.deepEqual(await unfinished(driver), []);
    },
  ],
  ["append() of the only turn with a target: nothing to be seen before the end", async (driver) => {
    const data = pattern((17 << 20) + 3);
    const appender = await driver.append("uploads/u1", 0, { target: KEY });
    for (let at = 0; at < data.length; at += 1 << 20) await appender.write(data.subarray(at, at + (1 << 20)));
    assert.equal(await driver.stat(KEY), undefined);
    const { key } = await appender.close({ durable: true, last: true });
    if (key !== KEY) await driver.move(key, KEY);
    assert.deepEqual(await readAll(await driver.read(KEY)), data);
    assert.deepEqual(await keysUnder(driver, ""), [KEY]);
  }],
  [
    "append() again from where a turn began that was closed but not kept: the same bytes count once",
    async (driver) => {
      const data = pattern(13 << 20);
      const first = await driver.append("uploads/u1", 0);
      await first.write(data.subarray(0, 6 << 20));
      const kept = await first.close({ durable: true });
      for (const lost of [data.length, 10 << 20]) {
        const turn = await driver.append("uploads/u1", kept.sizeBytes, { state: kept.state });
        await turn.write(data.subarray(kept.sizeBytes, lost));
        await turn.close({ durable: true });
      }
      const turn = await driver.append("uploads/u1", kept.sizeBytes, { state: kept.state });
      await turn.write(data.subarray(kept.sizeBytes));
      const { key, sizeBytes } = await turn.close({ durable: true, last: true });
      assert.equal(sizeBytes, data.length);
      assert.deepEqual(await readAll(await driver.read(key)), data);
    },
  ],
  ["append() that is aborted at any point: what was kept goes on", async (driver) => {
    const data = pattern(19 << 20);
    const first = await driver.append("uploads/u1", 0);
    await first.write(data.subarray(0, 100));
    const kept = await first.close({ durable: true });
    for (const size of [0, 10, 9 << 20]) {
      const turn = await driver.append("uploads/u1", 100, { state: kept.state });
      await turn.write(data.subarray(200, 200 + size));
      await turn.abort();
    }
    assert.deepEqual(await unfinished(driver), []);
    const turn = await driver.append("uploads/u1", 100, { state: kept.state });
    await turn.write(data.subarray(100));
    const { key } = await turn.close({ durable: true, last: true });
    assert.deepEqual(await readAll(await driver.read(key)), data);
  }],
  ["append() at offset 0 again: drops what an interrupted request left", async (driver) => {
    const first = await driver.append("uploads/u1", 0);
    await first.write(bytesOf("hello garbage that was never acknowledged"));
    await first.abort();
    const second = await driver.append("uploads/u1", 0);
    await second.write(bytesOf("hello "));
    const { state } = await second.close({ durable: true });
    const third = await driver.append("uploads/u1", 6, { state });
    await third.write(bytesOf("!"));
    const { key } = await third.close({ durable: true, last: true });
    assert.equal(text(await readAll(await driver.read(key))), "hello !");
  }],
  ["append() beyond what is there: upload_unknown", async (driver) => {
    await rejectsWith("upload_unknown", () => driver.append("uploads/u1", 5));
    const first = await driver.append("uploads/u2", 0);
    await first.write(bytesOf("abc"));
    const { state } = await first.close({ durable: true });
    await rejectsWith("upload_unknown", () => driver.append("uploads/u2", 4, { state }));
  }],
  ["discard(): nothing of an upload is left, and again without an error", async (driver) => {
    const data = pattern(9 << 20);
    let [offset, state]: [number, string | undefined] = [0, undefined];
    for (let turn = 0; turn < 2; turn++) {
      const appender: StorageAppender = await driver.append("uploads/u1", offset, { state });
      await appender.write(data);
      ({ sizeBytes: offset, state } = await appender.close({ durable: true }));
    }
    await driver.discard("uploads/u1", state);
    await driver.discard("uploads/u1", state);
    assert.deepEqual(await keysUnder(driver, ""), []);
    assert.deepEqual(await unfinished(driver), []);
  }],
  ["append() while another writer has it: upload_invalid, and free again after abort", async (driver) => {
    const first = await driver.append("uploads/u1", 0);
    await rejectsWith("upload_invalid", () => driver.append("uploads/u1", 0));
    await first.abort();
    await first.abort();
    await (await driver.append("uploads/u1", 0)).close({ durable: false });
  }],
  ["move(): the object is under the new key only, and replaces what was there", async (driver) => {
    await driver.write("uploads/u1", chunks("new"));
    await driver.write(KEY, chunks("old"));
    await driver.move("uploads/u1", KEY);
    assert.equal(text(await readAll(await driver.read(KEY))), "new");
    assert.equal(await driver.stat("uploads/u1"), undefined);
  }],
  ["move() of an absent key: rejects and leaves the target alone", async (driver) => {
    await driver.write(KEY, chunks("old"));
    await assert.rejects(() => driver.move("uploads/none", KEY));
    assert.equal(text(await readAll(await driver.read(KEY))), "old");
  }],
  ["remove(): gone, and again without an error", async (driver) => {
    await driver.write(KEY, chunks("x"));
    await driver.remove(KEY);
    await driver.remove(KEY);
    assert.equal(await driver.stat(KEY), undefined);
  }],
  ["list(): keys below a prefix with size and time", async (driver) => {
    await driver.write("uploads/a", chunks("1"));
    await driver.write("uploads/b", chunks("22"));
    await driver.write(KEY, chunks("333"));
    assert.deepEqual(await keysUnder(driver, "uploads/"), ["uploads/a", "uploads/b"]);
    assert.deepEqual(await keysUnder(driver, "nothing/"), []);
    for await (const entry of driver.list("uploads/")) {
      assert.equal(entry.sizeBytes, entry.key.endsWith("a") ? 1 : 2);
      assert.ok(Math.abs(entry.modifiedMs - Date.now()) < 3_600_000);
    }
  }],
  ["any operation with a key that leaves the root: invalid_request", async (driver) => {
    const long = "a".repeat(300);
    const bad = [
      "",
      "..",
      "../x",
      "a/../b",
      "/etc/passwd",
      "a//b",
      "a/",
      "./a",
      "a\0b",
      "a b",
      "ä",
      "a\\b",
      long,
    ];
    for (const key of bad) {
      const operations: (() => Promise<unknown>)[] = [
        async () => await driver.stat(key),
        async () => await driver.read(key),
        async () => await driver.write(key, chunks("x")),
        async () => await driver.append(key, 0),
        async () => await driver.remove(key),
        async () => await driver.move(KEY, key),
        async () => await driver.move(key, KEY),
      ];
      for (const operation of operations) await rejectsWith("invalid_request", operation);
    }
  }],
  ["probe(): passes and leaves nothing", async (driver) => {
    await driver.probe();
    assert.deepEqual(await keysUnder(driver, ""), []);
  }],
];

export function storageDriverSuite(
  name: string,
  factory: () => Promise<StorageUnderTest>,
  { needs = [], only = /./ }: { needs?: readonly string[]; only?: RegExp } = {},
): void {
  for (const [title, check] of CASES) {
    if (!only.test(title)) continue;
    test({
      name: `${name} storage: ${title}`,
      needs,
      async fn() {
        await using subject = await factory();
        await check(subject.driver);
      },
    });
  }
}
