import assert from "node:assert/strict";
import { digestOf } from "../../src/oci/digest.ts";
import { type Appliance, startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";
import { Client, eventually, manifestOf, textOf } from "./client.ts";
import { openDescriptors, residentBytes, uploadFiles } from "./process_state.ts";
import { Random } from "./random.ts";

const REPOSITORY = "faults/slow";
const MEGABYTE = 1024 * 1024;
const encode = (text: string) => new TextEncoder().encode(text);

/** Connections that are opened to be a burden. Each is closed by `close`, whatever the server did to it. */
class Burden {
  readonly #connections: Deno.TcpConn[] = [];
  #over = false;

  constructor(private readonly url: string) {}

  get count(): number {
    return this.#connections.length;
  }

  async #connect(): Promise<Deno.TcpConn> {
    const { hostname, port } = new URL(this.url);
    const connection = await Deno.connect({ hostname, port: Number(port) });
    this.#connections.push(connection);
    return connection;
  }

  async idle(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.#connect();
  }

  /** Each sends `head`, then `piece` again and again, so that the request never ends. */
  async dribble(count: number, head: string, piece: Uint8Array, everyMs: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const connection = await this.#connect();
      await connection.write(encode(head));
      (async () => {
        while (!this.#over) {
          await new Promise((resolve) => setTimeout(resolve, everyMs));
          await connection.write(piece);
        }
      })().catch(() => {/* it was closed, by us or by the server */});
    }
  }

  close(): void {
    this.#over = true;
    for (const connection of this.#connections) {
      try {
        connection.close();
      } catch {
        // closed already
      }
    }
  }
}

/** An ordinary push and pull; the connection is new each time, as that of a new client is. */
async function pushAndPull(appliance: Appliance, token: string, random: Random, tag: string): Promise<void> {
  using client = new Client(appliance.httpUrl, REPOSITORY, token);
  const parts = [];
  for (const size of [400, 300_000]) {
    const bytes = random.bytes(size);
    const answer = await client.pushWhole(bytes);
    assert.equal(answer.status, 201, textOf(answer));
    parts.push({ digest: digestOf(bytes), size });
  }
  const manifest = manifestOf(parts);
  const put = await client.putManifest(tag, manifest);
  assert.equal(put.status, 201, textOf(put));
  assert.deepEqual((await client.manifest(tag)).bytes, manifest);
  for (const { digest } of parts) assert.equal(digestOf((await client.blob(digest)).bytes), digest);
}

/** Opens a repository. @returns the token that pushes to it */
async function prepare(appliance: Appliance): Promise<string> {
  await Client.initialize(appliance);
  using client = await new Client(appliance.httpUrl, REPOSITORY).logIn();
  await pushAndPull(appliance, client.token, new Random(1), "first");
  return client.token;
}

const backTo = (appliance: Appliance, before: number) =>
  eventually(`open descriptors back to about ${before}`, 30_000, () => {
    return Promise.resolve(openDescriptors(appliance.pid) <= before + 8);
  });

Deno.test("2,000 idle connections, 200 endless headers and 50 slow uploads: others go on working, nothing leaks", async () => {
  await using appliance = await startAppliance();
  const token = await prepare(appliance);
  const before = openDescriptors(appliance.pid);
  const random = new Random(2);
  for (let i = 0; i < 5; i++) await pushAndPull(appliance, token, random, `warm-${i}`);
  const beforeBytes = residentBytes(appliance.pid);

  const burden = new Burden(appliance.httpUrl);
  try {
    await burden.idle(2000);
    await burden.dribble(200, "GET /v2/ HTTP/1.1\r\nHost: x\r\n", encode("X-Slow: 1\r\n"), 500);
    const upload = (digest: string) =>
      `POST /v2/${REPOSITORY}/blobs/uploads/?digest=${digest} HTTP/1.1\r\nHost: x\r\n` +
      `Authorization: Bearer ${token}\r\nContent-Length: 10000000\r\n\r\n`;
    await burden.dribble(50, upload(digestOf(encode("never"))), new Uint8Array(1024), 200);
    assert.equal(burden.count, 2250);
    await eventually("50 uploads run", 30_000, () => {
      return Promise.resolve(uploadFiles(appliance.dataDir).length >= 50);
    });
    for (let i = 0; i < 20; i++) await pushAndPull(appliance, token, random, `under-${i}`);
    using client = new Client(appliance.httpUrl, REPOSITORY, token);
    assert.equal((await client.request("GET", "/health/instance")).status, 200);
  } finally {
    burden.close();
  }
  await backTo(appliance, before);
  await eventually("no broken upload stays", 30_000, () => {
    return Promise.resolve(uploadFiles(appliance.dataDir).length === 0);
  });
  await pushAndPull(appliance, token, random, "after");
  const grownBytes = residentBytes(appliance.pid) - beforeBytes;
  assert.ok(grownBytes < 80 * MEGABYTE, `resident memory grew by ${Math.round(grownBytes / MEGABYTE)} MB`);
  assert.deepEqual(appliance.log.filter(({ status }) => Number(status) >= 500), []);
});

test({
  name: "more connections than descriptors: the appliance survives, and works again when they are gone",
  needs: ["prlimit"],
  async fn() {
    await using appliance = await startAppliance({ prefix: ["prlimit", "--nofile=400:400", "--"] });
    const token = await prepare(appliance);
    const before = openDescriptors(appliance.pid);
    const burden = new Burden(appliance.httpUrl);
    try {
      // Some are refused: no descriptor is left for them.
      for (let i = 0; i < 1000; i++) await burden.idle(1).catch(() => {});
      await eventually("no descriptor is left", 10_000, () => {
        return Promise.resolve(openDescriptors(appliance.pid) >= 390);
      });
      // Long enough for what runs periodically to meet it.
      await new Promise((resolve) => setTimeout(resolve, 3000));
    } finally {
      burden.close();
    }
    await backTo(appliance, before);
    await eventually("it takes connections again", 10_000, async () => {
      using client = new Client(appliance.httpUrl, REPOSITORY, token);
      return await client.request("GET", "/v2/").then(({ status }) => status === 200, () => false);
    });
    for (let i = 0; i < 5; i++) await pushAndPull(appliance, token, new Random(3), `after-${i}`);
    using client = new Client(appliance.httpUrl, REPOSITORY, token);
    assert.equal((await client.request("GET", "/health/instance")).status, 200);
  },
});

Deno.test("GET blob: 200 clients that go away in the middle leak no descriptor", async () => {
  await using appliance = await startAppliance();
  const token = await prepare(appliance);
  using client = new Client(appliance.httpUrl, REPOSITORY, token);
  const bytes = new Random(4).bytes(20 * MEGABYTE);
  const digest = digestOf(bytes);
  assert.equal((await client.pushWhole(bytes)).status, 201);
  const before = openDescriptors(appliance.pid);
  const { hostname, port } = new URL(appliance.httpUrl);
  const abandon = async (readBytes: number) => {
    const connection = await Deno.connect({ hostname, port: Number(port) });
    await connection.write(encode(
      `GET /v2/${REPOSITORY}/blobs/${digest} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    ));
    const buffer = new Uint8Array(65_536);
    for (let got = 0; got < readBytes;) {
      const count = await connection.read(buffer);
      assert.notEqual(count, null, "the download ended early");
      got += count as number;
    }
    connection.close();
  };
  const random = new Random(5);
  for (let i = 0; i < 10; i++) {
    await Promise.all(Array.from({ length: 20 }, () => abandon(random.size(1, 10 * MEGABYTE))));
  }
  await backTo(appliance, before);
  assert.equal(digestOf((await client.blob(digest)).bytes), digest);
});
