import assert from "node:assert/strict";
import { RunEnded } from "../../src/domain/mirroring/run.ts";
import type { StorageDriver } from "../../src/drivers/storage/driver.ts";
import { AppError } from "../../src/lib/errors.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { seededRandom } from "../faults/random.ts";
import { test } from "../skip.ts";
import { withEdge } from "./edge.ts";
import { type FakeRegistry, withFake } from "./fake_registry.ts";
import { startFaultyProxy } from "./faulty_proxy.ts";
import { Pusher, randomBytes } from "./images.ts";
import { withParent } from "./parents.ts";

const targetOf = (host: string) => ({ hostname: "127.0.0.1", port: Number(host.split(":")[1]) });
const sizeOf = (fake: FakeRegistry) => [...fake.blobs.values()].reduce((sum, bytes) => sum + bytes.length, 0);

test({
  name: "a link that is cut 100 times at random: completes, and receives at most 1.05 times the bytes needed",
  needs: ["docker-registry"],
  fn: () =>
    withParent({}, (parent) =>
      withEdge({}, async (edge) => {
        const push = new Pusher(parent.url, "team/app");
        const layers = Array.from({ length: 12 }, (_, i) => randomBytes(6_000_000, i + 1));
        const image = await push.image(layers, { reference: "v1" });
        const random = seededRandom("cut 100 times");
        const cutAfter = () => random.between(100_000, 1_200_000);
        const link = startFaultyProxy(targetOf(parent.host), { cutAfter, cuts: 100 });
        try {
          const mirror = await edge.mirror({ reference: `${link.host}/team/app` });
          const outcome = await edge.run(mirror);
          assert.equal(outcome.kind, "success", JSON.stringify(outcome));
          assert.equal(link.cut, 100);
          await edge.readWhole(mirror, image.digest);
          const needed = layers.length * 6_000_000;
          assert.ok(link.bytes <= needed * 1.05, `${link.bytes} bytes for ${needed}`);
        } finally {
          await link.stop();
        }
      })),
});

Deno.test("an upstream that ignores Range: what is here is skipped, and the blob is whole", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      fake.ranges = false;
      const digest = fake.image("v1", [randomBytes(3_000_000, 1)]);
      const link = startFaultyProxy(targetOf(fake.host), { cutAfter: () => 2_000_000, cuts: 1 });
      try {
        const mirror = await edge.mirror({ reference: `${link.host}/app` });
        assert.equal((await edge.run(mirror)).kind, "success");
        await edge.readWhole(mirror, digest);
        assert.ok(link.bytes < 5_200_000, `${link.bytes}: one re-read`);
      } finally {
        await link.stop();
      }
    })
  ));

Deno.test("a run that is stopped: the next one resumes each blob at its byte", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const digest = fake.image("v1", [randomBytes(4_000_000, 1), randomBytes(4_000_000, 2)]);
      const link = startFaultyProxy(targetOf(fake.host), { bytesPerSecond: 8_000_000 });
      try {
        const mirror = await edge.mirror({ reference: `${link.host}/app` });
        const stop = new AbortController();
        const running = edge.run(mirror, { signal: stop.signal });
        while (link.bytes < 2_000_000) await new Promise((resolve) => setTimeout(resolve, 10));
        stop.abort(new RunEnded("given_up"));
        assert.equal((await running).kind, "given_up");
        assert.deepEqual(await edge.tags(mirror), {});
        const first = link.bytes;
        assert.ok(first < 7_000_000, `${first}`);
        link.faults = {};
        const second = await edge.run(mirror);
        assert.equal(second.kind, "success");
        assert.ok(second.progress.bytesHere > first - 300_000, JSON.stringify(second.progress));
        assert.equal(second.progress.bytesHere + second.progress.bytesFetched, second.progress.bytesWanted);
        await edge.readWhole(mirror, digest);
        assert.ok(fake.headers.some((headers) => headers.get("range") !== null));
      } finally {
        await link.stop();
      }
    })
  ));

Deno.test("bytes that a power cut has spoilt: noticed by the digest, and the blob comes anew", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const layer = randomBytes(1_000_000, 1);
      const digest = fake.image("v1", [layer]);
      const uuid = crypto.randomUUID();
      await Deno.mkdir(`${edge.root}/uploads`, { recursive: true });
      await Deno.writeFile(`${edge.root}/uploads/${uuid}`, new Uint8Array(600_000));
      await edge.deps.sql`insert into blobfetch (digest, uuid, byte_count) values (${
        digestOf(layer)
      }, ${uuid}, 300000)`;
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      assert.equal((await edge.run(mirror)).kind, "success");
      await edge.readWhole(mirror, digest);
      assert.deepEqual(await edge.uploads(), []);
    })
  ));

Deno.test("storage that shows no unfinished object: the blob resumes all the same, and is verified at its end", () => {
  /** As an object store: what is under way is named by a state, and cannot be looked at. */
  const wrap = (driver: StorageDriver): StorageDriver => {
    const whole = new Set<string>();
    const isHidden = (key: string) => key.startsWith("uploads/") && !whole.has(key);
    return {
      ...driver,
      stat: async (key) => isHidden(key) ? undefined : await driver.stat(key),
      read: async (key, ...range) => {
        if (isHidden(key)) throw new AppError("blob_unknown", "no such object in storage");
        return await driver.read(key, ...range);
      },
      append: async (key, offset, turn) => {
        if (offset > 0) assert.equal(turn?.state, `${offset}`);
        const appender = await driver.append(key, offset);
        return {
          ...appender,
          close: async (options) => {
            const closed = await appender.close(options);
            if (options.last) whole.add(key);
            return { ...closed, state: `${closed.sizeBytes}` };
          },
        };
      },
    };
  };
  return withFake((fake) =>
    withEdge({ storage: wrap }, async (edge) => {
      const digest = fake.image("v1", [randomBytes(4_000_000, 1)]);
      const link = startFaultyProxy(targetOf(fake.host), { bytesPerSecond: 8_000_000 });
      try {
        const mirror = await edge.mirror({ reference: `${link.host}/app` });
        const stop = new AbortController();
        const running = edge.run(mirror, { signal: stop.signal });
        while (link.bytes < 2_000_000) await new Promise((resolve) => setTimeout(resolve, 10));
        stop.abort(new RunEnded("given_up"));
        await running;
        link.faults = {};
        const second = await edge.run(mirror);
        assert.equal(second.kind, "success", JSON.stringify(second));
        assert.ok(second.progress.bytesHere > 1_500_000, JSON.stringify(second.progress));
        await edge.readWhole(mirror, digest);
      } finally {
        await link.stop();
      }
    })
  );
});

Deno.test("an object that a crash left without a row is taken as it is, once its digest is verified", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const layer = randomBytes(1_000_000, 1);
      const digest = fake.image("v1", [layer]);
      const hex = digestOf(layer).slice(7);
      await Deno.mkdir(`${edge.root}/sha256/${hex.slice(0, 2)}`, { recursive: true });
      await Deno.writeFile(`${edge.root}/sha256/${hex.slice(0, 2)}/${hex}`, layer);
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      assert.equal((await edge.run(mirror)).kind, "success");
      await edge.readWhole(mirror, digest);
      assert.ok(!fake.requests.some((request) => request.includes(hex)));
    })
  ));

/** What an upstream does wrong, and what the run says of it. */
const LIES: readonly [what: string, lie: (fake: FakeRegistry) => void, words: RegExp][] = [
  ["wrong digest of a blob", (fake) => {
    fake.image("v1", [randomBytes(1000, 1)]);
    fake.blobs.set(digestOf(randomBytes(1000, 1)), randomBytes(1000, 2));
  }, /digest/],
  ["a blob that is longer than the manifest says", (fake) => {
    fake.image("v1", [randomBytes(1000, 1)]);
    fake.blobs.set(digestOf(randomBytes(1000, 1)), randomBytes(2000, 1));
  }, /longer/],
  ["a blob without end", (fake) => {
    fake.image("v1", [randomBytes(1000, 1)]);
    const digest = digestOf(randomBytes(1000, 1));
    fake.instead = (_, path) =>
      path.endsWith(digest)
        ? new Response(
          new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65536)) }),
        )
        : undefined;
  }, /longer/],
  ["a manifest without end", (fake) => {
    fake.image("v1", []);
    fake.instead = (_, path) =>
      path.endsWith("/manifests/v1")
        ? new Response(
          new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65536).fill(32)) }),
        )
        : undefined;
  }, /more than/],
  ["another manifest than the digest says", (fake) => {
    const child = fake.image(undefined, [randomBytes(10, 1)]);
    fake.put("v1", {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: [{ mediaType: "application/vnd.oci.image.manifest.v1+json", digest: child, size: 1 }],
    });
    fake.manifests.set(child, fake.manifests.get("v1")!);
  }, /another manifest/],
  ["an index of a thousand and one manifests", (fake) => {
    fake.put("v1", {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: Array.from({ length: 1001 }, (_, i) => ({
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: digestOf(`${i}`),
        size: 1,
      })),
    });
  }, /more manifests/],
  ["indexes nested without end", (fake) => {
    let child = fake.image(undefined, []);
    for (let depth = 0; depth < 10; depth++) {
      const value = {
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.index.v1+json",
        manifests: [{ mediaType: "application/vnd.oci.image.manifest.v1+json", digest: child, size: 1 }],
      };
      child = fake.put(depth === 9 ? "v1" : undefined, value);
    }
  }, /more manifests, layers or levels/],
  ["no JSON", (fake) => {
    fake.image("v1", []);
    fake.instead = (_, path) =>
      path.endsWith("/manifests/v1")
        ? new Response("<html>", {
          headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
        })
        : undefined;
  }, /not JSON/],
  ["a digest that is a path", (fake) => {
    fake.put("v1", {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: "sha256:../../../etc/passwd",
        size: 1,
      },
      layers: [],
    });
  }, /not a digest/],
];
for (const [what, lie, words] of LIES) {
  Deno.test(`an upstream that lies: ${what}`, () =>
    withFake((fake) =>
      withEdge({}, async (edge) => {
        const good = fake.image("good", [randomBytes(500, 9)]);
        lie(fake);
        const mirror = await edge.mirror({ reference: `${fake.host}/app` });
        const outcome = await edge.run(mirror);
        assert.equal(outcome.kind, "failed");
        assert.match(outcome.kind === "failed" ? outcome.message : "", words);
        assert.deepEqual(await edge.tags(mirror), { good }, "what is good is here, nothing else");
        assert.deepEqual(await edge.uploads(), []);
      })
    ));
}

Deno.test("names of tags that are paths, or none, are left out", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const digest = fake.image("v1", []);
      fake.tags.push("../../etc/passwd", "", "a b", "-x", ".y", 7 as unknown as string);
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      assert.equal((await edge.run(mirror)).kind, "success");
      assert.deepEqual(await edge.tags(mirror), { v1: digest });
    })
  ));

function untilDropped(request: Request): Promise<Response> {
  return new Promise((resolve) => {
    request.signal.addEventListener("abort", () => resolve(new Response()));
  });
}

/** What can go wrong between us and the other side, the reason in the metrics, and the words. */
const CAUSES: readonly [
  what: string,
  reference: (fake: FakeRegistry) => string,
  instead: FakeRegistry["instead"],
  reason: string,
  words: RegExp,
][] = [
  ["dead host", () => "127.0.0.1:1/app", () => undefined, "connection_error", /refused/],
  ["unknown name", () => "registry.invalid/app", () => undefined, "connection_error", /DNS/],
  [
    "private address",
    () => "10.0.0.1/app",
    () => undefined,
    "connection_error",
    /SSRF_ALLOWED_HOSTS/,
  ],
  ["no repository", (f) => `${f.host}/app`, () => new Response(null, { status: 404 }), "not_found", /404/],
  ["forbidden", (f) => `${f.host}/app`, () => new Response(null, { status: 403 }), "auth_failed", /403/],
  [
    "401",
    (f) => `${f.host}/app`,
    () => new Response(null, { status: 401, headers: { "www-authenticate": "Basic realm=x" } }),
    "auth_failed",
    /401/,
  ],
  ["5xx", (f) => `${f.host}/app`, () => new Response(null, { status: 502 }), "connection_error", /502/],
  [
    "come back in an hour",
    (f) => `${f.host}/app`,
    () => new Response(null, { status: 429, headers: { "retry-after": "3600" } }),
    "connection_error",
    /later/,
  ],
  ["silence", (f) => `${f.host}/app`, untilDropped, "network_timeout", /in time/],
  ["no registry", (f) => `${f.host}/app`, () => new Response("hello"), "unknown_error", /is it one/],
];
for (const [what, reference, instead, reason, words] of CAUSES) {
  Deno.test(`a listing that fails removes nothing and says why: ${what}`, () =>
    withFake((fake) =>
      withEdge({ site: { silenceMs: 100 } }, async (edge) => {
        const digest = fake.image("v1", []);
        const mirror = await edge.mirror({ reference: `${fake.host}/app` });
        assert.equal((await edge.run(mirror)).kind, "success");
        fake.instead = (request, path) => path === "/v2/" ? undefined : instead(request, path);
        const broken = { ...mirror, source: { ...mirror.source, reference: reference(fake) } };
        const outcome = await edge.run(broken);
        assert.equal(outcome.kind, "failed");
        if (outcome.kind !== "failed") return;
        assert.equal(outcome.reason, reason, outcome.message);
        assert.match(outcome.message, words);
        assert.deepEqual(await edge.tags(mirror), { v1: digest });
      })
    ));
}

Deno.test("429 with Retry-After, 500 and 503 are waited out", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const digest = fake.image("v1", [randomBytes(1000, 1)]);
      const seen = new Map<string, number>();
      fake.instead = (request, path) => {
        const times = (seen.get(path) ?? 0) + 1;
        seen.set(path, times);
        if (path === "/v2/" || times > 3) return undefined;
        void request;
        return times === 1
          ? new Response(null, { status: 429, headers: { "retry-after": "0" } })
          : new Response(null, { status: times === 2 ? 500 : 503 });
      };
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      const outcome = await edge.run(mirror);
      assert.equal(outcome.kind, "success", JSON.stringify(outcome));
      await edge.readWhole(mirror, digest);
    })
  ));

Deno.test("a redirect to another host gets the bytes without the credentials", () =>
  withFake((store) =>
    withFake((fake) =>
      withEdge({}, async (edge) => {
        const digest = fake.image("v1", [randomBytes(1000, 1)]);
        for (const [name, bytes] of fake.blobs) store.blobs.set(name, bytes);
        fake.instead = (request, path) => {
          if (request.headers.get("authorization") !== `Basic ${btoa("bob:secret")}`) {
            return new Response(null, { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
          }
          if (!path.includes("/blobs/")) return undefined;
          const location = `http://${store.host}${path}?X-Signature=1`;
          return new Response(null, { status: 307, headers: { location } });
        };
        const mirror = await edge.mirror({
          reference: `${fake.host}/app`,
          username: "bob",
          password: "secret",
        });
        const outcome = await edge.run(mirror);
        assert.equal(outcome.kind, "success", JSON.stringify(outcome));
        await edge.readWhole(mirror, digest);
        assert.equal(store.requests.length, 2);
        assert.ok(store.headers.every((headers) => headers.get("authorization") === null));
      })
    )
  ));

Deno.test("a full disk: the run fails in words at once, nothing half is visible, and the next run goes on", () => {
  let full = true;
  const wrap = (driver: StorageDriver): StorageDriver => ({
    ...driver,
    append: async (key, offset) => {
      const appender = await driver.append(key, offset);
      return {
        ...appender,
        write: (chunk) =>
          full ? Promise.reject(new AppError("storage_full", "the disk is full")) : appender.write(chunk),
      };
    },
  });
  return withFake((fake) =>
    withEdge({ storage: wrap }, async (edge) => {
      const digest = fake.image("v1", [randomBytes(2_000_000, 1)]);
      for (let i = 0; i < 5; i++) fake.image(`w${i}`, [randomBytes(1_000_000, 10 + i)]);
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      const outcome = await edge.run(mirror);
      assert.equal(outcome.kind === "failed" && outcome.reason, "storage_full", JSON.stringify(outcome));
      assert.deepEqual(await edge.tags(mirror), {});
      full = false;
      assert.equal((await edge.run(mirror)).kind, "success");
      await edge.readWhole(mirror, digest);
    })
  );
});

Deno.test("two runs that want the same blob at once fetch it once", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const digest = fake.image("v1", [randomBytes(2_000_000, 1)]);
      const mirrors = [
        await edge.mirror({ reference: `${fake.host}/app` }),
        await edge.mirror({ reference: `${fake.host}/app` }),
      ];
      const outcomes = await Promise.all(mirrors.map((mirror) => edge.run(mirror)));
      assert.deepEqual(outcomes.map(({ kind }) => kind), ["success", "success"]);
      for (const mirror of mirrors) await edge.readWhole(mirror, digest);
      assert.equal(
        fake.requests.filter((request) => request.includes("/blobs/")).length,
        2,
        "config and layer",
      );
      assert.equal(sizeOf(fake) > 2_000_000, true);
    })
  ));

Deno.test("a link that falls silent in the middle of a blob: noticed, and the blob goes on at its byte", () =>
  withFake((fake) =>
    withEdge({ site: { silenceMs: 500 } }, async (edge) => {
      const layer = randomBytes(3_000_000, 1);
      const digest = fake.image("v1", [layer]);
      const link = startFaultyProxy(targetOf(fake.host), { bytesPerSecond: 3_000_000 });
      try {
        const mirror = await edge.mirror({ reference: `${link.host}/app` });
        const running = edge.run(mirror);
        while (link.bytes < 1_000_000) await new Promise((resolve) => setTimeout(resolve, 10));
        link.faults = { stall: true };
        await new Promise((resolve) => setTimeout(resolve, 1200));
        link.faults = {};
        const outcome = await running;
        assert.equal(outcome.kind, "success", JSON.stringify(outcome));
        assert.match(outcome.progress.lastError ?? "", /in time/);
        await edge.readWhole(mirror, digest);
        assert.ok(link.bytes < layer.length * 1.2, `${link.bytes}`);
      } finally {
        await link.stop();
      }
    })
  ));

Deno.test("a spoilt byte on the way: noticed by the digest, nothing of it is served, and the next run is whole", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const digest = fake.image("v1", [randomBytes(3_000_000, 1)]);
      const link = startFaultyProxy(targetOf(fake.host), { spoilAt: 2_000_000 });
      try {
        const mirror = await edge.mirror({ reference: `${link.host}/app` });
        const first = await edge.run(mirror);
        assert.match(first.kind === "failed" ? first.message : "", /has the digest/);
        assert.deepEqual(await edge.tags(mirror), {});
        link.faults = {};
        assert.equal((await edge.run(mirror)).kind, "success");
        await edge.readWhole(mirror, digest);
      } finally {
        await link.stop();
      }
    })
  ));

Deno.test("a repository that is deleted at the other side in the middle of a run: what was copied stays, nothing is removed", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const old = fake.image("old", [randomBytes(10, 1)]);
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      await edge.run(mirror);
      for (let i = 0; i < 4; i++) fake.image(`v${i}`, [randomBytes(1000, i + 2)]);
      fake.instead = (_, path) => {
        if (path.includes("/blobs/")) fake.instead = () => new Response(null, { status: 404 });
        return undefined;
      };
      const outcome = await edge.run(mirror);
      assert.equal(outcome.kind === "failed" && outcome.reason, "not_found", JSON.stringify(outcome));
      assert.equal((await edge.tags(mirror)).old, old);
      fake.instead = () => new Response(null, { status: 404 });
      assert.equal((await edge.run(mirror)).kind, "failed");
      assert.equal((await edge.tags(mirror)).old, old);
    })
  ));
