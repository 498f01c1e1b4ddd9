/**
 * Composition root: the only place that names concrete drivers. It makes `Deps` for whoever needs them (each HTTP worker
 * thread, the node's background work, the operator's commands) and puts the surfaces of one HTTP worker together.
 */
import { Context, Hono } from "hono";
import { loadConfig } from "./config/load.ts";
import type { Config } from "./config/schema.ts";
import type { Deps } from "./domain/deps.ts";
import { createHealth } from "./domain/health.ts";
import { createSecretBox } from "./domain/secrets.ts";
import { ensureInstanceKey, instanceKey, isInstanceKeyUsable } from "./domain/service_keys.ts";
import { isSuperuser } from "./domain/access.ts";
import { isDataDirLocked, lockDataDir } from "./drivers/database/data_lock.ts";
import { startEmbedded } from "./drivers/database/embedded.ts";
import { socketDirOf } from "./drivers/database/socket_dir.ts";
import { locatePostgres } from "./drivers/database/embedded_binaries.ts";
import { migrate, schemaIsCurrent } from "./drivers/database/migrate.ts";
import { type DatabaseTarget, openPool } from "./drivers/database/postgres.ts";
import type { StorageLocation } from "./drivers/storage/driver.ts";
import { createFilesystemDriver } from "./drivers/storage/filesystem.ts";
import { apiRoutes } from "./http/api/api.ts";
import { identifyClient } from "./http/api/client.ts";
import { healthRoutes } from "./http/health.ts";
import { keyRoutes } from "./http/keys.ts";
import { clientViewReader } from "./http/middleware/client_address.ts";
import { registryRoutes } from "./http/registry/registry.ts";
import { createServer, type Surfaces } from "./http/server.ts";
import type { ThreadService } from "./http/thread.ts";
import { webRoutes } from "./http/web/web.ts";
import { allBeating, beat } from "./lib/heartbeats.ts";
import { ChangeCounters } from "./lib/change_counters.ts";
import { createLogger, type Logger, type LoggerOptions } from "./lib/logger.ts";
import { createMetrics } from "./lib/metrics.ts";
import { cacheDir, type Place, resolvePlace } from "./lib/place.ts";
import { isTracing, tracedPool, tracedStorage } from "./lib/telemetry.ts";

/** Everything that a thread needs to make its own `Deps`: plain data, so that it can be posted to one. */
export interface Settings {
  /** {@link ChangeCounters} of this node; only where no other node changes the database. */
  readonly changes?: SharedArrayBuffer;
  readonly config: Config;
  readonly place: Place;
  readonly database: DatabaseTarget;
  readonly logging: Pick<LoggerOptions, "format" | "level">;
}

/** What every HTTP worker thread is told. */
export interface ThreadSettings extends Settings {
  /** Which of the node's threads it is, from 0. */
  readonly heartbeats: SharedArrayBuffer;
}

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
  await Deno.mkdir(place.dataDir, { recursive: true, mode: 0o711 });
  const loaded = await loadConfig({ configDir: place.configDir, dataDir: place.dataDir, env });
  for (const { key, message, kind } of loaded.notices) log.warn(message, { key, kind });
  for (const { key, message, mend } of loaded.problems) log.error(message, { key, mend });
  if (loaded.problems.length > 0) return undefined;
  const { config } = loaded;

  const lock = await lockDataDir(place.dataDir);
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
      await migrate(pool, log).finally(() => pool.end({ timeout: 5 }));
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

/** Opens a pool and a storage engine of this thread's own. `close` ends the pool's connections. */
export async function composeDeps(
  settings: Settings,
  { poolSize, name }: { poolSize: number; name: string },
): Promise<{ deps: Deps; close(): Promise<void> }> {
  const { config, place } = settings;
  const pool = openPool({ target: settings.database, max: poolSize, applicationName: `quaylet ${name}` });
  const storage = openStorage(config);
  const traced = isTracing();
  const deps: Deps = {
    config,
    changes: settings.changes === undefined ? undefined : new ChangeCounters(settings.changes),
    metrics: createMetrics(),
    log: createLogger(settings.logging).with({ thread: name }),
    sql: traced ? tracedPool(pool) : pool,
    storage: traced ? { ...storage, driver: tracedStorage(storage.driver, storage.name) } : storage,
    secrets: createSecretBox(config),
    now: Date.now,
  };
  await ensureInstanceKey(deps, place);
  return { deps, close: () => pool.end({ timeout: 5 }) };
}

/** The engine that new blobs go to: the first of `DISTRIBUTED_STORAGE_PREFERENCE`. */
function openStorage(config: Config): StorageLocation {
  const [name] = config.DISTRIBUTED_STORAGE_PREFERENCE;
  const entry = name === undefined ? undefined : config.DISTRIBUTED_STORAGE_CONFIG[name];
  if (name === undefined || entry === undefined) {
    throw new Error("DISTRIBUTED_STORAGE_CONFIG names no engine");
  }
  const [engine, parameters] = entry;
  switch (engine) {
    case "LocalStorage":
      return { name, driver: createFilesystemDriver({ root: String(parameters.storage_path) }) };
    default:
      throw new Error(
        `DISTRIBUTED_STORAGE_CONFIG.${name}: engine ${engine} is not available in this version`,
      );
  }
}

/** Puts together what one HTTP worker thread serves. */
export async function composeThread(settings: ThreadSettings, index: number): Promise<ThreadService> {
  const { config, place } = settings;
  const { deps, close } = await composeDeps(settings, { poolSize: 4, name: `http-${index + 1}` });
  const stopBeating = beat(settings.heartbeats, index);
  const mounted = (path: string, routes: Hono): Hono => new Hono().route(path, routes);
  const api = mounted("/api/v1", apiRoutes(deps));
  const keys = mounted("/keys", keyRoutes(deps));
  const web = webRoutes(deps);
  const health = healthRoutes({
    config,
    health: createHealth({
      ...deps,
      dataDir: place.dataDir,
      pingWorkers: () => Promise.resolve(allBeating(settings.heartbeats)),
      serviceKeyUsable: () => isInstanceKeyUsable(deps),
    }),
    isSuperuser: async (request) =>
      isSuperuser(config, (await identifyClient(deps, new Context(request))).actor),
    serviceKeyId: () => instanceKey(deps).kid,
    schemaIsCurrent: () => schemaIsCurrent(deps.sql),
  });
  const surfaces: Surfaces = {
    registry: registryRoutes(deps),
    api: (request, context) => api.fetch(request, context),
    keys: (request, context) => keys.fetch(request, context),
    health: (request, context) => health.fetch(request, context),
    web: (request, context) => web.fetch(request, context),
  };
  const readClient = clientViewReader(config);
  return {
    handlerFor: (scheme) => createServer(surfaces, { ...deps, readClient, scheme }),
    snapshot: () => deps.metrics.snapshot(),
    close: async () => {
      stopBeating();
      await close();
    },
  };
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
  if (await isDataDirLocked(place.dataDir)) {
    const { config, problems } = await loadConfig({
      configDir: place.configDir,
      dataDir: place.dataDir,
      env,
    });
    if (problems.length > 0) throw new Error("the configuration has problems: see quaylet check");
    const database = externalDatabase(config) ??
      { shared: false, socketDir: await socketDirOf(place.dataDir) };
    return await composeDeps({ config, place, logging, database }, { poolSize: 2, name: "command" });
  }
  const log = createLogger({ ...logging, write: (line) => console.error(line.trimEnd()) });
  const node = await openNode({ place, env, log, logging, failed: (reason) => log.error(reason) });
  if (node === undefined) throw new Error("the configuration has problems: see quaylet check");
  const { deps, close } = await composeDeps(node.settings, { poolSize: 2, name: "command" });
  return {
    deps,
    close: async () => {
      await close();
      await node.close();
    },
  };
}
