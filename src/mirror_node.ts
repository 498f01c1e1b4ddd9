import { composeDeps } from "./app.ts";
import { serveMetrics } from "./metrics_listener.ts";
import { openNode } from "./node.ts";
import type { Address } from "./lib/address.ts";
import { createLogger, type LoggerOptions } from "./lib/logger.ts";
import type { Place } from "./lib/place.ts";
import { createSystemdNotifier } from "./lib/systemd_notify.ts";
import { versionInfo } from "./lib/version.ts";
import { startOrganizationMirrorWorker } from "./workers/organization_mirror.ts";
import { startMirrorWorker } from "./workers/repo_mirror.ts";

export interface MirrorNodeOptions {
  readonly place: Place;
  readonly metrics: Address;
  readonly logging: Pick<LoggerOptions, "format" | "level">;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * A node that does nothing but mirror, beside others on the same database and the same storage. Resolves when it has
 * stopped: `stopped` as asked, `failed` when the configuration has problems (each was logged).
 * @throws {Error} in words when it cannot be started
 */
export async function runMirrorNode(options: MirrorNodeOptions): Promise<"stopped" | "failed"> {
  const { place, env, logging } = options;
  const log = createLogger(logging);
  const { version, commit } = versionInfo(env);
  log.info("starting", { version, commit, role: "repomirror", config: place.configDir });
  const node = await openNode({ place, env, log, logging, failed: (reason) => log.error(reason) });
  if (node === undefined) return "failed";
  const started: (() => Promise<unknown> | void)[] = [node.close];
  const stopAll = async () => {
    for (const stop of started.reverse()) await stop();
  };
  try {
    const { settings } = node;
    if (!settings.database.shared) {
      throw new Error(
        "repomirror works beside other nodes, on the database that DB_URI in config.yaml names; on the embedded one " +
          '"quaylet serve" mirrors by itself',
      );
    }
    const { FEATURE_REPO_MIRROR, FEATURE_ORG_MIRROR } = settings.config;
    if (!FEATURE_REPO_MIRROR && !FEATURE_ORG_MIRROR) {
      throw new Error("neither FEATURE_REPO_MIRROR nor FEATURE_ORG_MIRROR is true in config.yaml");
    }
    if (settings.config.ACCOUNT_RECOVERY_MODE) {
      throw new Error("workers rest while ACCOUNT_RECOVERY_MODE is true in config.yaml");
    }
    const { deps, close } = await composeDeps(settings, { poolSize: 6, name: "mirror" });
    started.push(close);
    const metrics = serveMetrics(options.metrics, settings.config.FEATURE_LISTEN_IP_VERSION, {
      collect: async () => [await deps.metrics.snapshot()],
      log,
    });
    started.push(() => metrics.stop());
    started.push(startMirrorWorker(deps));
    if (FEATURE_ORG_MIRROR) started.push(startOrganizationMirrorWorker(deps));
    const systemd = createSystemdNotifier({
      env: { get: (name) => env[name] },
      healthy: () => Promise.resolve(true),
      warn: (message, fields) => log.warn(message, fields),
    });
    started.push(() => systemd?.close());
    const asked = Promise.withResolvers<void>();
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      Deno.addSignalListener(signal, () => asked.resolve());
    }
    log.info("listening", { surface: "metrics", url: metrics.url });
    log.info("ready", { mirrorsAtOnce: settings.config.REPO_MIRROR_PARALLEL });
    await systemd?.ready("mirroring");
    await asked.promise;
    log.info("stopping");
    await systemd?.stopping();
  } finally {
    await stopAll();
  }
  log.info("stopped");
  return "stopped";
}
