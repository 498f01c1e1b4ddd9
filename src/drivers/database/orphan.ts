import type { Logger } from "../../lib/logger.ts";

/**
 * Ends a server that still runs on `cluster` although the Quaylet that started it is gone (`kill -9`), and removes a pid
 * file that a power cut left behind. The caller holds the data folder's lock, so nobody else looks after it.
 * @throws {Error} when it cannot be ended
 */
export async function stopOrphan(cluster: string, log: Logger): Promise<void> {
  const pidFile = `${cluster}/postmaster.pid`;
  const text = await Deno.readTextFile(pidFile).catch(() => undefined);
  if (text === undefined) return;
  const pid = Number(text.split("\n", 1)[0]);
  if (Number.isSafeInteger(pid) && pid > 1 && await runsOn(pid, cluster)) {
    log.warn("a PostgreSQL of an earlier run is still there; ending it", { pid });
    // Immediate shutdown takes the backends along; what was committed is in the write-ahead log.
    if (!await endWith(pid, cluster, "SIGQUIT", 5_000) && !await endWith(pid, cluster, "SIGKILL", 5_000)) {
      throw new Error(`process ${pid}, a PostgreSQL on ${cluster}, cannot be ended: end it by hand`);
    }
  }
  await Deno.remove(pidFile).catch(() => {});
}

async function endWith(pid: number, cluster: string, name: Deno.Signal, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  try {
    Deno.kill(pid, name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
  while (performance.now() < deadline) {
    if (!await runsOn(pid, cluster)) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

/** A pid may have been given to another program since: a server of this cluster works in its folder. */
async function runsOn(pid: number, cluster: string): Promise<boolean> {
  const [folder, own] = await Promise.all([
    Deno.readLink(`/proc/${pid}/cwd`).catch(() => undefined),
    Deno.realPath(cluster).catch(() => undefined),
  ]);
  return folder !== undefined && folder === own;
}
