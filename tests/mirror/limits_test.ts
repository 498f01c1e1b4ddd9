import assert from "node:assert/strict";
import type { Config } from "../../src/config/schema.ts";
import { changeMirror } from "../../src/domain/mirroring/administration.ts";
import type { MirrorChange } from "../../src/domain/mirroring/settings.ts";
import type { MirrorLimits } from "../../src/domain/mirroring/limits.ts";
import { findMirrorProgress } from "../../src/domain/mirroring/mirrors.ts";
import { type Mirror, SYNC_STATUS } from "../../src/domain/mirroring/model.ts";
import { requestMirrorSync } from "../../src/drivers/database/queries/mirror.ts";
import {
  addMirrorTraffic,
  deleteOldMirrorTraffic,
} from "../../src/drivers/database/queries/mirror_traffic.ts";
import { startMirrorWorker } from "../../src/workers/repo_mirror.ts";
import { stopClock } from "../api/content.ts";
import { withDatabase } from "../database.ts";
import { eventually } from "../database/cluster.ts";
import { type Edge, withEdge } from "./edge.ts";
import { type FakeRegistry, withFake } from "./fake_registry.ts";
import { startFaultyProxy } from "./faulty_proxy.ts";
import { randomBytes } from "./images.ts";

const SIZE = 3_000_000;
/** The registry's clock stands here until a test moves it; only rates go by the real one. */
const NOON_MS = Date.parse("2026-11-24T12:00:00Z");
/** How long a mirror is left alone after its limits were changed: rewritten settings act by then. */
const REREAD_MS = 10_000;
/** A window that is closed for some hours yet. */
const CLOSED = "15:00-15:59";

interface Scene {
  readonly edge: Edge;
  readonly fake: FakeRegistry;
  readonly mirror: Mirror;
  readonly digest: string;
  /** What came over the link. */
  readonly link: ReturnType<typeof startFaultyProxy>;
  readonly clock: { ms: number };
  set(limits: MirrorLimits): Promise<void>;
  /** As {@link set}, for a run that pauses: it goes on. */
  release(limits: MirrorLimits): Promise<void>;
  change(change: MirrorChange): Promise<void>;
  phase(): Promise<string | undefined>;
}

/** A mirror of one image of {@link SIZE} bytes, not yet run. `limits` are those of the configuration, by the upstream's host. */
function withScene(
  fn: (scene: Scene) => Promise<void>,
  limits: Partial<Config> | ((host: string) => Partial<Config>) = {},
): Promise<void> {
  return withFake(async (fake: FakeRegistry) => {
    const link = startFaultyProxy({ hostname: "127.0.0.1", port: Number(fake.host.split(":")[1]) }, {});
    const config = typeof limits === "function" ? limits(link.host) : limits;
    try {
      await withEdge({ config }, async (edge) => {
        const clock = stopClock(edge.deps, NOON_MS);
        const digest = fake.image("v1", [randomBytes(SIZE, 1)]);
        const mirror = await edge.mirror({ reference: `${link.host}/app`, startMs: NOON_MS - 1000 });
        const repository = { ...mirror, id: mirror.repositoryId, state: "MIRROR" } as never;
        const change = async (change: MirrorChange) =>
          void await changeMirror(edge.deps, { kind: "operator" }, repository, change);
        await fn({
          edge,
          fake,
          mirror,
          digest,
          link,
          clock,
          change,
          set: (limits) => change({ limits }),
          release: async (limits) => {
            await change({ limits });
            clock.ms += REREAD_MS;
          },
          phase: async () => (await findMirrorProgress(edge.deps.sql, mirror.repositoryId))?.phase,
        });
      });
    } finally {
      await link.stop();
    }
  });
}

async function working(edge: Edge, fn: () => Promise<void>): Promise<void> {
  const stop = startMirrorWorker(edge.deps);
  try {
    await fn();
  } finally {
    await stop();
  }
}

const isDone = ({ edge, mirror, digest }: Scene) =>
  eventually(async () => {
    assert.equal((await edge.find(mirror.repositoryId)).status, SYNC_STATUS.SUCCESS);
    assert.deepEqual(await edge.tags(mirror), { v1: digest });
  });

const isPaused = (scene: Scene) => eventually(async () => assert.equal(await scene.phase(), "paused"));

/** The image's bytes came once, and are written down beside what was before. */
async function tookOnce({ edge, mirror }: Scene, beforeBytes: number): Promise<void> {
  const { dayBytes } = await addMirrorTraffic(edge.deps.sql, `mirror:${mirror.id}`, NOON_MS, 0);
  const tookBytes = dayBytes - beforeBytes;
  assert.ok(tookBytes >= SIZE && tookBytes < SIZE * 1.1, `${tookBytes} bytes are written down`);
}

Deno.test("a run outside its window takes nothing, says until when, and goes on when the window is changed", () =>
  withScene(async (scene) => {
    const { edge, mirror, link } = scene;
    await scene.set({ windows: [CLOSED] });
    await working(edge, async () => {
      await isPaused(scene);
      assert.equal(link.bytes, 0);
      const progress = await findMirrorProgress(edge.deps.sql, mirror.repositoryId);
      assert.match(progress?.lastError ?? "", /waits for its window/);
      assert.equal(progress?.pausedUntilMs, Date.parse("2026-11-24T15:00:00Z"));
      assert.equal((await edge.find(mirror.repositoryId)).retriesRemaining, 3);
      await scene.release({});
      await isDone(scene);
    });
  }));

Deno.test("a run that waits for its window is not logged as begun, and ends when its mirror is disabled", () =>
  withScene(async (scene) => {
    const { edge, mirror } = scene;
    await scene.set({ windows: [CLOSED] });
    await working(edge, async () => {
      await isPaused(scene);
      const kinds = (await edge.logKinds(mirror)).map(({ kind }) => kind);
      assert.ok(!kinds.includes("repo_mirror_sync_started"), kinds.join());
      await scene.change({ enabled: false });
      await scene.set({});
      const { status, expirationMs } = await edge.find(mirror.repositoryId);
      assert.deepEqual([status, expirationMs], [SYNC_STATUS.NEVER_RUN, null]);
    });
    assert.deepEqual(await edge.tags(mirror), {});
  }));

Deno.test("a window that closes during a run pauses it; what has come is kept", () =>
  withScene(async (scene) => {
    const { edge, link } = scene;
    await scene.set({ bytesPerSecond: 400_000 });
    await working(edge, async () => {
      await eventually(() => Promise.resolve(assert.ok(link.bytes > 300_000)));
      await scene.set({ windows: [CLOSED] });
      await isPaused(scene);
      await scene.release({});
      await isDone(scene);
    });
    await tookOnce(scene, 0);
  }));

Deno.test("a used-up budget pauses a run, whoever used it; a larger one lets it go on where it was", () =>
  withScene(async (scene) => {
    const { edge, mirror } = scene;
    await addMirrorTraffic(edge.deps.sql, `mirror:${mirror.id}`, NOON_MS, 1_000_000);
    await scene.set({ dailyBytes: 1_900_000, bytesPerSecond: 2_000_000 });
    await working(edge, async () => {
      await isPaused(scene);
      const progress = await findMirrorProgress(edge.deps.sql, mirror.repositoryId);
      assert.match(progress?.lastError ?? "", /used up the 1900000 bytes that it may fetch in a day/);
      assert.ok((progress?.bytesFetched ?? 0) < SIZE);
      await scene.release({ dailyBytes: 1_900_000 + 2 * SIZE });
      await isDone(scene);
    });
    await tookOnce(scene, 1_000_000);
  }));

Deno.test("a rate that is raised acts on the run that is under way", () =>
  withScene(async (scene) => {
    const { edge, link } = scene;
    // At this rate the image takes an hour.
    await scene.set({ bytesPerSecond: 800 });
    await working(edge, async () => {
      await eventually(async () => assert.equal(await scene.phase(), "copying"));
      await eventually(() => Promise.resolve(assert.ok(link.bytes > 0)));
      await scene.set({ bytesPerSecond: 50_000_000 });
      await isDone(scene);
    });
  }));

Deno.test("REPO_MIRROR_UPSTREAM_LIMITS: all mirrors of an upstream share its budget", () =>
  withScene(async (scene) => {
    const { edge, mirror } = scene;
    const second = await edge.mirror({ reference: mirror.source.reference, startMs: NOON_MS - 1000 });
    await working(edge, async () => {
      await eventually(async () => {
        for (const { repositoryId } of [mirror, second]) {
          const progress = await findMirrorProgress(edge.deps.sql, repositoryId);
          assert.equal(progress?.phase, "paused");
          assert.match(progress.lastError ?? "", /used up the 1000 bytes/);
        }
      });
      assert.deepEqual(await edge.tags(mirror), {});
    });
  }, (host) => ({
    REPO_MIRROR_UPSTREAM_LIMITS: {
      [host]: { daily_bytes: 1000, bytes_per_second: 2_000_000, concurrency: 1 },
    },
  })));

Deno.test("REPO_MIRROR_UPSTREAM_LIMITS: a small image does not wait for all layers of another mirror", () =>
  withScene(async ({ edge, mirror, link, fake }) => {
    const layers = Array.from({ length: 40 }, (_, index) => randomBytes(60_000, 100 + index));
    fake.image("large", layers);
    const small = fake.image("small", [randomBytes(20_000, 99)]);
    const follow = (tag: string, startMs: number) =>
      edge.mirror({ reference: mirror.source.reference, startMs, rules: { globs: [tag] } });
    await edge.deps.sql`update repomirrorconfig set is_enabled = false where id = ${mirror.id}`;
    const first = await follow("large", NOON_MS - 1000);
    const second = await follow("small", NOON_MS + 3600_000);
    // All its layers stand at the upstream's gate at once.
    await edge.deps.sql`update repomirrorconfig set limits = '{"concurrency":64}' where id = ${first.id}`;
    link.faults = { bytesPerSecond: 400_000 };
    const blobs = () => fake.requests.filter((request) => request.includes("/blobs/")).length;
    await working(edge, async () => {
      await eventually(() => Promise.resolve(assert.ok(blobs() >= 3)));
      await requestMirrorSync(edge.deps.sql, second.repositoryId);
      await eventually(async () => assert.deepEqual(await edge.tags(second), { small }), 30_000);
      assert.ok(blobs() < 30, `${blobs()} layers had come before the small image was there`);
      link.faults = {};
    });
  }, (host) => ({ REPO_MIRROR_UPSTREAM_LIMITS: { [host]: { concurrency: 1 } } })));

Deno.test("a paused run goes on by itself when its window opens", () =>
  withScene(async (scene) => {
    const { clock } = scene;
    await scene.set({ windows: [CLOSED] });
    await working(scene.edge, async () => {
      await isPaused(scene);
      clock.ms = Date.parse("2026-11-24T15:00:00Z");
      await isDone(scene);
    });
  }));

Deno.test("REPO_MIRROR_DEFAULT_LIMITS: a mirror without limits of its own waits for the default's window", () =>
  withScene(async (scene) => {
    await working(scene.edge, async () => {
      await isPaused(scene);
      await scene.release({ bytesPerSecond: 50_000_000 });
      await isDone(scene);
    });
  }, { REPO_MIRROR_DEFAULT_LIMITS: { windows: [CLOSED] } }));

Deno.test("traffic is summed by day and month, and forgotten after two months", () =>
  withDatabase(async (sql) => {
    const at = (text: string) => Date.parse(`${text}T12:00:00Z`);
    await addMirrorTraffic(sql, "mirror:1", at("2026-10-31"), 1);
    await addMirrorTraffic(sql, "mirror:1", at("2026-11-01"), 10);
    await addMirrorTraffic(sql, "mirror:2", at("2026-11-02"), 1000);
    await addMirrorTraffic(sql, "mirror:1", at("2026-11-02"), 100);
    const sums = await addMirrorTraffic(sql, "mirror:1", at("2026-11-02"), 100);
    assert.deepEqual({ ...sums }, { dayBytes: 200, monthBytes: 210 });
    await deleteOldMirrorTraffic(sql, at("2027-01-02"));
    const left = await sql`select subject, day::text from mirrortraffic order by 1, 2`;
    assert.deepEqual(left.map(({ subject, day }) => [subject, day]), [
      ["mirror:1", "2026-11-01"],
      ["mirror:1", "2026-11-02"],
      ["mirror:2", "2026-11-02"],
    ]);
  }));
