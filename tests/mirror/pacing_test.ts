import assert from "node:assert/strict";
import { Time } from "./virtual_time.ts";
import { silentLogger } from "../database.ts";
import type { MirrorLimits } from "../../src/domain/mirroring/limits.ts";
import type { Mirror } from "../../src/domain/mirroring/model.ts";
import { MirrorPacing } from "../../src/domain/mirroring/pacing.ts";

const { signal } = new AbortController();
const idle = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

const mirrorOf = (id: number, limits: MirrorLimits = {}) =>
  ({ id, limits, source: { reference: "registry.example/app" } }) as unknown as Mirror;

function pacingOf(
  config: Partial<ConstructorParameters<typeof MirrorPacing>[1]>,
  time = new Time(),
): MirrorPacing {
  // What was taken is written down by one statement, which answers with sums.
  const sql = Object.assign(() => Promise.resolve([{ dayBytes: 0, monthBytes: 0 }])) as never;
  const deps = { sql, now: time.now, log: silentLogger };
  return new MirrorPacing(
    deps,
    { REPO_MIRROR_UPSTREAM_LIMITS: {}, REPO_MIRROR_DEFAULT_LIMITS: {}, ...config },
    time,
  );
}

Deno.test("limitsOf(): a mirror with two blobs is not kept waiting by one of the same upstream with a thousand", async () => {
  const pacing = pacingOf({ REPO_MIRROR_UPSTREAM_LIMITS: { "registry.example": { concurrency: 1 } } });
  const order: string[] = [];
  const fetchAll = (name: string, id: number, blobs: number) => {
    const { turnstile } = pacing.limitsOf(mirrorOf(id));
    return Array.from({ length: blobs }, () =>
      turnstile.run(async () => {
        order.push(name);
        await idle();
      }, signal));
  };
  const large = fetchAll("large", 1, 1000);
  await idle();
  await Promise.all(fetchAll("small", 2, 2));
  assert.ok(order.length <= 6, `${order.length} blobs until the small one had its two`);
  await Promise.all(large);
});

Deno.test("limitsOf(): mirrors of one upstream share its rate evenly, however many connections each has", async () => {
  const time = new Time();
  const pacing = pacingOf(
    { REPO_MIRROR_UPSTREAM_LIMITS: { "registry.example": { bytes_per_second: 1000 } } },
    time,
  );
  const taken: number[] = [];
  const connection = async (id: number, limits: ReturnType<MirrorPacing["limitsOf"]>, pieces: number) => {
    for (let piece = 0; piece < pieces; piece++) {
      await limits.took(100, signal);
      taken.push(id);
    }
  };
  const [many, few] = [pacing.limitsOf(mirrorOf(1)), pacing.limitsOf(mirrorOf(2))];
  await Promise.all([
    ...Array.from({ length: 6 }, () => connection(1, many, 20)),
    connection(2, few, 20),
  ]);
  const untilFewIsDone = taken.slice(0, taken.lastIndexOf(2) + 1);
  const ofMany = untilFewIsDone.filter((id) => id === 1).length;
  assert.ok(ofMany <= 30, `${ofMany} pieces of the one with many connections, 20 of the other`);
});

Deno.test("limitsOf(): its own rate and the upstream's are paid at the same time", async () => {
  const time = new Time();
  const pacing = pacingOf(
    { REPO_MIRROR_UPSTREAM_LIMITS: { "registry.example": { bytes_per_second: 1000 } } },
    time,
  );
  const startedMs = time.nowMs;
  const limits = pacing.limitsOf(mirrorOf(1, { bytesPerSecond: 500 }));
  for (let piece = 0; piece < 10; piece++) await limits.took(100, signal);
  assert.equal(time.nowMs - startedMs, 2000);
});

Deno.test("REPO_MIRROR_DEFAULT_LIMITS: for mirrors without limits of their own, also once those are taken away", async () => {
  const time = new Time();
  const pacing = pacingOf({ REPO_MIRROR_DEFAULT_LIMITS: { windows: ["02:00-03:00"] } }, time);
  await assert.rejects(pacing.limitsOf(mirrorOf(1)).mayGoOn(signal), /waits for its window \(02:00-03:00\)/);
  const own = pacing.limitsOf(mirrorOf(2, { bytesPerSecond: 1000 }));
  await own.mayGoOn(signal);
  own.change({});
  await assert.rejects(own.mayGoOn(signal), /waits for its window/);
  await pacingOf({}).limitsOf(mirrorOf(3)).mayGoOn(signal);
});
