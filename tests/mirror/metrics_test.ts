import assert from "node:assert/strict";
import { MirrorPaused, unlimited } from "../../src/domain/mirroring/limits.ts";
import { SYNC_STATUS } from "../../src/domain/mirroring/model.ts";
import { startMirrorWorker } from "../../src/workers/repo_mirror.ts";
import { eventually } from "../database/cluster.ts";
import { type Edge, withEdge } from "./edge.ts";
import { withFake } from "./fake_registry.ts";
import { startFaultyProxy } from "./faulty_proxy.ts";
import { randomBytes } from "./images.ts";

/** Values of all series of each mirror, by the metric's name. */
async function toldOf({ deps }: Edge, repository: string): Promise<Record<string, number>> {
  const families = await deps.metrics.snapshot();
  const told = families.flatMap(({ name, values }) =>
    values.filter(({ labels }) => labels.repository === repository)
      .map(({ value }) => [name, value] as const)
  );
  return Object.fromEntries(told);
}

Deno.test("quaylet_mirror_*: percent, rate and pause are told while a run is under way, and not longer", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      fake.image("v1", [randomBytes(3_000_000, 1)]);
      const link = startFaultyProxy({ hostname: "127.0.0.1", port: Number(fake.host.split(":")[1]) }, {
        bytesPerSecond: 600_000,
      });
      const mirror = await edge.mirror({ reference: `${link.host}/app` });
      const stop = startMirrorWorker(edge.deps);
      try {
        await eventually(async () => {
          const told = await toldOf(edge, mirror.name);
          assert.equal(told.quaylet_mirror_paused, 0);
          const percent = told.quaylet_mirror_percent_done ?? 0;
          assert.ok(percent > 0 && percent < 100, `${percent} %`);
          assert.ok((told.quaylet_mirror_bytes_per_second ?? 0) > 0);
        });
        link.faults = {};
        await eventually(async () => {
          assert.equal((await edge.find(mirror.repositoryId)).status, SYNC_STATUS.SUCCESS);
          assert.deepEqual(Object.keys(await toldOf(edge, mirror.name)).sort(), [
            "quay_repository_mirror_last_sync_status",
            "quay_repository_mirror_last_sync_timestamp",
            "quay_repository_mirror_pending_tags",
            "quay_repository_mirror_sync_complete",
          ]);
        });
      } finally {
        await stop();
        await link.stop();
      }
    })
  ));

Deno.test("metrics of mirrors: a pause is told until it is over or cancelled, and nothing of a mirror that is gone", () =>
  withFake((fake) =>
    withEdge({ config: { REPO_MIRROR_INTERVAL: 1 } }, async (edge) => {
      fake.image("v1", [randomBytes(1000, 1)]);
      const paused = await edge.mirror({ reference: `${fake.host}/app` });
      const gone = await edge.mirror({ reference: `${fake.host}/app` });
      const limitsOf = ({ id }: { id: number }) =>
        id !== paused.id ? unlimited() : {
          ...unlimited(),
          mayGoOn: () => Promise.reject(new MirrorPaused(Date.now() + 3600_000, "closed")),
        };
      const stop = startMirrorWorker(edge.deps, { limitsOf });
      try {
        await eventually(async () => {
          assert.equal((await toldOf(edge, paused.name)).quaylet_mirror_paused, 1);
          assert.equal((await toldOf(edge, gone.name)).quay_repository_mirror_last_sync_status, 1);
        });
        // Another node, or a cancel, has ended the pause; and one repository is deleted with its mirror.
        await edge.deps.sql`update repomirrorconfig set sync_status = -2, sync_expiration_date = null
          where id = ${paused.id}`;
        await edge.deps.sql`delete from repomirrorconfig where id = ${gone.id}`;
        await eventually(async () => {
          assert.deepEqual(await toldOf(edge, gone.name), {});
          const told = await toldOf(edge, paused.name);
          assert.deepEqual(Object.keys(told).filter((name) => name.startsWith("quaylet_")), []);
        });
      } finally {
        await stop();
      }
    })
  ));
