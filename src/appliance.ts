import { composeDeps } from "./app.ts";
import { backgroundWork, ORPHAN_AGE_MS } from "./background_work.ts";
import { reasonOf } from "./domain/content/blob_reading.ts";
import type { Deps } from "./domain/deps.ts";
import { allLocations } from "./domain/storage/locations.ts";
import { endFetchLeases } from "./drivers/database/queries/blob_fetch.ts";
import { endSyncLeases } from "./drivers/database/queries/sync.ts";
import { endDigestClaims } from "./drivers/database/queries/blob_claim.ts";
import { endLeases } from "./drivers/database/queries/upload.ts";
import { readAnyUserId } from "./drivers/database/queries/health.ts";
import {
  type IpVersion,
  type ListenerSpec,
  refuseIpv4,
  reservePort,
  type TlsPair,
  wildcard,
} from "./http/listeners.ts";
import type { ThreadSettings } from "./http_thread.ts";
import { serveMetrics } from "./metrics_listener.ts";
import { openNode } from "./node.ts";
import { HttpThreads } from "./http/threads.ts";
import { readTlsPair, tlsFilesOf, watchTlsPair } from "./http/tls_files.ts";
import { type Address, formatUrl } from "./lib/address.ts";
import { createHeartbeats } from "./lib/heartbeats.ts";
import { createLogger, type Logger, type LoggerOptions } from "./lib/logger.ts";
import type { Place } from "./lib/place.ts";
import { createSystemdNotifier } from "./lib/systemd_notify.ts";
import { versionInfo } from "./lib/version.ts";
import { LEASE_MS } from "./workers/leased_runs.ts";
import { startOrganizationMirrorWorker } from "./workers/organization_mirror.ts";
import { startMirrorWorker } from "./workers/repo_mirror.ts";
import { startPeriodic } from "./workers/periodic.ts";
import { cleanUploads } from "./workers/upload_cleanup.ts";

export interface ApplianceOptions {
  readonly place: Place;
  readonly http: Address;
  readonly https: Address;
  readonly metrics: Address;
  readonly logging: Pick<LoggerOptions, "format" | "level">;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Starts a thread that runs this program's main module. */
  readonly startWorker: (name: string) => Worker;
}

export interface RunningAppliance {
  /** Resolves when it has stopped: `stopped` as asked, `failed` when a part of it is gone for good. */
  readonly ended: Promise<"stopped" | "failed">;
}

/** Time that running requests get after SIGTERM. */
const GRACE_MS = 30_000;

/**
 * Starts everything that `quaylet serve` is: database, HTTP worker threads, metrics, background work, signals.
 * `undefined` when the configuration has problems; each was logged with how to mend it.
 * @throws {Error} in words when a part cannot be started; what had been started is stopped again
 */
export async function startAppliance(options: ApplianceOptions): Promise<RunningAppliance | undefined> {
  const log = createLogger(options.logging);
  const { version, commit, kind } = versionInfo(options.env);
  log.info("starting", {
    version,
    commit,
    kind,
    data: options.place.dataDir,
    config: options.place.configDir,
  });
  const started: (() => Promise<unknown> | void)[] = [];
  const stopAll = async () => {
    for (const stop of started.reverse()) await stop();
  };
  try {
    return await start(options, log, started, stopAll);
  } catch (error) {
    await stopAll();
    throw error;
  }
}

async function start(
  options: ApplianceOptions,
  log: Logger,
  started: (() => Promise<unknown> | void)[],
  stopAll: () => Promise<void>,
): Promise<RunningAppliance | undefined> {
  const { place, env } = options;
  const ended = Promise.withResolvers<"stopped" | "failed">();
  const node = await openNode({
    place,
    env,
    log,
    logging: options.logging,
    failed: (reason) => {
      log.error("the database is gone for good", { reason });
      stop("failed");
    },
  });
  if (node === undefined) return undefined;
  started.push(node.close);
  const { settings } = node;
  const { config } = settings;

  // Blobs that are mirrored at once end in transactions of their own.
  const mirrors = config.FEATURE_REPO_MIRROR || config.FEATURE_ORG_MIRROR;
  const poolSize = mirrors ? 6 : 2;
  const { deps, close } = await composeDeps(settings, { poolSize, name: "main" });
  started.push(close);
  await takeUp(deps, settings.database.shared);
  await reportStorage(deps);

  const tls = await usableTls(place, config.EXTERNAL_TLS_TERMINATION);
  const version: IpVersion = config.FEATURE_LISTEN_IP_VERSION;
  const specs: ListenerSpec[] = [
    { surface: "http", hostname: options.http.hostname ?? wildcard(version), port: options.http.port },
    ...(tls === undefined ? [] : [{
      surface: "https" as const,
      hostname: options.https.hostname ?? wildcard(version),
      port: options.https.port,
    }]),
  ];
  const reserved = specs.map(reservePort);
  const listeners = reserved.map(({ spec }) => spec);
  for (const { hostname, port } of listeners) {
    if (version === "IPv6" && hostname === "::") {
      const refusal = refuseIpv4(port);
      started.push(() => refusal.close());
    }
  }

  const count = Math.min(4, navigator.hardwareConcurrency);
  const heartbeats = createHeartbeats(count);
  const threads = await HttpThreads.start<ThreadSettings>({
    count,
    startWorker: options.startWorker,
    settings: { ...settings, heartbeats },
    listeners,
    tls,
    log,
  });
  for (const reservation of reserved) reservation.release();
  started.push(() => threads.stop(GRACE_MS));
  let reload = () => Promise.resolve();
  if (tls !== undefined && place.configDir !== undefined) {
    const watch = watchTlsPair(tlsFilesOf(place.configDir), tls, {
      pair: async (pair) => {
        await threads.replaceTls(pair);
        log.info("a new certificate is served", { file: tlsFilesOf(place.configDir as string).certPath });
      },
      refused: (reason) =>
        log.error("the new certificate is not used; the old one goes on serving", {
          reason,
          mend: "put back a valid pair",
        }),
    });
    reload = watch.look;
    started.push(() => watch.close());
  }

  const metrics = serveMetrics(options.metrics, version, {
    collect: async () => [await deps.metrics.snapshot(), ...await threads.snapshots()],
    log,
  });
  started.push(() => metrics.stop());
  started.push(startPeriodic(backgroundWork(deps), log));
  if (config.ACCOUNT_RECOVERY_MODE) {
    log.warn("ACCOUNT_RECOVERY_MODE: the registry answers 405 and workers rest until it is off again");
  } else {
    if (mirrors) started.push(startMirrorWorker(deps));
    if (config.FEATURE_ORG_MIRROR) started.push(startOrganizationMirrorWorker(deps));
  }

  const systemd = createSystemdNotifier({
    env: { get: (name) => env[name] },
    healthy: () => threads.ping(),
    warn: (message, fields) => log.warn(message, fields),
  });
  started.push(() => systemd?.close());

  let stopping = false;
  function stop(outcome: "stopped" | "failed"): void {
    if (stopping) return;
    stopping = true;
    log.info("stopping", { graceSeconds: GRACE_MS / 1000 });
    (async () => {
      await systemd?.stopping();
      await stopAll();
      log.info("stopped");
    })().then(() => ended.resolve(outcome), (error) => {
      log.error("could not stop in order", { error });
      ended.resolve("failed");
    });
  }
  for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, () => stop("stopped"));
  Deno.addSignalListener("SIGHUP", () => void reload());

  for (const { surface, hostname, port } of listeners) {
    log.info("listening", { surface, url: formatUrl(surface, hostname, port) });
  }
  log.info("listening", { surface: "metrics", url: metrics.url });
  await advise(deps, listeners, log);
  log.info("ready", { httpWorkers: count });
  await systemd?.ready(
    `serving ${listeners.map((spec) => formatUrl(spec.surface, spec.hostname, spec.port)).join(" ")}`,
  );
  return { ended: ended.promise };
}

/** Tells who has just installed it what to do next: make the first user. */
async function advise({ config, sql }: Deps, [first]: readonly ListenerSpec[], log: Logger): Promise<void> {
  if (first === undefined || !config.FEATURE_USER_INITIALIZE || await readAnyUserId(sql) !== undefined) {
    return;
  }
  const host = first.hostname === "::" || first.hostname === "0.0.0.0" ? "localhost" : first.hostname;
  const url = formatUrl(first.surface, host, first.port);
  const user =
    `{"username":"admin","password":"<8 or more characters>","email":"admin@example.com","access_token":true}`;
  log.info("there is no user yet: make the first one", {
    command: `curl -sX POST -H 'Content-Type: application/json' -d '${user}' ${url}/api/v1/user/initialize`,
  });
}

/**
 * Ends what an earlier run left behind in the middle of uploads. While no other node serves, nobody writes to a session:
 * a client whose upload a crash cut off resumes at once, and every file without a session is a leftover.
 */
async function takeUp(deps: Deps, otherNodesServe: boolean): Promise<void> {
  if (!otherNodesServe) {
    await endLeases(deps.sql);
    await endFetchLeases(deps.sql);
    await endSyncLeases(deps.sql, "repomirrorconfig", deps.now(), LEASE_MS);
    await endSyncLeases(deps.sql, "orgmirrorconfig", deps.now(), LEASE_MS);
    await endDigestClaims(deps.sql);
  }
  await cleanUploads(deps, { orphanAgeMs: otherNodesServe ? ORPHAN_AGE_MS : 0 });
}

/** Storage that does not work stops nothing, for it may come back: health is false until then, and the log says why. */
async function reportStorage({ storage, log }: Pick<Deps, "storage" | "log">): Promise<void> {
  await Promise.all(
    allLocations(storage).map(async ({ name, driver }) => {
      try {
        await driver.probe();
      } catch (error) {
        log.error("storage cannot be written: nothing can be pushed to it until it can", {
          location: name,
          reason: reasonOf(error),
          mend: `"quaylet check", run as the same user, says what DISTRIBUTED_STORAGE_CONFIG.${name} lacks`,
        });
      }
    }),
  );
}

/** The pair of the config folder, unless TLS ends before us. */
async function usableTls(place: Place, endsBefore: boolean): Promise<TlsPair | undefined> {
  if (place.configDir === undefined || endsBefore) return undefined;
  return await readTlsPair(tlsFilesOf(place.configDir));
}
