/**
 * `scripts/bench storage [--quick] [--rounds N] [--size MB] [--pushes N] [--only transfer|memory]`: Quaylet in front of a real Ceph
 * RGW, and `s3cmd` against the same RGW, with the same bytes, interleaved in one run on one machine; then the memory of all of
 * Quaylet's processes while many clients push at once. Prints what each did and the ratios; asserts nothing.
 *
 * Clients of Quaylet are curl's, which know the digest beforehand, as registry clients do. Both read from a file and write to one.
 */
import { parseArgs } from "node:util";
import { ACCESS_KEY, SECRET_KEY, startRgw } from "../storage/rgw.ts";
import { Client, Sample } from "./client.ts";
import { type Peer, startQuaylet } from "./peers.ts";
import { memoryOf } from "./processes.ts";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
    size: { type: "string", default: "" },
    pushes: { type: "string", default: "16" },
    only: { type: "string" },
  },
});
const rounds = flags.quick ? 1 : Number(flags.rounds);
const MB = 1_000_000;
const sizeMb = Number(flags.size || (flags.quick ? 100 : 1000));
const pushes = Number(flags.pushes);
const REPOSITORY = "bench/storage";
const BUCKET = "bench";
const OCTETS = "Content-Type: application/octet-stream";
type Rgw = Awaited<ReturnType<typeof startRgw>>;

const folder = await Deno.makeTempDir({ prefix: "quaylet-bench-" });
try {
  if (flags.only !== "memory") await measureTransfer();
  if (flags.only !== "transfer") await measureMemory();
} finally {
  await Deno.remove(folder, { recursive: true });
}

async function measureTransfer(): Promise<void> {
  // Each round leaves two objects, and one is there from the beginning; what is removed is given back late.
  const rgw = await startRgw({ RGW_MB: `${Math.ceil((2 * rounds + 2) * sizeMb * 1.1)}` });
  const peers: Peer[] = [];
  const seconds = { s3Put: [], put: [], s3Get: [], get: [], redirect: [] } as Record<string, number[]>;
  try {
    const s3 = await s3cmd(rgw);
    await s3("mb", `s3://${BUCKET}`);
    const proxying = await startQuaylet(`${folder}/proxying`, configOf(rgw, true));
    peers.push(proxying);
    const redirecting = await startQuaylet(`${folder}/redirecting`, configOf(rgw, false));
    peers.push(redirecting);
    const got = `${folder}/got`;
    for (let round = 0; round < rounds; round++) {
      const sample = new Sample(sizeMb * MB);
      const file = await fileOf(sample);
      const object = `s3://${BUCKET}/raw/${sample.digest.slice(7)}`;
      seconds.s3Put!.push(await timed(() => s3("put", file, object)));
      seconds.put!.push(await push(proxying, file, sample));
      seconds.s3Get!.push(await timed(() => s3("get", "--force", object, got)));
      await matches(got, sample);
      seconds.get!.push(await pull(proxying, got, sample.digest));
      await matches(got, sample);
      await push(redirecting, file, sample);
      seconds.redirect!.push(await pull(redirecting, got, sample.digest));
      await matches(got, sample);
      await s3("del", "--recursive", "--force", `s3://${BUCKET}`);
      await admin(rgw, "gc", "process", "--include-all");
    }
  } finally {
    for (const peer of peers) await peer.stop();
    rgw.stop();
  }
  const rate = (name: string) => sizeMb / median(seconds[name]!);
  console.log(`| ${sizeMb} MB, medians of ${rounds} | s3cmd | Quaylet | ratio |\n| --- | --- | --- | --- |`);
  for (
    const [what, raw, own] of [
      ["PUT", "s3Put", "put"],
      ["GET, streamed through (FEATURE_PROXY_STORAGE)", "s3Get", "get"],
      ["GET, sent to the store by redirect", "s3Get", "redirect"],
    ] as const
  ) {
    const ratio = rate(own) / rate(raw);
    console.log(
      `| ${what} | ${rate(raw).toFixed(0)} MB/s | ${rate(own).toFixed(0)} MB/s | ${ratio.toFixed(2)}x |`,
    );
  }
}

/** The store packs what it keeps, so that it needs less memory than is sent; the pushes are of full size. */
async function measureMemory(): Promise<void> {
  const rgw = await startRgw({ RGW_MB: "8192", RGW_COMPRESSION: "lz4" });
  let peer: Peer | undefined;
  try {
    await (await s3cmd(rgw))("mb", `s3://${BUCKET}`);
    peer = await startQuaylet(`${folder}/memory`, configOf(rgw, true));
    const { pid } = peer;
    if (pid === undefined) throw new Error("no process");
    const idle = await memoryOf(pid);
    const client = new Client(peer);
    const samples = Array.from({ length: pushes }, () => new Sample(sizeMb * MB, true));
    const most = { rssMb: 0, pssMb: 0 };
    let running = true;
    const startMs = performance.now();
    const done = Promise.all(samples.map((sample) => client.pushBlob(REPOSITORY, sample)))
      .finally(() => running = false);
    done.catch(() => {}); // told below
    while (running) {
      const now = await memoryOf(pid);
      most.rssMb = Math.max(most.rssMb, now.rssMb);
      most.pssMb = Math.max(most.pssMb, now.pssMb);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await done;
    const rate = pushes * sizeMb / ((performance.now() - startMs) / 1000);
    console.log(
      `\n| ${pushes} pushes of ${sizeMb} MB at once (${
        rate.toFixed(0)
      } MB/s together) | resident | proportional |`,
    );
    console.log("| --- | --- | --- |");
    for (const [what, { rssMb, pssMb }] of [["before", idle], ["most", most]] as const) {
      console.log(`| ${what} | ${rssMb.toFixed(0)} MB | ${pssMb.toFixed(0)} MB |`);
    }
  } finally {
    await peer?.stop();
    rgw.stop();
  }
}

function configOf(rgw: Rgw, proxies: boolean): Record<string, unknown> {
  return {
    SERVER_HOSTNAME: "localhost:8080",
    FEATURE_USER_INITIALIZE: true,
    FEATURE_MAILING: false,
    FEATURE_PROXY_STORAGE: proxies,
    DISTRIBUTED_STORAGE_CONFIG: {
      ceph: ["RadosGWStorage", {
        hostname: "127.0.0.1",
        port: rgw.port,
        is_secure: false,
        access_key: ACCESS_KEY,
        secret_key: SECRET_KEY,
        bucket_name: BUCKET,
        storage_path: proxies ? "/proxied" : "/redirected",
      }],
    },
  };
}

/** Runs s3cmd with settings of its own. */
async function s3cmd(rgw: Rgw): Promise<(...args: string[]) => Promise<void>> {
  const settings = `${folder}/s3cfg`;
  const host = `127.0.0.1:${rgw.port}`;
  await Deno.writeTextFile(
    settings,
    `[default]\naccess_key = ${ACCESS_KEY}\nsecret_key = ${SECRET_KEY}\nhost_base = ${host}\n` +
      `host_bucket = ${host}\nuse_https = False\nbucket_location = US\n`,
  );
  return async (...args) => await run("s3cmd", "-c", settings, "--no-progress", ...args);
}

async function admin(rgw: Rgw, ...args: string[]): Promise<void> {
  await run(new URL("../tools/ceph_rgw", import.meta.url).pathname, "admin", rgw.dir, ...args);
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, stdout: "null" }).output();
  if (!success) throw new Error(`${program} ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
}

async function fileOf(sample: Sample): Promise<string> {
  const path = `${folder}/sample`;
  using file = await Deno.create(path);
  for (const chunk of sample.chunks()) {
    for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
  }
  return path;
}

async function push(peer: Peer, file: string, { digest }: Sample): Promise<number> {
  const { url, authorization } = await begin(peer, digest);
  return await timed(() =>
    run("curl", "-sSf", "-X", "PUT", "-T", file, "-H", `Authorization: ${authorization}`, "-H", OCTETS, url)
  );
}

async function begin(peer: Peer, digest: string): Promise<{ url: string; authorization: string }> {
  const authorization = await peer.authorization(REPOSITORY) ?? "";
  const answer = await fetch(`${peer.url}/v2/${REPOSITORY}/blobs/uploads/`, {
    method: "POST",
    headers: { authorization },
  });
  if (answer.status !== 202) throw new Error(`POST: ${answer.status} ${await answer.text()}`);
  await answer.body?.cancel();
  const url = new URL(answer.headers.get("location")!, peer.url);
  url.searchParams.set("digest", digest);
  // The configured host is nobody's name here.
  return { url: `${peer.url}${url.pathname}${url.search}`, authorization };
}

async function pull(peer: Peer, file: string, digest: string): Promise<number> {
  const authorization = await peer.authorization(REPOSITORY) ?? "";
  const url = `${peer.url}/v2/${REPOSITORY}/blobs/${digest}`;
  return await timed(() => run("curl", "-sSfL", "-o", file, "-H", `Authorization: ${authorization}`, url));
}

/** What arrived has the right size; digests are what tests are for. */
async function matches(file: string, { sizeBytes }: Sample): Promise<void> {
  const { size } = await Deno.stat(file);
  if (size !== sizeBytes) throw new Error(`${file} has ${size} of ${sizeBytes} bytes`);
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
}
