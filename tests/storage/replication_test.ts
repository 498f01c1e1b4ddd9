import assert from "node:assert/strict";
import { findBlob, HOT_MAX_BYTES, openBlob } from "../../src/domain/content/blobs.ts";
import { createHealth } from "../../src/domain/site/health.ts";
import {
  backfillReplication,
  copyLocation,
  removeLocation,
} from "../../src/domain/storage/location_moves.ts";
import { pushBlob } from "../../src/domain/content/uploads.ts";
import { withBreaker } from "../../src/drivers/storage/breaker.ts";
import type { StorageDriver, StorageLocation } from "../../src/drivers/storage/driver.ts";
import { createMemoryDriver } from "../../src/drivers/storage/memory.ts";
import { AppError } from "../../src/lib/errors.ts";
import { blobKey, type Digest, digestOf } from "../../src/oci/digest.ts";
import { replicateBlobs } from "../../src/workers/replication.ts";
import { type TestRegistry, withRegistry } from "../blobs/registry.ts";
import { readAll, rejectsWith } from "./driver_suite.ts";

/** An engine that can be switched off, and counts what it is asked. */
interface Engine extends StorageLocation {
  isOff: boolean;
  asked: number;
  readonly bare: StorageDriver;
}

function engine(name: string): Engine {
  const bare = createMemoryDriver();
  const refusing = new Proxy(bare, {
    get(target, key) {
      const member = Reflect.get(target, key);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        made.asked++;
        if (made.isOff) {
          throw new AppError("storage_unavailable", "off", {}, { cause: new Error(`${name} is off`) });
        }
        return Reflect.apply(member, target, args);
      };
    },
  });
  // A proxy's members are found one by one: the breaker copies them.
  const driver = Object.fromEntries(
    Object.keys(bare).map((
      key,
    ) => [key, async (...args: unknown[]) => await Reflect.get(refusing, key)(...args)]),
  ) as unknown as StorageDriver;
  const made: Engine = {
    name,
    ...withBreaker(name, { ...driver, list: bare.list }),
    isOff: false,
    asked: 0,
    bare,
  };
  return made;
}

interface Site {
  readonly registry: TestRegistry;
  readonly east: Engine;
  readonly west: Engine;
  /** As of a node that prefers the east, and of one that prefers the west. */
  readonly eastNode: TestRegistry["deps"];
  readonly westNode: TestRegistry["deps"];
}

async function withTwo(fn: (site: Site) => Promise<void>): Promise<void> {
  await withRegistry((registry) => {
    const [east, west] = [engine("east"), engine("west")];
    const node = (first: Engine, second: Engine): TestRegistry["deps"] => ({
      ...registry.deps,
      storage: { ...first, others: [second] },
      config: {
        ...registry.deps.config,
        FEATURE_STORAGE_REPLICATION: true,
        DISTRIBUTED_STORAGE_PREFERENCE: [first.name, second.name],
        DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS: ["east", "west"],
      },
    });
    return fn({ registry, east, west, eastNode: node(east, west), westNode: node(west, east) });
  });
}

const streamOf = (text: string) => ({ stream: new Response(text).body, lengthBytes: text.length });

async function push(node: TestRegistry["deps"], repositoryId: number, text: string): Promise<Digest> {
  const digest = digestOf(text);
  await pushBlob(node, repositoryId, digest, streamOf(text));
  return digest;
}

async function pull(node: TestRegistry["deps"], repositoryId: number, digest: Digest): Promise<string> {
  const blob = await findBlob(node, repositoryId, digest);
  assert.ok(blob);
  return new TextDecoder().decode(await readAll(await openBlob(node, blob)));
}

const has = async ({ bare }: Engine, digest: Digest) => await bare.stat(blobKey(digest)) !== undefined;
const goOn = new AbortController().signal;

async function queued({ sql }: TestRegistry): Promise<number> {
  return (await sql`select 1 from queueitem where queue_name like 'imagestoragereplication/%'`).length;
}

/** Failed items wait for their next try: it is now. */
async function makeDue({ sql }: TestRegistry): Promise<void> {
  await sql`update queueitem set available_after = now() at time zone 'utc' - interval '1 second'`;
}

Deno.test("replicateBlobs(): a push goes to the preferred location, its copy follows, and is recorded", () =>
  withTwo(async ({ registry, east, west, eastNode, westNode }) => {
    const { ids } = registry;
    const digest = await push(eastNode, ids.app, "layer");
    assert.deepEqual([await has(east, digest), await has(west, digest)], [true, false]);
    assert.equal(await pull(westNode, ids.app, digest), "layer", "from the east, until the copy is there");
    assert.equal(await replicateBlobs(westNode, goOn), 1);
    assert.equal(await has(west, digest), true);
    assert.equal(await queued(registry), 0);
    east.isOff = true;
    assert.equal(await pull(westNode, ids.app, digest), "layer");
    assert.equal(await pull(eastNode, ids.app, digest), "layer", "falls back");
  }));

Deno.test("replicateBlobs(): a location that is down gets its copy when it is back, the queue keeps it", () =>
  withTwo(async ({ registry, west, eastNode }) => {
    west.isOff = true;
    const digest = await push(eastNode, registry.ids.app, "layer");
    await replicateBlobs(eastNode, goOn);
    assert.equal(await queued(registry), 1);
    west.isOff = false;
    await makeDue(registry);
    await replicateBlobs(eastNode, goOn);
    assert.equal(await has(west, digest), true);
    assert.equal(await queued(registry), 0);
  }));

Deno.test("replicateBlobs(): rotten bytes are not copied", () =>
  withTwo(async ({ registry, east, west, eastNode }) => {
    const digest = await push(eastNode, registry.ids.app, "layer");
    async function* rot() {
      yield await Promise.resolve(new TextEncoder().encode("lAyer"));
    }
    await east.bare.write(blobKey(digest), rot());
    await replicateBlobs(eastNode, goOn);
    assert.equal(await has(west, digest), false);
    assert.equal(await queued(registry), 1);
  }));

Deno.test("replicateBlobs() of a blob that was collected meanwhile: no copy stays", () =>
  withTwo(async ({ registry, west, eastNode }) => {
    const { sql, ids } = registry;
    const digest = await push(eastNode, ids.app, "layer");
    const { write } = west.driver;
    const collecting: StorageLocation = {
      ...west,
      driver: {
        ...west.driver,
        async write(key, body, signal) {
          await write(key, body, signal);
          await sql`delete from uploadedblob`;
          await sql`delete from imagestorage`;
        },
      },
    };
    await replicateBlobs({ ...eastNode, storage: { ...eastNode.storage, others: [collecting] } }, goOn);
    assert.equal(await has(west, digest), false);
    assert.equal(await queued(registry), 0);
  }));

Deno.test("openBlob(): breaks off in the middle: goes on from another location, byte by byte the same", () =>
  withTwo(async ({ registry, east, eastNode }) => {
    const text = "0123456789".repeat(300_000);
    const digest = await push(eastNode, registry.ids.app, text);
    await replicateBlobs(eastNode, goOn);
    const breaking: StorageLocation = {
      ...east,
      driver: {
        ...east.driver,
        async read(key, offset, length) {
          if ((offset ?? 0) > 0) throw new AppError("storage_unavailable", "gone");
          const whole = await readAll(await east.driver.read(key, offset, length));
          return new ReadableStream({
            start: (controller) => controller.enqueue(whole.slice(0, 1_000_003) as Uint8Array<ArrayBuffer>),
            pull: () => Promise.reject(new AppError("storage_unavailable", "gone")),
          }, { highWaterMark: 0 });
        },
      },
    };
    const node = { ...eastNode, storage: { ...breaking, others: eastNode.storage.others! } };
    assert.ok(await pull(node, registry.ids.app, digest) === text);
  }));

Deno.test("openBlob(): a location that is down is soon not asked any more", () =>
  withTwo(async ({ registry, east, eastNode }) => {
    const { ids } = registry;
    const text = "x".repeat(HOT_MAX_BYTES + 1); // not kept in memory
    const digest = await push(eastNode, ids.app, text);
    await replicateBlobs(eastNode, goOn);
    east.isOff = true;
    for (let n = 0; n < 3; n++) assert.ok(await pull(eastNode, ids.app, digest) === text);
    assert.equal(east.isDown!(), true);
    const { asked } = east;
    for (let n = 0; n < 3; n++) await pull(eastNode, ids.app, digest);
    assert.equal(east.asked, asked);
  }));

Deno.test("pushBlob() while the preferred location is down: to the next one, and to it when it is back", () =>
  withTwo(async ({ registry, east, west, eastNode }) => {
    const { ids } = registry;
    east.isOff = true;
    for (let n = 0; n < 3; n++) {
      await rejectsWith("storage_unavailable", () => push(eastNode, ids.app, "layer"));
    }
    const digest = await push(eastNode, ids.app, "layer");
    assert.equal(await has(west, digest), true);
    east.isOff = false;
    await replicateBlobs({ ...eastNode, storage: { ...engineOf(east), others: [west] } }, goOn);
    assert.equal(await has(east, digest), true);
  }));

/** The same bytes behind a breaker that has seen nothing. */
function engineOf({ name, bare }: Engine): StorageLocation {
  return { name, driver: bare };
}

Deno.test("backfillReplication(): queues what is missing, once", () =>
  withTwo(async ({ registry, west, eastNode }) => {
    const { ids, sql } = registry;
    const digests = [await push(eastNode, ids.app, "one"), await push(eastNode, ids.app, "two")];
    await sql`delete from queueitem`;
    assert.equal(await backfillReplication(eastNode), 2);
    assert.equal(await backfillReplication(eastNode), 0);
    await replicateBlobs(eastNode, goOn);
    for (const digest of digests) assert.ok(await has(west, digest));
    assert.equal(await backfillReplication(eastNode), 0);
    const off = { ...eastNode, config: { ...eastNode.config, FEATURE_STORAGE_REPLICATION: false } };
    await rejectsWith("feature_disabled", () => backfillReplication(off));
  }));

Deno.test("copyLocation(), removeLocation(): a location is moved, and then forgotten", () =>
  withTwo(async ({ registry, east, west, eastNode, westNode }) => {
    const { ids, sql } = registry;
    const config = { ...westNode.config, DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS: ["west"] };
    const node = { ...westNode, config };
    const digests: Digest[] = [];
    for (let n = 0; n < 5; n++) digests.push(await push(eastNode, ids.app, `layer ${n}`));
    await assert.rejects(
      () => removeLocation(node, "east", { dryRun: true }),
      /5 blobs are nowhere but at east/,
    );
    await assert.rejects(() => removeLocation(eastNode, "east", { dryRun: false }), /new blobs go to east/);
    await rejectsWith("not_found", () => removeLocation(node, "north", { dryRun: true }));

    await east.bare.remove(blobKey(digests[4]!)); // lost
    const first = await copyLocation(node, { from: "east", to: "west", atOnce: 2 });
    assert.deepEqual([first.copied, first.failed], [4, 1]);
    assert.equal((await copyLocation(node, { from: "east", to: "west", atOnce: 2 })).copied, 0);
    await assert.rejects(
      () => removeLocation(node, "east", { dryRun: false }),
      /1 blobs are nowhere but at east/,
    );
    await push(eastNode, ids.app, "layer 4"); // pushed again
    assert.equal((await copyLocation(node, { from: "east", to: "west", atOnce: 2 })).copied, 1);

    assert.equal((await removeLocation(node, "east", { dryRun: true })).blobs, 5);
    assert.equal((await sql`select 1 from imagestoragelocation where name = 'east'`).length, 1);
    await removeLocation(node, "east", { dryRun: false });
    assert.equal((await sql`select 1 from imagestoragelocation where name = 'east'`).length, 0);
    east.isOff = true;
    for (const [n, digest] of digests.entries()) {
      assert.equal(await pull(node, ids.app, digest), `layer ${n}`);
    }
    assert.ok(await has(west, digests[0]!));
  }));

Deno.test("/health/endtoend: every location is looked at, and the one that fails is named", () =>
  withTwo(async ({ west, eastNode }) => {
    const health = createHealth({
      ...eastNode,
      dataDir: "/tmp",
      pingWorkers: () => Promise.resolve(true),
      serviceKeyUsable: () => Promise.resolve(true),
      now: Date.now,
    });
    assert.equal((await health.endToEnd()).storage?.ok, true);
    west.isOff = true;
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const { storage } = await health.endToEnd();
    assert.equal(storage?.ok, false);
    assert.match(storage?.message ?? "", /west: west is off/);
  }));
