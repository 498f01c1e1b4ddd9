import {
  type EmbeddedOptions,
  type EmbeddedPostgres,
  startEmbedded,
} from "../../src/drivers/database/embedded.ts";
import { locatePostgres } from "../../src/drivers/database/embedded_binaries.ts";
import type { Logger } from "../../src/lib/logger.ts";
import { silentLogger } from "../database.ts";

/** A data folder of the test's own, and a way to start a server in it; both are gone when `fn` is done. */
export async function withDataDir(
  fn: (
    dataDir: string,
    start: (more?: Partial<EmbeddedOptions>) => Promise<EmbeddedPostgres>,
  ) => Promise<void>,
): Promise<void> {
  const dataDir = await Deno.makeTempDir({ prefix: "quaylet-cluster-" });
  const started: EmbeddedPostgres[] = [];
  try {
    const binDir = await locatePostgres(Deno.env.toObject(), "/tmp/quaylet-test-cache");
    await fn(dataDir, async (more) => {
      const failed = (reason: string) => console.error(reason);
      const embedded = await startEmbedded({ binDir, dataDir, log: silentLogger, failed, ...more });
      started.push(embedded);
      return embedded;
    });
  } finally {
    for (const embedded of started) await embedded.stop();
    await Deno.remove(dataDir, { recursive: true });
  }
}

export function postmasterPid(dataDir: string): number {
  return Number(Deno.readTextFileSync(`${dataDir}/postgres/postmaster.pid`).split("\n", 1)[0]);
}

/** Processes that work in the cluster's folder. */
export function processesOn(dataDir: string): number[] {
  const found: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (Deno.readLinkSync(`/proc/${name}/cwd`) === `${dataDir}/postgres`) found.push(Number(name));
    } catch {
      // gone meanwhile
    }
  }
  return found;
}

/** Hands every record's message to `heard`. */
export function listeningLogger(heard: (message: string) => void): Logger {
  const log: Logger = {
    debug: heard,
    info: heard,
    warn: heard,
    error: heard,
    with: () => log,
    enabled: () => true,
  };
  return log;
}

/** Tries until `fn` succeeds; the last failure after `withinMs`. */
export async function eventually<T>(fn: () => Promise<T>, withinMs = 20_000): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    try {
      return await fn();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
