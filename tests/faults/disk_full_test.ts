import assert from "node:assert/strict";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";
import { Client, errorCodeOf, eventually, manifestOf, textOf } from "./client.ts";
import { uploadFiles } from "./process_state.ts";
import { Random } from "./random.ts";
import { fillDisk, withDisk } from "./small_disk.ts";

const REPOSITORY = "faults/full";
const MEGABYTE = 1024 * 1024;

async function health(client: Client): Promise<Record<string, boolean>> {
  return JSON.parse(textOf(await client.request("GET", "/health/instance"))).data.services;
}

/** Remembers what was acknowledged, to see it again. */
class Acknowledged {
  readonly blobs = new Map<Digest, number>();
  readonly tags = new Map<string, Digest>();

  constructor(private readonly client: Client, private readonly random: Random) {}

  async pushImage(tag: string, layerBytes: number): Promise<void> {
    const parts: { digest: Digest; size: number }[] = [];
    for (const size of [500, layerBytes]) {
      const bytes = this.random.bytes(size);
      const answer = await this.client.pushWhole(bytes);
      assert.equal(answer.status, 201, textOf(answer));
      this.blobs.set(digestOf(bytes), size);
      parts.push({ digest: digestOf(bytes), size });
    }
    const manifest = manifestOf(parts);
    const answer = await this.client.putManifest(tag, manifest);
    assert.equal(answer.status, 201, textOf(answer));
    this.tags.set(tag, digestOf(manifest));
  }

  async readBack(): Promise<void> {
    for (const digest of this.blobs.keys()) {
      const answer = await this.client.blob(digest);
      assert.equal(answer.status, 200, textOf(answer));
      assert.equal(digestOf(answer.bytes), digest);
    }
    for (const [tag, digest] of this.tags) {
      const answer = await this.client.manifest(tag);
      assert.equal(digestOf(answer.bytes), digest);
    }
  }
}

const spaceInUse = async (path: string): Promise<number> => {
  const { stdout } = await new Deno.Command("du", { args: ["-sk", path] }).output();
  return Number(new TextDecoder().decode(stdout).split(/\s/, 1)[0]) * 1024;
};

test({
  name:
    "the storage's disk is full: 507, health says so, nothing is lost, no bytes stay, and it recovers by itself",
  needs: ["root"],
  async fn() {
    const dataDir = await Deno.makeTempDir({ prefix: "quaylet-full-" });
    const storage = `${dataDir}/storage`;
    try {
      await withDisk(storage, 24, async () => {
        await using appliance = await startAppliance({ dataDir });
        await Client.initialize(appliance);
        using client = await new Client(appliance.httpUrl, REPOSITORY).logIn();
        const kept = new Acknowledged(client, new Random(7));
        await kept.pushImage("before", 3 * MEGABYTE);
        const usedBytes = await spaceInUse(storage);
        assert.equal((await health(client)).disk_space, true);

        const tooBig = new Random(8).bytes(40 * MEGABYTE);
        const rows: [what: string, push: () => Promise<{ status: number; bytes: Uint8Array }>][] = [
          ["one POST", () => client.pushWhole(tooBig)],
          ["POST and PUT", async () => {
            const { location } = await client.startUpload();
            return await client.request("PUT", `${location}?digest=${digestOf(tooBig)}`, { body: tooBig });
          }],
          ["one PATCH", () => client.pushChunks(tooBig, 40 * MEGABYTE)],
        ];
        for (const [what, push] of rows) {
          const answer = await push();
          assert.deepEqual([what, answer.status, errorCodeOf(textOf(answer))], [what, 507, "UNAVAILABLE"]);
          // Or the disk would stay full of what nobody was promised.
          const leftBytes = await spaceInUse(storage) - usedBytes;
          assert.ok(leftBytes < 64 * 1024, `${what}: ${leftBytes} bytes stay`);
        }
        await kept.readBack();
        await kept.pushImage("between", 2 * MEGABYTE);

        const disk = await fillDisk(storage, 64 * 1024);
        await eventually("health says that the disk is full", 10_000, async () => {
          return (await health(client)).disk_space === false;
        });
        const refused = await client.pushWhole(new Random(9).bytes(MEGABYTE));
        assert.deepEqual([refused.status, errorCodeOf(textOf(refused))], [507, "UNAVAILABLE"]);
        await kept.readBack();
        await disk.free();
        await eventually("health says that there is space", 10_000, async () => {
          return (await health(client)).disk_space === true;
        });
        await kept.pushImage("after", 4 * MEGABYTE);
        await kept.readBack();
        for (const name of uploadFiles(dataDir)) {
          const { status } = await client.request("GET", `/v2/${REPOSITORY}/blobs/uploads/${name}`);
          assert.equal(status, 204, `uploads/${name} is an orphan`);
        }
        const blamed = appliance.log.filter(({ status }) => status === 500);
        assert.deepEqual(blamed, []);
      });
    } finally {
      await Deno.remove(dataDir, { recursive: true });
    }
  },
});

test({
  name: "a chunked upload that met a full disk goes on from its last chunk when there is space",
  needs: ["root"],
  async fn() {
    const dataDir = await Deno.makeTempDir({ prefix: "quaylet-full-" });
    try {
      await withDisk(`${dataDir}/storage`, 16, async () => {
        await using appliance = await startAppliance({ dataDir });
        await Client.initialize(appliance);
        using client = await new Client(appliance.httpUrl, REPOSITORY).logIn();
        const bytes = new Random(11).bytes(8 * MEGABYTE);
        const [first, rest] = [bytes.subarray(0, 2 * MEGABYTE), bytes.subarray(2 * MEGABYTE)];
        const { location } = await client.startUpload();
        assert.equal((await client.request("PATCH", location, { body: first })).status, 202);
        const disk = await fillDisk(`${dataDir}/storage`, 2 * MEGABYTE);
        assert.equal((await client.request("PATCH", location, { body: rest })).status, 507);
        const status = await client.request("GET", location);
        assert.equal(status.headers.get("range"), `0-${2 * MEGABYTE - 1}`);
        await disk.free();
        assert.equal((await client.request("PATCH", location, { body: rest })).status, 202);
        const done = await client.request("PUT", `${location}?digest=${digestOf(bytes)}`);
        assert.equal(done.status, 201, textOf(done));
        assert.equal(digestOf((await client.blob(digestOf(bytes))).bytes), digestOf(bytes));
      });
    } finally {
      await Deno.remove(dataDir, { recursive: true });
    }
  },
});

test({
  name:
    "the disk of storage and PostgreSQL is full: errors are clear, nothing is lost, and it recovers by itself",
  needs: ["root"],
  async fn() {
    const dataDir = await Deno.makeTempDir({ prefix: "quaylet-full-" });
    try {
      await withDisk(dataDir, 160, async () => {
        const appliance = await startAppliance({ dataDir });
        try {
          await Client.initialize(appliance);
          using client = await new Client(appliance.httpUrl, REPOSITORY).logIn();
          const kept = new Acknowledged(client, new Random(21));
          await kept.pushImage("before", 3 * MEGABYTE);

          const disk = await fillDisk(dataDir, 0);
          await eventually("health says that the disk is full", 10_000, async () => {
            return (await health(client)).disk_space === false;
          });
          for (let i = 0; i < 10; i++) {
            const answer = await client.pushWhole(new Random(30 + i).bytes(200_000));
            assert.ok([503, 507].includes(answer.status), `${answer.status} ${textOf(answer)}`);
            assert.equal(errorCodeOf(textOf(answer)), "UNAVAILABLE");
            const started = await client.request("POST", `/v2/${REPOSITORY}/blobs/uploads/`);
            assert.ok([202, 503, 507].includes(started.status), `${started.status} ${textOf(started)}`);
          }
          await disk.free();
          await eventually("a push succeeds again", 30_000, async () => {
            return (await client.pushWhole(new TextEncoder().encode("small"))).status === 201;
          });
          await kept.pushImage("after", 3 * MEGABYTE);
          await kept.readBack();
          assert.deepEqual(appliance.log.filter(({ status }) => status === 500), []);
        } finally {
          assert.equal(await appliance.stop(), 0);
        }
      });
    } finally {
      await Deno.remove(dataDir, { recursive: true });
    }
  },
});
