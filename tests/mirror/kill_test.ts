import assert from "node:assert/strict";
import { requestMirrorSync } from "../../src/drivers/database/queries/mirror.ts";
import { openDeps } from "../../src/node.ts";
import { startAppliance } from "../appliance.ts";
import { eventually } from "../database/cluster.ts";
import { Edge, furnish } from "./edge.ts";
import { withFake } from "./fake_registry.ts";
import { startFaultyProxy } from "./faulty_proxy.ts";
import { randomBytes } from "./images.ts";

const CONFIG = {
  FEATURE_REPO_MIRROR: true,
  SSRF_ALLOWED_HOSTS: ["127.0.0.1"],
  SECRET_KEY: "kill-test",
  DATABASE_SECRET_KEY: "kill-test",
};

Deno.test("kill -9 of the service in the middle of a blob: it goes on at that byte after the restart, by itself", () =>
  withFake(async (fake) => {
    const layer = randomBytes(20_000_000, 1);
    const digest = fake.image("v1", [layer]);
    const link = startFaultyProxy({ hostname: "127.0.0.1", port: Number(fake.host.split(":")[1]) }, {
      bytesPerSecond: 6_000_000,
    });
    const dataDir = await Deno.makeTempDir({ prefix: "quaylet-mirror-kill-" });
    try {
      const first = await startAppliance({ dataDir, config: CONFIG });
      let before: Awaited<ReturnType<typeof openDeps>> | undefined;
      let repositoryId: number;
      try {
        before = await openDeps({ data: dataDir, config: first.configDir });
        await furnish(before.deps);
        const mirror = await new Edge(before.deps, dataDir).mirror({
          reference: `${link.host}/app`,
          enabled: false,
        });
        repositoryId = mirror.repositoryId;
        await requestMirrorSync(before.deps.sql, repositoryId);
        await eventually(() => Promise.resolve(assert.ok(link.bytes > 8_000_000)));
      } finally {
        await before?.close();
        await first.kill();
      }
      link.drop();
      const arrived = link.bytes;
      link.faults = {};
      await using second = await startAppliance({ dataDir, config: CONFIG });
      const { deps, close } = await openDeps({ data: dataDir, config: second.configDir });
      try {
        const edge = new Edge(deps, dataDir);
        const mirror = await edge.find(repositoryId);
        await eventually(async () => assert.deepEqual(await edge.tags(mirror), { v1: digest }), 30_000);
        await edge.readWhole(mirror, digest);
        // What was on its way in buffers is lost, no more.
        assert.ok(link.bytes < layer.length + 2_500_000, `${link.bytes} bytes, ${arrived} before the kill`);
        const ranges = fake.headers.map((headers) => headers.get("range")).filter((range) => range !== null);
        assert.equal(ranges.length, 1, `${ranges}`);
      } finally {
        await close();
      }
    } finally {
      await link.stop();
      await Deno.remove(dataDir, { recursive: true });
    }
  }));
