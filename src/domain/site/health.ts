import { statfs } from "node:fs/promises";
import {
  countTeamRoles,
  deleteProbeItem,
  insertProbeItem,
  readAnyUserId,
} from "../../drivers/database/queries/health.ts";
import { reasonOf } from "../content/blob_reading.ts";
import { allLocations } from "../storage/locations.ts";
import { recent } from "../../lib/recent.ts";
import type { Deps } from "../deps.ts";

export type ServiceName =
  | "registry_gunicorn"
  | "web_gunicorn"
  | "service_key"
  | "disk_space"
  | "disk_space_warning"
  | "database"
  | "redis"
  | "storage"
  | "auth";

/** `message` is for operators: superusers and the debug session see it, nobody else. */
export interface ServiceHealth {
  readonly ok: boolean;
  readonly message?: string;
}

/** One of Quay's three views. */
export type HealthReport = Readonly<Partial<Record<ServiceName, ServiceHealth>>>;

export interface HealthDeps extends Pick<Deps, "sql" | "config" | "storage" | "now"> {
  /** The folder of the embedded database and of this node's own files. */
  readonly dataDir: string;
  /** True when every HTTP worker of this node answers. */
  readonly pingWorkers: () => Promise<boolean>;
  /** True when this instance's service key is known to the database, approved and not expired. */
  readonly serviceKeyUsable: () => Promise<boolean>;
  /** Asks the directory or provider that checks passwords; absent when they are checked in the database. */
  readonly pingAuth?: () => Promise<void>;
  /** How long a check may take; {@link CHECK_TIMEOUT_MS} without it. */
  readonly timeoutMs?: number;
}

/** Quay gives the database 5 s; the others no more. */
export const CHECK_TIMEOUT_MS = 5_000;
/** A storm of probes costs one check a second. */
const MAX_AGE_MS = 1_000;

/** Quay's health checks under Quay's names. A check that throws, or is not done in time, has failed. */
export function createHealth(deps: HealthDeps) {
  const { config, now, sql, storage, timeoutMs = CHECK_TIMEOUT_MS } = deps;
  const readonly = config.REGISTRY_STATE === "readonly";
  const check = (run: () => Promise<ServiceHealth>) => recent(limited(run, timeoutMs), MAX_AGE_MS, now);

  const workers = check(async () => verdict(await deps.pingWorkers(), "an HTTP worker does not answer"));
  const database = check(async () => verdict(await countTeamRoles(sql) > 0, "teamrole is empty"));
  const serviceKey = check(async () => {
    if (!config.SETUP_COMPLETE) return { ok: true, message: "set-up is not complete" };
    // Quay: a database that is away says so under its own name only.
    if (!(await database()).ok) return { ok: true, message: "not known while the database is away" };
    return verdict(
      await deps.serviceKeyUsable(),
      "this instance's service key is unknown, not approved or expired",
    );
  });
  const auth = check(async () => {
    await (deps.pingAuth ?? (() => readAnyUserId(sql)))();
    return { ok: true };
  });
  // Quaylet has no Redis: what it held in Quay are rows, so writing one and reading it back is the same test.
  const redis = check(async () => {
    if (readonly) return verdict(await countTeamRoles(sql) > 0, "teamrole is empty");
    const id = crypto.randomUUID();
    const found = await sql.begin(async (transaction) => {
      await insertProbeItem(transaction, id, id);
      return await deleteProbeItem(transaction, id);
    });
    return verdict(found === id, "the database returned something else than was written");
  });
  const storageProbe = check(async () => {
    if (readonly) return { ok: true, message: "not written to: the registry is read-only" };
    const failures = await Promise.all(
      allLocations(storage).map(async ({ name, driver }) => {
        try {
          await driver.probe();
        } catch (error) {
          return storage.others === undefined ? reasonOf(error) : `${name}: ${reasonOf(error)}`;
        }
      }),
    );
    const found = failures.filter((failure) => failure !== undefined);
    return verdict(found.length === 0, found.join("; "));
  });
  const disk = recent(limited(() => freeFraction(deps), timeoutMs), MAX_AGE_MS, now);
  const diskAbove = async (threshold: number): Promise<ServiceHealth> => {
    const found = await disk();
    if (!("fraction" in found)) return found;
    const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
    return verdict(
      found.fraction >= threshold,
      `${percent(found.fraction)} of ${found.where} are free, less than ${percent(threshold)}`,
    );
  };

  return {
    /** This node alone. */
    instance: (): Promise<HealthReport> =>
      gather({
        registry_gunicorn: workers(),
        web_gunicorn: workers(),
        service_key: serviceKey(),
        disk_space: diskAbove(config.DISKSPACE_HEALTH_THRESHOLD),
        database: database(),
        auth: auth(),
      }),
    /** What the nodes share. */
    endToEnd: (): Promise<HealthReport> =>
      gather({ database: database(), redis: redis(), storage: storageProbe(), auth: auth() }),
    warning: (): Promise<HealthReport> =>
      gather({ disk_space_warning: diskAbove(config.DISKSPACE_HEALTH_WARNING_THRESHOLD) }),
  };
}

export type Health = ReturnType<typeof createHealth>;

function verdict(ok: boolean, failure: string): ServiceHealth {
  return ok ? { ok } : { ok, message: failure };
}

async function gather(checks: Partial<Record<ServiceName, Promise<ServiceHealth>>>): Promise<HealthReport> {
  const entries = Object.entries(checks).map(async ([name, result]) => [name, await result] as const);
  return Object.fromEntries(await Promise.all(entries));
}

interface DiskState extends ServiceHealth {
  readonly fraction: number;
  readonly where: string;
}

/** The lesser share of free bytes of the data folder and of the storage engine, where it can tell. */
async function freeFraction({ dataDir, storage }: HealthDeps): Promise<DiskState> {
  const own = await statfs(dataDir);
  const data = {
    ok: true,
    fraction: own.blocks > 0 ? own.bavail / own.blocks : 1,
    where: "the data folder's disk",
  };
  const capacity = await storage.driver.capacity();
  if (capacity === undefined || capacity.totalBytes <= 0) return data;
  const fraction = capacity.freeBytes / capacity.totalBytes;
  return fraction < data.fraction ? { ok: true, fraction, where: `storage ${storage.name}` } : data;
}

/**
 * `run` that never throws and takes at most `timeoutMs`. While a late one still hangs the answer stays
 * "failed" and no second one is started, so that a database that hangs does not collect probes.
 */
function limited<T extends ServiceHealth>(
  run: () => Promise<T>,
  timeoutMs: number,
): () => Promise<T | ServiceHealth> {
  let hanging = false;
  return async () => {
    if (hanging) return { ok: false, message: "still no answer" };
    hanging = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<ServiceHealth>((resolve) => {
      const message = `no answer within ${timeoutMs / 1000} s`;
      timer = setTimeout(() => resolve({ ok: false, message }), timeoutMs);
    });
    const result = (async () => await run())()
      .catch((error): ServiceHealth => ({
        ok: false,
        message: error instanceof Error ? error.message : "failed",
      }))
      .finally(() => hanging = false);
    return await Promise.race([result, late]).finally(() => clearTimeout(timer));
  };
}
