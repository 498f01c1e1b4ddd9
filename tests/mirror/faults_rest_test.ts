/** What an operator sees of mirrors whose parent, link or disk fails, and of settings that change meanwhile: over REST. */
import assert from "node:assert/strict";
import { makeOwnCa } from "../clients/own_ca.ts";
import { eventually } from "../database/cluster.ts";
import { fillDisk, withDisk } from "../faults/small_disk.ts";
import { RECEIVER_HOST, withReceiver } from "../notifications/receiver.ts";
import { test } from "../skip.ts";
import { startFakeRegistry, withFake } from "./fake_registry.ts";
import { type FaultyProxy, startFaultyProxy } from "./faulty_proxy.ts";
import { on, Pusher, randomBytes } from "./images.ts";
import { withParent } from "./parents.ts";
import { Site } from "./sites.ts";

const SSRF_ALLOWED_HOSTS = ["127.0.0.1", "localhost"];
const targetOf = (host: string) => ({ hostname: "127.0.0.1", port: Number(host.split(":")[1]) });

/** A link to a registry for as long as `work` takes. */
async function withLink(host: string, work: (link: FaultyProxy) => Promise<void>): Promise<void> {
  const link = startFaultyProxy(targetOf(host), {});
  try {
    await work(link);
  } finally {
    await link.stop();
  }
}

const isCopying = (edge: Site, link: FaultyProxy, bytes: number) =>
  eventually(async () => {
    assert.equal((await edge.progress("app")).phase, "copying");
    assert.ok(link.bytes > bytes, `${link.bytes} bytes`);
  }, 30_000);

const isWhole = async (edge: Site) =>
  assert.deepEqual(await edge.expect(200, "POST", "/repository/acme/app/mirror/verify", { read: true }), {
    whole: true,
    faults: [],
  });

test({
  name: "a link that is cut forty times: the run succeeds, and little comes twice",
  needs: ["docker-registry"],
  fn: () =>
    withParent({}, (parent) =>
      withLink(parent.host, async (link) => {
        const push = new Pusher(parent.url, "team/app");
        const layers = Array.from({ length: 6 }, (_, seed) => randomBytes(4_000_000, seed + 1));
        const amd = await push.image(layers.slice(0, 4));
        const arm = await push.image(layers.slice(2), { architecture: "arm64" });
        await push.index([on(amd, "amd64"), on(arm, "arm64")], "v1");
        await using edge = await Site.start({ config: { SSRF_ALLOWED_HOSTS } });
        await edge.mirror("app", `${link.host}/team/app`);
        let seed = 7;
        const next = () => (seed = seed * 48271 % 0x7fffffff) / 0x7fffffff;
        link.faults = { cutAfter: () => 20_000 + Math.floor(next() * 1_000_000), cuts: 40 };
        const run = await edge.sync("app");
        assert.equal(run.status, "SUCCESS", JSON.stringify(run));
        assert.equal(link.cut, 40);
        const neededBytes = layers.reduce((sum, layer) => sum + layer.length, 0);
        assert.ok(link.bytes <= neededBytes * 1.05, `${link.bytes} bytes of ${neededBytes}`);
        link.faults = {};
        await isWhole(edge);
      })),
});

test({
  name: "a certificate that has expired: the run fails and says so",
  needs: ["openssl"],
  async fn() {
    const { ca, cert, key } = await makeOwnCa("localhost", -1);
    const fake = startFakeRegistry({ cert, key });
    try {
      fake.image("v1", [randomBytes(1000, 1)]);
      await using edge = await Site.start({
        config: { SSRF_ALLOWED_HOSTS },
        configFiles: { "extra_ca_certs/parent.crt": ca },
      });
      const reference = `localhost:${fake.host.split(":")[1]}/app`;
      await edge.mirror("app", reference, { verifyTls: true, is_enabled: true });
      const run = await edge.sync("app");
      assert.equal(run.status, "FAIL");
      assert.match(
        run.lastError ?? "",
        /certificate of localhost:\d+ is not valid here \(TLS\): it has expired/,
      );
      const { issues } = await edge.expect(503, "GET", "/repository/mirror/health?namespace=acme");
      assert.match(
        issues[1].message,
        /^The last synchronization of repository acme\/app failed: .*has expired$/,
      );
      // Whoever says that any certificate will do gets it.
      const anyTls = { external_registry_config: { verify_tls: false } };
      await edge.expect(201, "PUT", "/repository/acme/app/mirror", anyTls);
      assert.equal((await edge.sync("app")).status, "SUCCESS");
    } finally {
      await fake.stop();
    }
  },
});

Deno.test("notifications: a webhook is told that a run has started, succeeded and failed", () =>
  withReceiver((receiver) =>
    withFake(async (fake) => {
      fake.image("v1", [randomBytes(1000, 1)]);
      await using edge = await Site.start({
        config: { SSRF_ALLOWED_HOSTS: [...SSRF_ALLOWED_HOSTS, RECEIVER_HOST] },
      });
      await edge.mirror("app", `${fake.host}/app`);
      for (const event of ["started", "success", "failed"]) {
        await edge.expect(201, "POST", "/repository/acme/app/notification/", {
          event: `repo_mirror_sync_${event}`,
          method: "webhook",
          config: { url: `${receiver.url}/${event}` },
          eventConfig: {},
        });
      }
      const told = async (...paths: string[]) => {
        await eventually(() => {
          assert.deepEqual(receiver.received.map(({ path }) => path).sort(), paths);
          return Promise.resolve();
        }, 60_000);
        return receiver.received.map(({ body }) => body as Record<string, string>);
      };
      assert.equal((await edge.sync("app")).status, "SUCCESS");
      for (const body of await told("/started", "/success")) {
        assert.equal(body.repository, "acme/app");
        assert.equal(body.message, `'${fake.host}/app' with tag pattern '*'`);
      }
      receiver.received.length = 0;
      fake.instead = () => new Response(null, { status: 401 });
      const failed = await edge.sync("app");
      assert.deepEqual(
        [failed.status, failed.lastError?.includes("401")],
        ["FAIL", true],
        failed.lastError ?? "",
      );
      await told("/failed", "/started");
    })
  ));

Deno.test("PUT /mirror during a run: the run begins anew with what was set, and fetches nothing twice", () =>
  withFake((fake) =>
    withLink(fake.host, async (link) => {
      fake.image("v1", [randomBytes(3_000_000, 1)]);
      fake.image("w1", [randomBytes(3_000_000, 2)]);
      await using edge = await Site.start({ config: { SSRF_ALLOWED_HOSTS } });
      await edge.mirror("app", `${link.host}/app`, { globs: ["v1", "w1"] });
      link.faults = { bytesPerSecond: 400_000 };
      await edge.startSync("app");
      await isCopying(edge, link, 1_000_000);
      const { started_at: firstStart } = await edge.progress("app");
      const rule = { rule_kind: "tag_glob_csv", rule_value: ["v1"] };
      await edge.expect(201, "PUT", "/repository/acme/app/mirror", { root_rule: rule });
      assert.equal((await edge.expect(200, "GET", "/repository/acme/app/mirror")).sync_status, "SYNCING");
      // A fast link would bring more than the first run still reads.
      await eventually(
        async () => assert.notEqual((await edge.progress("app")).started_at, firstStart),
        30_000,
      );
      link.faults = {};
      const run = await edge.ended("app");
      assert.equal(run.status, "SUCCESS", JSON.stringify(run));
      const { tags } = await edge.expect(200, "GET", "/repository/acme/app/tag/?onlyActiveTags=true");
      assert.deepEqual(tags.map(({ name }: { name: string }) => name), ["v1"]);
      assert.ok(link.bytes < 6_300_000, `${link.bytes} bytes came`);
      await isWhole(edge);
    })
  ));

Deno.test("PUT /mirror with a window that is closed, during a run: paused_until tells when it goes on; without it it does", () =>
  withFake((fake) =>
    withLink(fake.host, async (link) => {
      fake.image("v1", [randomBytes(3_000_000, 1)]);
      await using edge = await Site.start({ config: { SSRF_ALLOWED_HOSTS } });
      await edge.mirror("app", `${link.host}/app`, { is_enabled: true });
      link.faults = { bytesPerSecond: 400_000 };
      await edge.startSync("app");
      await isCopying(edge, link, 500_000);
      // Half a day away, wherever the clock is.
      const hour = String((new Date().getUTCHours() + 12) % 24).padStart(2, "0");
      const limits = { windows: [`${hour}:00-${hour}:59`] };
      await edge.expect(201, "PUT", "/repository/acme/app/mirror", { limits });
      const paused = await eventually(async () => {
        const progress = await edge.progress("app");
        assert.equal(progress.phase, "paused");
        return progress;
      }, 30_000);
      assert.equal(paused.sync_status, "SYNCING");
      assert.match(paused.paused_until, new RegExp(`T${hour}:00:00Z$`));
      assert.ok(Date.parse(paused.paused_until) > Date.now());
      assert.match(paused.last_error, /waits for its window/);
      assert.ok(paused.bytes_fetched > 0 && paused.bytes_fetched < 3_000_000);
      const { repositories, workers } = await edge.expect(200, "GET", "/superuser/mirror/health");
      assert.deepEqual([repositories.syncing, repositories.paused, workers.active], [1, 1, 0]);
      const metrics = await (await fetch(`${edge.appliance.metricsUrl}/metrics`)).text();
      assert.match(metrics, /^quaylet_mirror_paused\{namespace="acme",repository="app"\} 1$/m);
      link.faults = {};
      await edge.expect(201, "PUT", "/repository/acme/app/mirror", { limits: {} });
      assert.equal((await edge.ended("app")).status, "SUCCESS");
      assert.equal((await edge.progress("app")).paused_until, null);
      assert.ok(link.bytes < 3_200_000, `${link.bytes} bytes came`);
      await isWhole(edge);
    })
  ));

test({
  name: "a full disk: the run fails at once and says so, and goes on where it was when there is room",
  needs: ["root", "mount"],
  fn: () =>
    withFake(async (fake) => {
      fake.image("v1", [randomBytes(6_000_000, 1)]);
      const disk = await Deno.makeTempDir({ prefix: "quaylet-mirror-disk-" });
      try {
        await withDisk(disk, 16, async () => {
          await Deno.chmod(disk, 0o777);
          await using edge = await Site.start({
            config: {
              SSRF_ALLOWED_HOSTS,
              DISTRIBUTED_STORAGE_CONFIG: { default: ["LocalStorage", { storage_path: `${disk}/blobs` }] },
              DISTRIBUTED_STORAGE_PREFERENCE: ["default"],
            },
          });
          await edge.mirror("app", `${fake.host}/app`);
          const { free } = await fillDisk(disk, 3_000_000);
          const full = await edge.sync("app");
          assert.equal(full.status, "FAIL");
          assert.match(full.lastError ?? "", /disk|storage is full|space/i);
          const { tags } = await edge.expect(200, "GET", "/repository/acme/app/tag/");
          assert.deepEqual(tags, []);
          await free();
          const run = await edge.sync("app");
          assert.equal(run.status, "SUCCESS", JSON.stringify(run));
          await isWhole(edge);
        });
      } finally {
        await Deno.remove(disk, { recursive: true });
      }
    }),
});
