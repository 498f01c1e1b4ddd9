import assert from "node:assert/strict";
import { findBlob, openBlob } from "../../src/domain/content/blobs.ts";
import { findMissing } from "../../src/domain/storage/scrub.ts";
import { scrub, type ScrubTotals } from "../../src/domain/storage/scrub_run.ts";
import { pushBlob } from "../../src/domain/content/uploads.ts";
import type { Deps } from "../../src/domain/deps.ts";
import type { StorageDriver, StorageLocation } from "../../src/drivers/storage/driver.ts";
import { createMemoryDriver } from "../../src/drivers/storage/memory.ts";
import { insertPlacement } from "../../src/drivers/database/queries/placement.ts";
import { AppError } from "../../src/lib/errors.ts";
import { blobKey, type Digest, digestOf } from "../../src/oci/digest.ts";
import { type TestRegistry, withRegistry } from "../blobs/registry.ts";
import { withEdge } from "../mirror/edge.ts";
import { withFake } from "../mirror/fake_registry.ts";
import { randomBytes } from "../mirror/images.ts";
import { readAll } from "./driver_suite.ts";

interface Site {
  readonly registry: TestRegistry;
  readonly deps: TestRegistry["deps"];
  readonly near: StorageDriver;
  readonly far: StorageDriver;
  /** Switches the far location off. */
  off(): void;
}

async function withTwo(fn: (site: Site) => Promise<void>): Promise<void> {
  await withRegistry((registry) => {
    const [near, far] = [createMemoryDriver(), createMemoryDriver()];
    let isOff = false;
    const location: StorageLocation = {
      name: "far",
      driver: {
        ...far,
        read: (key, offset, length) =>
          isOff ? Promise.reject(new AppError("storage_unavailable", "off")) : far.read(key, offset, length),
        stat: (key) => isOff ? Promise.reject(new AppError("storage_unavailable", "off")) : far.stat(key),
      },
    };
    const storage = { name: "near", driver: near, others: [location] };
    const config = { ...registry.deps.config, FEATURE_SUPER_USERS: true, SUPER_USERS: ["root"] };
    const off = () => void (isOff = true);
    return fn({ registry, deps: { ...registry.deps, storage, config }, near, far, off });
  });
}

async function* bytes(text: string) {
  yield await Promise.resolve(new TextEncoder().encode(text));
}

async function push({ deps, registry }: Site, text: string): Promise<Digest> {
  const digest = digestOf(text);
  await pushBlob(deps, registry.ids.app, digest, { stream: new Response(text).body, lengthBytes: undefined });
  return digest;
}

/** A copy at the far location, recorded. */
async function copy({ deps, far }: Site, digest: Digest, text: string): Promise<void> {
  await far.write(blobKey(digest), bytes(text));
  await insertPlacement(deps.sql, digest, "far");
}

function run(deps: Deps, signal = new AbortController().signal): Promise<ScrubTotals> {
  return scrub(deps, { beforeMs: Date.now(), bytesPerSecond: Infinity, signal });
}

/** Lets everything be due again. */
const again = ({ deps }: Site) => deps.sql`update imagestorageplacement set check_lease = null`;

const at = async (driver: StorageDriver, key: string) =>
  await driver.stat(key) && new TextDecoder().decode(await readAll(await driver.read(key)));

async function once(site: Site): Promise<ScrubTotals["byVerdict"]> {
  await site.deps
    .sql`update imagestorageplacement set checked_at = now() at time zone 'utc' - interval '40 days'`;
  const { deps } = site;
  const thirtyDaysMs = 30 * 86_400_000;
  const { byVerdict } = await scrub(deps, {
    beforeMs: Date.now() - thirtyDaysMs,
    bytesPerSecond: Infinity,
    signal: new AbortController().signal,
  });
  return byVerdict;
}

Deno.test("scrub(): good copies are read once, and not again before their time", () =>
  withTwo(async (site) => {
    await push(site, "one");
    await copy(site, await push(site, "two"), "two");
    assert.deepEqual(await once(site), { good: 3, healed: 0, lost: 0, unreadable: 0 });
    const more = await scrub(site.deps, {
      beforeMs: Date.now() - 86_400_000,
      bytesPerSecond: Infinity,
      signal: new AbortController().signal,
    });
    assert.equal(more.checked, 0);
  }));

for (const damage of ["rotten", "missing"] as const) {
  Deno.test(`scrub(): a ${damage} copy is written anew from another location`, () =>
    withTwo(async (site) => {
      const digest = await push(site, "layer");
      await copy(site, digest, "layer");
      if (damage === "rotten") await site.near.write(blobKey(digest), bytes("lAyer"));
      else await site.near.remove(blobKey(digest));
      assert.deepEqual(await once(site), { good: 1, healed: 1, lost: 0, unreadable: 0 });
      assert.equal(await at(site.near, blobKey(digest)), "layer");
      const quarantined = await at(site.near, `quarantine/${digest.replace(":", "-")}`);
      assert.equal(quarantined, damage === "rotten" ? "lAyer" : undefined);
    }));

  Deno.test(`scrub(): a ${damage} blob that no other location has: unknown to clients until it is pushed again, superusers told`, () =>
    withTwo(async (site) => {
      const { deps, registry: { ids } } = site;
      await deps
        .sql`insert into "user" (uuid, username, email, organization, robot, verified, enabled, invoice_email,
        invalid_login_attempts, last_invalid_login, removed_tag_expiration_s)
        values (gen_random_uuid()::text, 'root', 'r@example.org', false, false, true, true, false, 0, now(), 0)`;
      const digest = await push(site, "layer");
      await copy(site, digest, "lAyer");
      if (damage === "rotten") await site.near.write(blobKey(digest), bytes("lAyer"));
      else await site.near.remove(blobKey(digest));
      const { good, lost } = await once(site);
      assert.deepEqual([good, lost], [0, 2]);
      assert.equal(await findBlob(deps, ids.app, digest), undefined);
      const told = await deps.sql<
        { metadata: string }[]
      >`select n.metadata_json as metadata from notification n
        join notificationkind k on k.id = n.kind_id where k.name = 'storage_damaged'`;
      assert.equal(told.length, 1);
      assert.deepEqual(JSON.parse(told[0]!.metadata).repositories, ["acme/app"]);

      await push(site, "layer");
      const blob = await findBlob(deps, ids.app, digest);
      assert.ok(blob);
      assert.equal(new TextDecoder().decode(await readAll(await openBlob(deps, blob))), "layer");
      await again(site);
      assert.deepEqual((await once(site)).lost, 0);
    }));
}

Deno.test("scrub(): a lost blob whose object is found again is known again", () =>
  withTwo(async (site) => {
    const digest = await push(site, "layer");
    await site.near.remove(blobKey(digest));
    assert.equal((await once(site)).lost, 1);
    await site.near.write(blobKey(digest), bytes("layer"));
    assert.equal((await once(site)).good, 1);
    assert.ok(await findBlob(site.deps, site.registry.ids.app, digest));
  }));

Deno.test("scrub(): while the other location is off nothing is given up for lost", () =>
  withTwo(async (site) => {
    const digest = await push(site, "layer");
    await copy(site, digest, "layer");
    await site.near.remove(blobKey(digest));
    site.off();
    assert.deepEqual(await once(site), { good: 0, healed: 0, lost: 0, unreadable: 2 });
    assert.ok(await findBlob(site.deps, site.registry.ids.app, digest));
  }));

Deno.test("scrub(): an emptied storage is not believed", () =>
  withTwo(async (site) => {
    for (let n = 0; n < 30; n++) await site.near.remove(blobKey(await push(site, `layer ${n}`)));
    const totals = await run(site.deps);
    assert.equal(totals.isIncredible, true);
    assert.ok(totals.checked < 20);
  }));

Deno.test("scrub(): stopped in the middle and started again looks at each copy once", () =>
  withTwo(async (site) => {
    for (let n = 0; n < 9; n++) await push(site, `layer ${n}`);
    await site.deps
      .sql`update imagestorageplacement set checked_at = now() at time zone 'utc' - interval '40 days'`;
    const stop = new AbortController();
    const beforeMs = Date.now() - 86_400_000;
    const first = await scrub(site.deps, {
      beforeMs,
      bytesPerSecond: Infinity,
      signal: stop.signal,
      report: ({ checked }) => checked === 4 && stop.abort(),
    });
    const signal = new AbortController().signal;
    const both = await Promise.all(
      [1, 2].map(() => scrub(site.deps, { beforeMs, bytesPerSecond: Infinity, signal })),
    );
    assert.equal(first.checked, 4);
    assert.equal(both[0]!.checked + both[1]!.checked, 5);
  }));

Deno.test("findMissing(): what no location has, with its repositories; who did not answer is named", () =>
  withTwo(async (site) => {
    const list = async () => {
      const found: [string, readonly string[], readonly string[]][] = [];
      for await (const { digest, repositories, unreachable } of findMissing(site.deps)) {
        found.push([digest, repositories, unreachable]);
      }
      return found;
    };
    const [here, there, nowhere] = [await push(site, "1"), await push(site, "2"), await push(site, "3")];
    await copy(site, there, "2");
    await site.near.remove(blobKey(there));
    await site.near.remove(blobKey(nowhere));
    assert.ok(await at(site.near, blobKey(here)));
    assert.deepEqual(await list(), [[nowhere, ["acme/app"], []]]);
    site.off();
    assert.deepEqual(await list(), [[there, ["acme/app"], ["far"]], [nowhere, ["acme/app"], ["far"]]]);
  }));

Deno.test("scrub(): a rotten blob of a mirror is fetched from its upstream", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const layer = randomBytes(200_000, 1);
      const image = fake.image("v1", [layer]);
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      assert.equal((await edge.run(mirror)).kind, "success");
      const digest = digestOf(layer);
      await Deno.writeFile(`${edge.root}/${blobKey(digest)}`, layer.toReversed());
      const { byVerdict } = await run(edge.deps);
      assert.deepEqual([byVerdict.healed, byVerdict.lost], [1, 0]);
      await edge.readWhole(mirror, image);
    })
  ));
