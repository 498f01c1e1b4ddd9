/** A registry moves from its disk into a Ceph RGW, as an operator does it: by commands, while it is pushed to. */
import assert from "node:assert/strict";
import { blobKey, type Digest, digestOf } from "../../src/oci/digest.ts";
import { applianceCommand, killTree, startAppliance } from "../appliance.ts";
import { quaylet } from "../cli/quaylet.ts";
import { Client, eventually, manifestOf } from "../faults/client.ts";
import { seededRandom } from "../faults/random.ts";
import { test } from "../skip.ts";
import { startFaultProxy } from "./fault_proxy.ts";
import { ACCESS_KEY, driverOf, freshBucket, rgw, RGW_NEEDS, SECRET_KEY } from "./rgw.ts";

const SIZE_BYTES = 2_000_000;

test({
  name:
    "quaylet storage migrate, scrub, remove-location: from the disk to RGW while pushes go on, killed in between, " +
    "a rotten copy mended, the disk forgotten, everything served",
  needs: RGW_NEEDS,
  async fn() {
    const dataDir = await Deno.makeTempDir({ prefix: "quaylet-data-" });
    const disk = await Deno.makeTempDir({ prefix: "quaylet-blobs-" });
    const store = startFaultProxy((await rgw()).port);
    const settings = await freshBucket({ prefix: "registry" });
    const bucket = driverOf(settings);
    const config = (...preference: string[]) => ({
      SERVER_HOSTNAME: "localhost:8080",
      FEATURE_USER_INITIALIZE: true,
      FEATURE_MAILING: false,
      FEATURE_PROXY_STORAGE: true,
      STORAGE_SCRUB_INTERVAL: "0d",
      DISTRIBUTED_STORAGE_CONFIG: {
        disk: ["LocalStorage", { storage_path: disk }],
        ceph: ["RadosGWStorage", {
          hostname: "127.0.0.1",
          port: Number(store.url.port),
          is_secure: false,
          access_key: ACCESS_KEY,
          secret_key: SECRET_KEY,
          bucket_name: settings.bucket,
          storage_path: "/registry",
        }],
      },
      DISTRIBUTED_STORAGE_PREFERENCE: preference,
    });
    const random = seededRandom("move");
    const pushed = new Map<Digest, Uint8Array<ArrayBuffer>>();
    const push = async (client: Client, sizeBytes = SIZE_BYTES) => {
      const bytes = random.bytes(sizeBytes);
      const digest = digestOf(bytes);
      const answer = await client.pushWhole(bytes, digest);
      assert.equal(answer.status, 201);
      const manifest = manifestOf([{ digest, size: bytes.length }]);
      assert.equal((await client.putManifest(`t${pushed.size}`, manifest)).status, 201);
      pushed.set(digest, bytes);
      return digest;
    };
    const verify = async (client: Client) => {
      for (const [digest, bytes] of pushed) {
        assert.deepEqual(await client.blob(digest).then((answer) => answer.bytes), bytes);
      }
    };
    try {
      {
        await using appliance = await startAppliance({ dataDir, config: config("disk", "ceph") });
        await Client.initialize(appliance);
        using client = await new Client(appliance.httpUrl, "faults/move").logIn();
        for (let n = 0; n < 30; n++) await push(client);
        const place = ["--data", dataDir, "--config", appliance.configDir!];
        const run = async (...command: string[]) => {
          const { code, stdout, stderr } = await quaylet([...command, "--json", ...place]);
          assert.equal(code, 0, stderr);
          return JSON.parse(stdout);
        };

        // Killed when some of it is there.
        const [program, ...first] = applianceCommand() as [string, ...string[]];
        const killed = new Deno.Command(program, {
          args: [...first, "storage", "migrate", "disk", "ceph", "--jobs", "1", ...place],
          stdout: "null",
          stderr: "null",
        }).spawn();
        const puts = () => store.requests.filter(({ method }) => method === "PUT").length;
        await eventually("some blobs are copied", 60_000, () => Promise.resolve(puts() >= 8));
        await killTree(killed.pid);
        await killed.status;
        const rows = () => Array.fromAsync(bucket.list("sha256/")).then((found) => found.length);
        const before = await rows();
        assert.ok(before > 0 && before < 30, `${before} were copied`);

        const during = push(client);
        const again = await run("storage", "migrate", "disk", "ceph");
        await during;
        assert.ok(again.copied <= 31 - before + 2, "what was copied and recorded is not copied again");
        await run("storage", "migrate", "disk", "ceph");
        assert.equal((await run("storage", "migrate", "disk", "ceph")).copied, 0);
        assert.equal(await rows(), pushed.size);

        const victim = [...pushed.keys()][3]!;
        await bucket.write(
          blobKey(victim),
          (async function* () {
            yield await Promise.resolve(pushed.get(victim)!.toReversed());
          })(),
        );
        const scrubbed = await run("scrub", "--location", "ceph");
        assert.deepEqual([scrubbed.healed, scrubbed.lost], [1, 0]);
        assert.ok(await bucket.stat(`quarantine/${victim.replace(":", "-")}`));
        assert.deepEqual(await run("scrub", "--missing"), []);
      }
      await using appliance = await startAppliance({ dataDir, config: config("ceph", "disk") });
      using client = await new Client(appliance.httpUrl, "faults/move").logIn();
      const place = ["--data", dataDir, "--config", appliance.configDir!];
      const large = await push(client, 12_000_000);
      assert.equal((await bucket.stat(blobKey(large)))?.sizeBytes, 12_000_000);
      const metrics = await (await fetch(`${appliance.metricsUrl}/metrics`)).text();
      assert.match(metrics, /^quay_multipart_uploads_started_total 1$/m);
      assert.match(metrics, /^quay_multipart_uploads_completed_total 1$/m);

      const dry = await quaylet(["remove-location", "disk", "--dry-run", ...place]);
      assert.match(dry.stdout, /could be removed/, dry.stderr);
      const removed = await quaylet(["remove-location", "disk", ...place]);
      assert.equal(removed.code, 0, removed.stderr);
      await Deno.remove(disk, { recursive: true });
      await verify(client);
    } finally {
      store.close();
      await bucket.close();
      await Deno.remove(dataDir, { recursive: true }).catch(() => {});
      await Deno.remove(disk, { recursive: true }).catch(() => {});
    }
  },
});
