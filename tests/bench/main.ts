/**
 * `scripts/bench [--quick] [--rounds N] [--only WORD] [--peer NAME=URL]…`: Quaylet beside Debian's docker-registry and
 * any other registry that runs, interleaved in one run on one machine. Prints what each did and the ratio to
 * docker-registry; asserts nothing.
 */
import { parseArgs } from "node:util";
import { Client, Sample } from "./client.ts";
import { answers, externalPeer, type Peer, startDockerRegistry, startQuaylet } from "./peers.ts";
import { memoryOf } from "./processes.ts";
import { applianceCommand } from "../appliance.ts";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: "" },
    peer: { type: "string", multiple: true, default: [] },
  },
});
const rounds = flags.quick ? 1 : Number(flags.rounds);
const seconds = flags.quick ? 1 : 3;
const MB = 1_000_000;
const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

interface Row {
  readonly what: string;
  readonly unit: string;
  readonly lowerIsBetter: boolean;
  readonly samples: Map<string, number[]>;
}
const rows: Row[] = [];

const folder = await Deno.makeTempDir({ prefix: "quaylet-bench-" });
await Deno.mkdir(`${folder}/quaylet`);
await Deno.mkdir(`${folder}/docker-registry`);
const peers: Peer[] = [
  await startQuaylet(`${folder}/quaylet`),
  await startDockerRegistry(`${folder}/docker-registry`, freePort()),
  ...flags.peer.map(externalPeer),
];
const clients = peers.map((peer) => new Client(peer));
try {
  if (wanted("idle")) await memoryIdle();
  if (wanted("blob")) await blobs();
  if (wanted("manifest")) await manifests();
  if (wanted("tags")) await tags();
  if (wanted("catalog")) await catalog();
  if (wanted("load")) await memoryUnderLoad();
} finally {
  for (const peer of peers) await peer.stop();
}
if (wanted("start")) await starts();
await Deno.remove(folder, { recursive: true });
print();

function wanted(word: string): boolean {
  return flags.only === "" || flags.only.split(",").includes(word);
}

/** Runs `measure` for each peer in turn, `rounds` times over. */
async function interleave(
  what: string,
  unit: string,
  measure: (client: Client, round: number) => Promise<number>,
  options: { lowerIsBetter?: boolean; rounds?: number } = {},
): Promise<void> {
  const row: Row = { what, unit, lowerIsBetter: options.lowerIsBetter ?? false, samples: new Map() };
  rows.push(row);
  for (let round = 0; round < (options.rounds ?? rounds); round++) {
    for (const client of clients) {
      const value = await measure(client, round);
      row.samples.set(client.peer.name, [...row.samples.get(client.peer.name) ?? [], value]);
    }
  }
  console.error(describe(row));
}

async function blobs(): Promise<void> {
  const sizes = flags.quick ? [1, 100] : [1, 100, 1000];
  for (const megabytes of sizes) {
    const shared = new Sample(megabytes * MB);
    for (const client of clients) await client.pushBlob("bench/blobs", shared);
    await interleave(`blob GET ${megabytes} MB`, "MB/s", async (client) => {
      const path = `/v2/bench/blobs/blobs/${shared.digest}`;
      return megabytes * await client.load("bench/blobs", path, 1, Math.max(seconds, megabytes / 200));
    });
    const copies = megabytes === 1 ? 100 : megabytes === 100 ? 5 : 1;
    await interleave(`blob PUT ${megabytes} MB`, "MB/s", async (client) => {
      let elapsedMs = 0;
      for (let copy = 0; copy < copies; copy++) {
        const sample = new Sample(megabytes * MB);
        const started = performance.now();
        await client.pushBlob("bench/blobs", sample);
        elapsedMs += performance.now() - started;
      }
      return copies * megabytes / (elapsedMs / 1000);
    });
  }
}

/** A manifest over one small config and one layer that are in `repository`. */
async function smallImage(client: Client, repository: string, config: Sample): Promise<string> {
  await client.pushBlob(repository, config);
  const descriptor = { digest: config.digest, size: config.sizeBytes };
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: "application/vnd.oci.empty.v1+json", ...descriptor },
    layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", ...descriptor }],
  });
}

async function manifests(): Promise<void> {
  const config = new Sample(1000);
  let digest = "";
  for (const client of clients) {
    const body = await smallImage(client, "bench/manifests", config);
    await client.pushManifest("bench/manifests", "latest", body);
    const { digestOf } = await import("../../src/oci/digest.ts");
    digest = digestOf(body);
  }
  for (const [how, reference] of [["tag", "latest"], ["digest", digest]] as const) {
    for (const concurrency of [1, 16, 64]) {
      await interleave(`manifest GET by ${how}, ${concurrency} at once`, "requests/s", (client) => {
        const path = `/v2/bench/manifests/manifests/${reference}`;
        return client.load("bench/manifests", path, concurrency, seconds, OCI_MANIFEST);
      });
    }
  }
}

async function tags(): Promise<void> {
  const count = flags.quick ? 1_000 : 10_000;
  const config = new Sample(1000);
  const bodies = new Map<Client, string>();
  for (const client of clients) bodies.set(client, await smallImage(client, "bench/tags", config));
  const pushTags = async (client: Client, from: number, to: number) => {
    const body = bodies.get(client) as string;
    const started = performance.now();
    await inParallel(
      8,
      from,
      to,
      (n) => client.pushManifest("bench/tags", `t${`${n}`.padStart(6, "0")}`, body),
    );
    return (performance.now() - started) / (to - from);
  };
  await interleave("push of a tag, first 100", "ms", (client) => pushTags(client, 0, 100), {
    lowerIsBetter: true,
    rounds: 1,
  });
  for (const client of clients) await pushTags(client, 100, count - 100);
  await interleave(
    `push of a tag, up to the ${count}th`,
    "ms",
    (client) => pushTags(client, count - 100, count),
    {
      lowerIsBetter: true,
      rounds: 1,
    },
  );
  await interleave(`tags list, 100 of ${count}`, "requests/s", (client) => {
    const last = `t${`${count / 2}`.padStart(6, "0")}`;
    return client.load("bench/tags", `/v2/bench/tags/tags/list?n=100&last=${last}`, 1, seconds);
  });
}

async function catalog(): Promise<void> {
  const count = flags.quick ? 200 : 10_000;
  const config = new Sample(1000);
  for (const client of clients) {
    await inParallel(4, 0, count, async (n) => {
      const repository = `bench/r${`${n}`.padStart(6, "0")}`;
      await client.pushManifest(repository, "latest", await smallImage(client, repository, config));
    });
  }
  await interleave(`catalog, 100 of ${count}`, "requests/s", (client) => {
    return client.load("bench/r000000", "/v2/_catalog?n=100", 1, seconds);
  });
}

async function memoryIdle(): Promise<void> {
  const restMs = flags.quick ? 1_000 : 10_000;
  const rest = () => new Promise<void>((resolve) => setTimeout(resolve, restMs));
  await rest();
  await memory("memory idle", rest, median);
}

async function memoryUnderLoad(): Promise<void> {
  await memory("memory, 32 pushes of 100 MB at once", async (client) => {
    await inParallel(32, 0, 32, () => client.pushBlob("bench/load", new Sample(100 * MB)));
  });
}

/** The sum over all processes of a peer, looked at all the time while `work` runs: the highest, unless `pick` says otherwise. */
async function memory(
  what: string,
  work: (client: Client) => Promise<void>,
  pick: (samples: readonly number[]) => number = (samples) => Math.max(...samples),
): Promise<void> {
  const rss: Row = { what: `${what}, resident`, unit: "MB", lowerIsBetter: true, samples: new Map() };
  const pss: Row = { what: `${what}, proportional`, unit: "MB", lowerIsBetter: true, samples: new Map() };
  rows.push(rss, pss);
  for (const client of clients) {
    const { pid, name } = client.peer;
    if (pid === undefined) continue;
    let running = true;
    const done = work(client).finally(() => running = false);
    const sums: { rssMb: number; pssMb: number }[] = [];
    do {
      sums.push(await memoryOf(pid));
      await new Promise((resolve) => setTimeout(resolve, 100));
    } while (running);
    await done;
    rss.samples.set(name, [pick(sums.map(({ rssMb }) => rssMb))]);
    pss.samples.set(name, [pick(sums.map(({ pssMb }) => pssMb))]);
  }
  console.error(describe(rss));
  console.error(describe(pss));
}

/** Seconds from the start of the program to a healthy answer: with an empty cache and data folder, then again. */
async function starts(): Promise<void> {
  const cold: Row = { what: "cold start to healthy", unit: "s", lowerIsBetter: true, samples: new Map() };
  const warm: Row = { what: "warm start to healthy", unit: "s", lowerIsBetter: true, samples: new Map() };
  rows.push(cold, warm);
  const base = await Deno.makeTempDir({ prefix: "quaylet-start-" });
  for (let round = 0; round <= rounds; round++) {
    const port = freePort();
    const [program, ...first] = applianceCommand() as [string, ...string[]];
    const started = performance.now();
    const child = new Deno.Command(program, {
      args: [
        ...first,
        "serve",
        "--data",
        `${base}/data`,
        "--http",
        `127.0.0.1:${port}`,
        "--metrics",
        "127.0.0.1:0",
      ],
      env: { QUAYLET_CACHE: `${base}/cache` },
      stdout: "null",
      stderr: "null",
    }).spawn();
    await answers(`http://127.0.0.1:${port}/health/instance`, 60_000);
    const row = round === 0 ? cold : warm;
    row.samples.set("quaylet", [...row.samples.get("quaylet") ?? [], (performance.now() - started) / 1000]);
    child.kill("SIGTERM");
    await child.status;
  }
  await Deno.remove(base, { recursive: true });
}

async function inParallel(
  lanes: number,
  from: number,
  to: number,
  work: (n: number) => Promise<void>,
): Promise<void> {
  let next = from;
  await Promise.all(Array.from({ length: lanes }, async () => {
    while (next < to) await work(next++);
  }));
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

function cells(row: Row): string[] {
  const reference = row.samples.get("docker-registry");
  return peers.map(({ name }) => {
    const samples = row.samples.get(name);
    if (samples === undefined) return "";
    const value = median(samples);
    const text = value >= 100 ? value.toFixed(0) : value.toFixed(2);
    if (reference === undefined || name === "docker-registry") return text;
    return `${text} (${(value / median(reference)).toFixed(2)}x)`;
  });
}

function describe(row: Row): string {
  return `${row.what} [${row.unit}]: ${peers.map((peer, i) => `${peer.name} ${cells(row)[i]}`).join(" | ")}`;
}

function print(): void {
  const { model, cores, memoryGb } = machine();
  console.log(
    `\n${new Date().toISOString().slice(0, 10)}, ${cores} x ${model}, ${memoryGb} GB, medians of ${rounds}\n`,
  );
  console.log(`| what | unit | ${peers.map((peer) => peer.name).join(" | ")} |`);
  console.log(`| --- | --- | ${peers.map(() => "---").join(" | ")} |`);
  for (const row of rows) console.log(`| ${row.what} | ${row.unit} | ${cells(row).join(" | ")} |`);
}

function machine() {
  const model = /model name\s*:\s*(.*)/.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? Deno.build.arch;
  return {
    model,
    cores: navigator.hardwareConcurrency,
    memoryGb: Math.round(Deno.systemMemoryInfo().total / 1024 ** 3),
  };
}
