/**
 * `scripts/bench mirror [--quick] [--rounds N] [--only sync|round]`: 50 images of realistic layer sizes, two platforms, shared bases, mirrored from a
 * local docker-registry by Quaylet and by `skopeo sync --all` (into a second docker-registry), in one run on one machine: first
 * sync, then again with nothing changed. Prints what each took, the ratios, and Quaylet's memory above idle; then how long a
 * round of 1,000 mirrors takes. Asserts nothing.
 */
import { parseArgs } from "node:util";
import { findMirrorProgress } from "../../src/domain/mirroring/mirrors.ts";
import { SYNC_STATUS } from "../../src/domain/mirroring/model.ts";
import { requestMirrorSync } from "../../src/drivers/database/queries/mirror.ts";
import { openDeps } from "../../src/node.ts";
import { type Appliance, startAppliance } from "../appliance.ts";
import { Edge, furnish } from "../mirror/edge.ts";
import { type Descriptor, on, Pusher } from "../mirror/images.ts";
import { type Parent, startParent } from "../mirror/parents.ts";
import { measureRounds } from "./mirror_round.ts";
import { memoryOf } from "./processes.ts";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
    only: { type: "string" },
  },
});
const rounds = flags.quick ? 1 : Number(flags.rounds);
const IMAGES = 50;
const PLATFORMS = ["amd64", "arm64"];
const MB = 1_000_000;
/** Of every 20 layers 13 are below 1 MB and 16 below 10 MB; one in the whole set for each platform is of the largest size. */
const SIZES = [.001, .002, .004, .01, .02, .04, .08, .15, .3, .4, .5, .7, .9, 2, 4, 8, 12, 20, 30, 45];
const LARGEST = flags.quick ? 50 : 500;

const CONFIG = {
  FEATURE_REPO_MIRROR: true,
  REPO_MIRROR_INTERVAL: 1,
  SSRF_ALLOWED_HOSTS: ["127.0.0.1"],
  SECRET_KEY: "bench",
  DATABASE_SECRET_KEY: "bench",
};

const timings = { quaylet: [[], []] as number[][], skopeo: [[], []] as number[][], memoryMb: [] as number[] };
if (flags.only !== "round") await measureSync();
if (flags.only !== "sync") await measureRounds({ mirrors: flags.quick ? 100 : 1000, config: CONFIG });

async function measureSync(): Promise<void> {
  const parent = await startParent();
  try {
    const { layers, bytes } = await fill(parent);
    console.log(
      `${IMAGES} images, ${PLATFORMS.length} platforms, ${layers} layers, ${Math.round(bytes / MB)} MB\n`,
    );
    for (let round = 0; round < rounds; round++) {
      await measureQuaylet(parent);
      await measureSkopeo(parent);
    }
  } finally {
    await parent.stop();
  }
  print();
}

/** Two layers of five of each image belong to bases that many images share. */
async function fill(parent: Parent): Promise<{ layers: number; bytes: number }> {
  const push = new Pusher(parent.url, "bench/app");
  let layers = 0;
  let bytes = 0;
  const layer = async (sizeMb: number): Promise<Descriptor> => {
    const content = new Uint8Array(Math.max(200, Math.round(sizeMb * MB)));
    for (let at = 0; at < content.length; at += 65536) {
      crypto.getRandomValues(content.subarray(at, at + 65536));
    }
    layers++;
    bytes += content.length;
    return await push.blob(content);
  };
  const bases = new Map<string, Descriptor[][]>();
  for (const platform of PLATFORMS) {
    bases.set(platform, []);
    for (const sizeMb of [30, 28, 50, 4, 80]) {
      bases.get(platform)!.push([await layer(sizeMb), await layer(.02)]);
    }
  }
  for (let image = 0, next = 0; image < IMAGES; image++) {
    const children: Descriptor[] = [];
    for (const platform of PLATFORMS) {
      const own: Descriptor[] = [];
      for (let i = 0; i < 4; i++) {
        own.push(await layer(SIZES[next++ % SIZES.length]! * (flags.quick ? .2 : 1)));
      }
      if (image === 25) own.push(await layer(LARGEST));
      const base = bases.get(platform)![image % 5]!;
      children.push(on(await push.image([...base, ...own], { architecture: platform }), platform));
    }
    await push.index(children, `v${image}`);
  }
  return { layers, bytes };
}

async function measureQuaylet(parent: Parent): Promise<void> {
  const dataDir = await Deno.makeTempDir({ prefix: "quaylet-bench-" });
  const appliance = await startAppliance({ dataDir, config: CONFIG });
  try {
    const { deps, close } = await openDeps({ data: dataDir, config: appliance.configDir });
    try {
      await furnish(deps);
      const edge = new Edge(deps, dataDir);
      const mirror = await edge.mirror({ reference: `${parent.host}/bench/app`, enabled: false });
      await new Promise((resolve) => setTimeout(resolve, 2000));
      const idleMb = (await memoryOf(appliance.pid)).rssMb;
      for (const pass of [0, 1]) {
        await requestMirrorSync(deps.sql, mirror.repositoryId);
        const mostMb = await untilDone(edge, appliance, mirror.repositoryId);
        const progress = await findMirrorProgress(deps.sql, mirror.repositoryId);
        timings.quaylet[pass]!.push((progress!.updatedMs - progress!.startedMs) / 1000);
        if (pass === 0) timings.memoryMb.push(mostMb - idleMb);
      }
    } finally {
      await close();
    }
  } finally {
    await appliance.stop();
    await Deno.remove(dataDir, { recursive: true });
  }
}

/** @returns the most memory that it had, MB */
async function untilDone(edge: Edge, appliance: Appliance, repositoryId: number): Promise<number> {
  let mostMb = 0;
  for (;;) {
    mostMb = Math.max(mostMb, (await memoryOf(appliance.pid)).rssMb);
    const { status } = await edge.find(repositoryId);
    const progress = await findMirrorProgress(edge.deps.sql, repositoryId);
    if (status === SYNC_STATUS.SUCCESS && progress?.phase === "done") return mostMb;
    if (status === SYNC_STATUS.FAIL) throw new Error(`the mirror failed: ${progress?.lastError}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function measureSkopeo(parent: Parent): Promise<void> {
  const target = await startParent();
  try {
    for (const pass of [0, 1]) {
      const startMs = performance.now();
      const { success, stderr } = await new Deno.Command("skopeo", {
        args: [
          ...["--insecure-policy", "sync", "--all", "--src", "docker", "--dest", "docker"],
          ...[
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            `${parent.host}/bench/app`,
            `${target.host}/edge`,
          ],
        ],
        stdout: "null",
      }).output();
      if (!success) throw new Error(new TextDecoder().decode(stderr));
      timings.skopeo[pass]!.push((performance.now() - startMs) / 1000);
    }
  } finally {
    await target.stop();
  }
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
}

function print(): void {
  console.log(`| median of ${rounds} | Quaylet | skopeo sync | ratio |\n| --- | --- | --- | --- |`);
  for (const [pass, what] of ["first sync", "again, nothing changed"].entries()) {
    const [own, other] = [median(timings.quaylet[pass]!), median(timings.skopeo[pass]!)];
    console.log(`| ${what} | ${own.toFixed(2)} s | ${other.toFixed(2)} s | ${(other / own).toFixed(1)}x |`);
  }
  console.log(`| memory above idle | ${Math.round(Math.max(...timings.memoryMb))} MB | | |`);
}
