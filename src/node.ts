/** A node: its configuration, its data folder and its database, opened for the appliance or for one command. */
import { composeDeps, type Settings } from "./app.ts";
import { loadConfig } from "./config/load.ts";
import type { Config } from "./config/schema.ts";
import type { Deps } from "./domain/deps.ts";
import { isDataDirLocked, lockDataDir } from "./drivers/database/data_lock.ts";
import { startEmbedded } from "./drivers/database/embedded.ts";
import { locatePostgres } from "./drivers/database/embedded_binaries.ts";
import { migrate } from "./drivers/database/migrate.ts";
import { asAppError, type DatabaseTarget, openPool } from "./drivers/database/postgres.ts";
import { socketDirOf } from "./drivers/database/socket_dir.ts";
import { ChangeCounters } from "./lib/change_counters.ts";
import { AppError } from "./lib/errors.ts";
import { createLogger, type Logger, type LoggerOptions } from "./lib/logger.ts";
import { cacheDir, type Place, resolvePlace } from "./lib/place.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface NodeOptions {
  readonly place: Place;
  readonly env: Env;
  readonly logging: Pick<LoggerOptions, "format" | "level">;
  readonly log: Logger;
  /** The embedded database is gone for good. */
  readonly failed: (reason: string) => void;
}

/** A node's configuration and its migrated database. */
export interface OpenNode {
  readonly settings: Settings;
  /** Whether there was a config.yaml. */
  readonly hasConfigFile: boolean;
  /** Stops the embedded database and gives the data folder free. */
  close(): Promise<void>;
}

/**
 * Reads the configuration, takes the data folder, starts the embedded database unless `DB_URI` names another, and
 * migrates. `undefined` when the configuration has problems: each has been logged with how to mend it.
 * @throws {Error} in words for the operator
 */
export async function openNode(options: NodeOptions): Promise<OpenNode | undefined> {
  const { place, env, log, logging } = options;
  await makeDataDir(place.dataDir);
  const loaded = await loadConfig({ configDir: place.configDir, dataDir: place.dataDir, env });
  for (const { key, message, kind } of loaded.notices) log.warn(message, { key, kind });
  for (const { key, message, mend } of loaded.problems) log.error(message, { key, mend });
  if (loaded.problems.length > 0) return undefined;
  const { config } = loaded;

  const lock = await ownersWord(place.dataDir, lockDataDir(place.dataDir));
  try {
    const server = await startDatabase(config, options);
    try {
      const settings: Settings = {
        config,
        place,
        logging,
        database: server.target,
        ...(server.target.shared ? {} : { changes: ChangeCounters.allocate() }),
      };
      const pool = openPool({ target: server.target, max: 1, applicationName: "quaylet migrate" });
      await migrate(pool, log).catch((error) => {
        throw explained(error, config);
      }).finally(() => pool.end({ timeout: 5 }));
      const close = async () => {
        await server.stop();
        lock.release();
      };
      return { settings, hasConfigFile: loaded.hasFile, close };
    } catch (error) {
      await server.stop();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function makeDataDir(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o711 });
  } catch (cause) {
    const reason = cause instanceof Deno.errors.PermissionDenied
      ? "this user may not make it"
      : cause instanceof Deno.errors.AlreadyExists || cause instanceof Deno.errors.NotADirectory
      ? "there is something that is no folder"
      : "it cannot be made there";
    throw new Error(`the data folder ${path}: ${reason}; choose another with --data`, { cause });
  }
}

/** Passes `work` on; that the data folder is another user's is said in words. */
async function ownersWord<T>(dataDir: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!(cause instanceof Deno.errors.PermissionDenied)) throw cause;
    throw new Error(`the data folder ${dataDir} belongs to another user: run this as that user or as root`, {
      cause,
    });
  }
}

/** An external server that cannot be reached, in words; anything else unchanged. */
function explained(error: unknown, config: Config): unknown {
  const known = asAppError(error);
  if (!config.DB_URI || !(known instanceof AppError && known.code === "database_unavailable")) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new Error(
    `PostgreSQL at ${
      new URL(config.DB_URI).host
    } cannot be used: ${reason}; DB_URI in config.yaml names it, ` +
      `"quaylet check" looks at it closer`,
    { cause: error },
  );
}

async function startDatabase(
  config: Config,
  { place, env, log, failed }: NodeOptions,
): Promise<{ target: DatabaseTarget; stop(): Promise<void> }> {
  const external = externalDatabase(config);
  if (external !== undefined) return { target: external, stop: () => Promise.resolve() };
  const binDir = await locatePostgres(env, cacheDir(env));
  return await startEmbedded({ binDir, dataDir: place.dataDir, log, failed });
}

function externalDatabase(config: Config): DatabaseTarget | undefined {
  if (!config.DB_URI) return undefined;
  return { shared: true, uri: config.DB_URI, args: config.DB_CONNECTION_ARGS };
}

/**
 * `Deps` for a command of the operator, whether the appliance runs or not: on the running one's database when there is
 * one, else on a database that is started for the command.
 * @throws {Error} in words for the operator
 */
export async function openDeps(flags: {
  data?: string | undefined;
  config?: string | undefined;
}): Promise<{ deps: Deps; close(): Promise<void> }> {
  const place = resolvePlace(flags);
  const env = Deno.env.toObject();
  const logging = { format: "text", level: "error" } as const;
  // Stdout is the command's answer.
  const write = (line: string) => console.error(line.trimEnd());
  const pool = { poolSize: 2, name: "command", write };
  if (await ownersWord(place.dataDir, isDataDirLocked(place.dataDir))) {
    const { config, problems } = await loadConfig({
      configDir: place.configDir,
      dataDir: place.dataDir,
      env,
    });
    if (problems.length > 0) throw new Error("the configuration has problems: see quaylet check");
    const database = externalDatabase(config) ??
      { shared: false, socketDir: await socketDirOf(place.dataDir) };
    return await composeDeps({ config, place, logging, database }, pool);
  }
  const log = createLogger({ ...logging, write });
  const node = await openNode({ place, env, log, logging, failed: (reason) => log.error(reason) });
  if (node === undefined) throw new Error("the configuration has problems: see quaylet check");
  const { deps, close } = await composeDeps(node.settings, pool);
  return {
    deps,
    close: async () => {
      await close();
      await node.close();
    },
  };
}
