import type { Config } from "../../config/schema.ts";
import type { Metrics } from "../../lib/metrics.ts";
import { isTracing, tracedStorage } from "../../lib/telemetry.ts";
import { withBreaker } from "./breaker.ts";
import type { Storage, StorageDriver, StorageLocation } from "./driver.ts";
import { createFilesystemDriver } from "./filesystem.ts";

export interface OpenStorageOptions {
  readonly configDir: string | undefined;
  /** PEM certificates that connections trust besides the public ones. */
  readonly authorities: readonly string[];
  readonly metrics: Metrics;
  /** How long an object store may take to begin an answer; the engine's usual time without it. */
  readonly answerMs?: number;
}

/** A site's engines, and their connections' end. */
export interface OpenStorage extends Storage {
  close(): Promise<void>;
}

type OpenDriver = StorageDriver & { close?(): Promise<void> };

/**
 * Opens the engines of `DISTRIBUTED_STORAGE_CONFIG`: the preferred one first, then the others in the order of
 * `DISTRIBUTED_STORAGE_PREFERENCE`, then those that it leaves out. Connects to nothing yet.
 * @throws {Error} in words for the operator
 */
export async function openStorage(config: Config, options: OpenStorageOptions): Promise<OpenStorage> {
  const names = [
    ...new Set([...config.DISTRIBUTED_STORAGE_PREFERENCE, ...Object.keys(config.DISTRIBUTED_STORAGE_CONFIG)]),
  ];
  const opened: OpenDriver[] = [];
  const locations: StorageLocation[] = [];
  for (const name of names) {
    const driver = await openLocation(config, name, options);
    opened.push(driver);
    const traced = isTracing() ? tracedStorage(driver, name) : driver;
    locations.push({ name, ...(names.length > 1 ? withBreaker(name, traced) : { driver: traced }) });
  }
  const [first, ...others] = locations;
  if (first === undefined) throw new Error("DISTRIBUTED_STORAGE_CONFIG names no engine");
  return {
    ...first,
    ...(others.length > 0 && { others }),
    close: async () => {
      for (const driver of opened) await driver.close?.();
    },
  };
}

/** The engine of one location. @throws {Error} in words for the operator */
export async function openLocation(
  config: Config,
  name: string,
  options: OpenStorageOptions,
): Promise<OpenDriver> {
  const key = `DISTRIBUTED_STORAGE_CONFIG.${name}`;
  const entry = config.DISTRIBUTED_STORAGE_CONFIG[name];
  if (entry === undefined) throw new Error(`${key}: there is no such location`);
  const [engine, parameters] = entry;
  if (engine === "LocalStorage") return createFilesystemDriver({ root: String(parameters.storage_path) });
  const { metrics, authorities, configDir, answerMs } = options;
  const common = {
    authorities,
    ...(answerMs !== undefined && { answerMs }),
    events: {
      started: () => metrics.multipartUploadsStarted.labels().inc(),
      completed: () => metrics.multipartUploadsCompleted.labels().inc(),
    },
  };
  // Not held in memory by a node that stores on its own disk.
  if (engine === "AzureStorage") {
    return await named(key, async () => {
      const { readAzureSettings } = await import("./azure/settings.ts");
      const settings = readAzureSettings(parameters);
      const { createAzureDriver } = await import("./azure/azure.ts");
      return createAzureDriver({ ...common, settings });
    });
  }
  const { readS3Settings, S3_ENGINES } = await import("./s3/settings.ts");
  if (!S3_ENGINES.has(engine)) throw new Error(`${key}: engine ${engine} is not available in this version`);
  return await named(key, async () => {
    const settings = readS3Settings(engine, parameters);
    const { createS3Driver } = await import("./s3/s3.ts");
    const cloudFrontKey = settings.cloudFront && await readKey(configDir, settings.cloudFront.keyFile);
    return createS3Driver({ ...common, settings, cloudFrontKey });
  });
}

/** What goes wrong is said to be at `key`. */
async function named<T>(key: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    throw new Error(`${key}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

async function readKey(configDir: string | undefined, name: string): Promise<string> {
  const path = name.startsWith("/") || configDir === undefined ? name : `${configDir}/${name}`;
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new Error(`cloudfront_privatekey_filename: ${path} cannot be read`, { cause });
  }
}
