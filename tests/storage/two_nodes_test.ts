import assert from "node:assert/strict";
import { EMBEDDED_USER } from "../../src/drivers/database/postgres.ts";
import { type Appliance, startAppliance } from "../appliance.ts";
import { quaylet } from "../cli/quaylet.ts";
import { withDatabase } from "../database.ts";
import { withTcp } from "../database/tcp.ts";
import { Client, eventually } from "../faults/client.ts";
import { Ledger, pushUntilBroken, verify } from "../faults/pushers.ts";
import { seededRandom } from "../faults/random.ts";
import { test } from "../skip.ts";
import { startFaultProxy } from "./fault_proxy.ts";
import { ACCESS_KEY, freshBucket, rgw, RGW_NEEDS, SECRET_KEY } from "./rgw.ts";

const SECRETS = { SECRET_KEY: "of-both-nodes-0123456789", DATABASE_SECRET_KEY: "of-both-nodes-9876543210" };

test({
  name:
    "two nodes, one PostgreSQL, two buckets: kill -9 of one node while both are pushed to, then the loss of a bucket: " +
    "everything that was acknowledged is there, and pushes go on",
  needs: RGW_NEEDS,
  fn: () =>
    withDatabase((sql, database) =>
      withTcp(async (port) => {
        const endpoint = (await rgw()).port;
        const proxies = { east: startFaultProxy(endpoint), west: startFaultProxy(endpoint) };
        const location = async (name: keyof typeof proxies) => {
          const { bucket } = await freshBucket();
          const at = { hostname: "127.0.0.1", port: Number(proxies[name].url.port), is_secure: false };
          return ["RadosGWStorage", {
            ...at,
            bucket_name: bucket,
            access_key: ACCESS_KEY,
            secret_key: SECRET_KEY,
            storage_path: "/registry",
          }];
        };
        const config = {
          ...SECRETS,
          SERVER_HOSTNAME: "localhost:8080",
          FEATURE_USER_INITIALIZE: true,
          FEATURE_MAILING: false,
          DB_URI: `postgresql://${EMBEDDED_USER}@127.0.0.1:${port}/${database}`,
          DISTRIBUTED_STORAGE_CONFIG: { east: await location("east"), west: await location("west") },
          DISTRIBUTED_STORAGE_PREFERENCE: ["east", "west"],
          DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS: ["east", "west"],
          FEATURE_STORAGE_REPLICATION: true,
          // What the dead node was copying is given to the other after this.
          STORAGE_REPLICATION_PROCESSING_SECONDS: 5,
        };
        const start = (...preference: string[]) =>
          startAppliance({ config, env: { QUAY_DISTRIBUTED_STORAGE_PREFERENCE: preference.join(" ") } });
        const started: Appliance[] = [];
        try {
          const eastNode = await start("east", "west");
          started.push(eastNode);
          const westNode = await start("west", "east");
          started.push(westNode);
          await Client.initialize(eastNode);

          const ledgers = { east: new Ledger("faults/east"), west: new Ledger("faults/west") };
          using eastClient = await new Client(eastNode.httpUrl, "faults/east").logIn();
          using westClient = await new Client(westNode.httpUrl, "faults/west").logIn();
          const over = new AbortController();
          const broken = pushUntilBroken(eastClient, ledgers.east, seededRandom("east")).then(
            () => assert.fail("the node that was killed went on"),
            (error) => assert.ok(!(error instanceof assert.AssertionError), String(error)),
          );
          const pushed = pushUntilBroken(westClient, ledgers.west, seededRandom("west"), {
            over: over.signal,
          });
          await eventually(
            "something is acknowledged",
            60_000,
            () => Promise.resolve(ledgers.east.acknowledged > 12 && ledgers.west.acknowledged > 12),
          );
          await eastNode.kill();
          await broken;
          over.abort();
          await pushed;

          // What the dead node had acknowledged, from the other: copied already, or from the bucket itself.
          using reader = await new Client(westNode.httpUrl, "faults/east").logIn();
          await verify(reader, ledgers.east, "all");
          await verify(westClient, ledgers.west, "all");

          await eventually("everything is replicated", 120_000, async () => {
            const rows = await sql`select 1 from queueitem where queue_name like 'imagestoragereplication/%'`;
            return rows.length === 0;
          });
          proxies.east.close();
          await verify(reader, ledgers.east, "all");
          await verify(westClient, ledgers.west, "all");

          // A node that prefers the lost bucket starts, serves, and stores in the other one.
          const again = await start("east", "west");
          started.push(again);
          using client = await new Client(again.httpUrl, "faults/east").logIn();
          await verify(client, ledgers.east, "all");
          const image = seededRandom("image").bytes(3_000_000);
          await eventually("a push succeeds", 60_000, async () => {
            const { status } = await client.pushWhole(image);
            assert.ok(status === 201 || status === 503, `${status}`);
            return status === 201;
          });
          const health = await fetch(`${again.httpUrl}/health/endtoend`);
          assert.equal(health.status, 503, await health.text());

          const missing = await quaylet([
            "scrub",
            "--missing",
            "--json",
            "--data",
            westNode.dataDir,
            "--config",
            westNode.configDir!,
          ]);
          assert.deepEqual(JSON.parse(missing.stdout), [], missing.stderr);
        } finally {
          for (const appliance of started) await appliance.stop().catch(() => {});
          for (const proxy of Object.values(proxies)) proxy.close();
        }
      })
    ),
});
