import assert from "node:assert/strict";
import { findBlob, openBlob } from "../../src/domain/content/blobs.ts";
import { appendToUpload, finishUpload, pushBlob, startUpload } from "../../src/domain/content/uploads.ts";
import { createUploadWorkspace } from "../../src/domain/content/upload_workspace.ts";
import type { StorageAppender, StorageDriver } from "../../src/drivers/storage/driver.ts";
import { AppError } from "../../src/lib/errors.ts";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { test } from "../skip.ts";
import { readAll } from "../storage/driver_suite.ts";
import { driverOf, freshBucket, RGW_NEEDS } from "../storage/rgw.ts";
import { type TestRegistry, withRegistry } from "./registry.ts";

/** Stops the "machine" before storage operation number `at`, and keeps it down: nothing later happens either. */
class Power {
  #left = Infinity;
  failAfter(operations: number): void {
    this.#left = operations;
  }
  restore(): void {
    this.#left = Infinity;
  }
  get isOut(): boolean {
    return this.#left <= 0;
  }
  spend(): void {
    if (this.isOut) throw new Error("power cut");
    this.#left--;
  }
}

/** `late` cuts after the operation took effect instead of before it. */
function fragile(driver: StorageDriver, power: Power, late: boolean): StorageDriver {
  const guard = async <T>(operation: () => Promise<T>): Promise<T> => {
    if (!late) power.spend();
    else if (power.isOut) throw new Error("power cut");
    const result = await operation();
    if (late) {
      power.spend();
      if (power.isOut) throw new Error("power cut");
    }
    return result;
  };
  return {
    ...driver,
    stat: (key) => guard(() => driver.stat(key)),
    move: (from, to) => guard(() => driver.move(from, to)),
    remove: (key) => guard(() => driver.remove(key)),
    discard: (key, state) => guard(() => driver.discard(key, state)),
    append: (key, offset, turn) =>
      guard(async () => {
        const appender = await driver.append(key, offset, turn);
        const wrapped: StorageAppender = {
          write: (chunk) => guard(() => appender.write(chunk)),
          close: (options) => guard(() => appender.close(options)),
          abort: () => appender.abort(),
        };
        return wrapped;
      }),
  };
}

/** More than a part of an object store, less than two. */
const body = new Uint8Array(9_000_000).map((_, i) => (i * 31 + (i >> 10)) & 255);
const digest = digestOf(body);
const streamOf = (bytes: Uint8Array<ArrayBuffer>) => ({
  stream: new Response(bytes).body,
  lengthBytes: bytes.length,
  start: undefined,
});

async function readable(registry: TestRegistry, wanted: Digest): Promise<boolean> {
  const blob = await findBlob(registry.deps, registry.ids.app, wanted);
  if (!blob) return false;
  assert.deepEqual(await readAll(await openBlob(registry.deps, blob)), body, "a visible blob is whole");
  return true;
}

/** What the next start does: leases have run out and memory is empty. */
async function restart(registry: TestRegistry): Promise<void> {
  Object.assign(registry.deps, { uploads: createUploadWorkspace() });
  await registry.sql`update blobupload set lease_expires_at = now() at time zone 'utc' - interval '1 second'
    where lease_token is not null`;
  await registry.sql`delete from blobclaim`;
}

const WAYS: Record<string, (registry: TestRegistry) => Promise<void>> = {
  "POST ?digest=": ({ deps, ids }) => pushBlob(deps, ids.app, digest, streamOf(body)),
  "POST + PUT": async ({ deps, ids }) => {
    const { uuid } = await startUpload(deps, ids.app);
    await finishUpload(deps, ids.app, uuid, digest, streamOf(body));
  },
  "POST + PATCH + PATCH + PUT": async ({ deps, ids }) => {
    const { uuid } = await startUpload(deps, ids.app);
    await appendToUpload(deps, ids.app, uuid, streamOf(body.slice(0, 1_000_000)));
    await appendToUpload(deps, ids.app, uuid, streamOf(body.slice(1_000_000)));
    await finishUpload(deps, ids.app, uuid, digest, { stream: null, lengthBytes: 0, start: undefined });
  },
};

type Wrap = (driver: StorageDriver) => StorageDriver;
const ENGINES: readonly [
  name: string,
  needs: readonly string[],
  withEngine: (fn: (wrap: Wrap) => Promise<void>) => Promise<void>,
][] = [
  ["a disk", [], (fn) => fn((driver) => driver)],
  ["Ceph RGW", RGW_NEEDS, async (fn) => {
    const driver = driverOf(await freshBucket());
    await fn(() => driver).finally(() => driver.close());
  }],
];

for (const [engine, needs, withEngine] of ENGINES) {
  for (const late of [false, true]) {
    for (const [way, push] of Object.entries(WAYS)) {
      test({
        name: `${way} on ${engine}: a crash ${
          late ? "after" : "before"
        } any storage step shows nothing, and a retry succeeds`,
        needs,
        fn: () =>
          withEngine(async (wrap) => {
            const power = new Power();
            await withRegistry(
              (registry) => crashEverywhere(registry, power, push, late),
              (driver) => fragile(wrap(driver), power, late),
            );
          }),
      });
    }
  }
}

async function crashEverywhere(
  registry: TestRegistry,
  power: Power,
  push: (registry: TestRegistry) => Promise<void>,
  late: boolean,
): Promise<void> {
  let acknowledged = false;
  for (let step = 0; !acknowledged; step++) {
    assert.ok(step < 60, "the push never gets through");
    power.failAfter(step);
    acknowledged = await push(registry).then(() => true, (error) => {
      assert.match(String(error), /power cut/);
      return false;
    });
    power.restore();
    await restart(registry);
    assert.equal(await readable(registry, digest), acknowledged, `step ${step}`);
    if (acknowledged && late) break;
  }
  // And once more on top of what all those crashes left behind.
  await push(registry);
  assert.ok(await readable(registry, digest));
}

Deno.test("PUT whose commit failed after the rename: the same PUT again ends the upload", () =>
  withRegistry(async (registry) => {
    const { deps, ids, sql } = registry;
    const { uuid } = await startUpload(deps, ids.app);
    await appendToUpload(deps, ids.app, uuid, streamOf(body));
    await sql.unsafe(
      `alter table uploadedblob add constraint broken check (expires_at < '2000-01-01') not valid`,
    );
    const end = () =>
      finishUpload(deps, ids.app, uuid, digest, { stream: null, lengthBytes: 0, start: undefined });
    await assert.rejects(end);
    assert.equal(await readable(registry, digest), false);
    await sql.unsafe(`alter table uploadedblob drop constraint broken`);
    await end();
    assert.ok(await readable(registry, digest));
  }));

Deno.test("a lease that was taken over: the first writer's PUT stores nothing", () =>
  withRegistry(async (registry) => {
    const { deps, ids, sql } = registry;
    const { uuid } = await startUpload(deps, ids.app);
    let send!: ReadableStreamDefaultController<Uint8Array>;
    const stream = new ReadableStream<Uint8Array>({ start: (controller) => void (send = controller) });
    const put = finishUpload(deps, ids.app, uuid, digest, {
      stream,
      lengthBytes: body.length,
      start: undefined,
    });
    send.enqueue(body);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await sql`update blobupload set lease_token = 'of another node' where uuid = ${uuid}`;
    send.close();
    await assert.rejects(put, (error) => error instanceof AppError && error.code === "upload_invalid");
    assert.equal(await readable(registry, digest), false);
  }));
