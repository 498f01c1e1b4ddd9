import type { Logger } from "../../lib/logger.ts";
import { pause } from "../../lib/pause.ts";

/**
 * Ends every process that still works on `cluster` although its postmaster, or the Quaylet that started it, is gone, and
 * only then removes a pid file that was left behind. Backends outlive a postmaster that was killed for as long as a
 * statement takes; a second server beside them would ruin the data, and it is the pid file that would have kept it from
 * starting. The caller holds the data folder's lock, so nobody else looks after the cluster.
 * @throws {Error} when one cannot be ended
 */
export async function stopOrphan(cluster: string, log: Logger): Promise<void> {
  const folder = await Deno.realPath(cluster).catch(() => undefined);
  if (folder === undefined) return;
  const left = await processesIn(folder);
  if (left.length > 0) {
    log.warn("a PostgreSQL of an earlier run is still there; ending its processes", { pids: left });
    // Immediate shutdown: what was committed is in the write-ahead log.
    if (!await endAll(folder, "SIGQUIT", 5_000) && !await endAll(folder, "SIGKILL", 5_000)) {
      const pids = (await processesIn(folder)).join(", ");
      throw new Error(`process ${pids}, of a PostgreSQL on ${cluster}, cannot be ended: end it by hand`);
    }
  }
  await Deno.remove(`${cluster}/postmaster.pid`).catch(() => {});
}

/** Signals every process of the cluster until there is none. @returns whether that was so in time */
async function endAll(folder: string, name: Deno.Signal, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  const told = new Set<number>();
  for (;;) {
    const left = await processesIn(folder);
    if (left.length === 0) return true;
    if (performance.now() > deadline) return false;
    for (const pid of left) {
      if (!told.has(pid)) signal(pid, name);
      told.add(pid);
    }
    await pause(10);
  }
}

function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * The postmaster and each of its processes work in the cluster's folder; whatever else has its pid by now does not. An
 * operator's shell may stand there too: only what is called postgres counts, and the process that the pid file names.
 */
async function processesIn(folder: string): Promise<number[]> {
  const named = Number.parseInt(await Deno.readTextFile(`${folder}/postmaster.pid`).catch(() => ""));
  const pids: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // Gone meanwhile, or another user's: none of ours.
    if (await Deno.readLink(`/proc/${name}/cwd`).catch(() => undefined) !== folder) continue;
    const program = await Deno.readTextFile(`/proc/${name}/comm`).catch(() => "");
    if (program.trim() === "postgres" || Number(name) === named) pids.push(Number(name));
  }
  return pids;
}
