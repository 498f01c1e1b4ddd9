/**
 * Composition root: with `node.ts` (the database) and `http_thread.ts` (the surfaces) the only place that names concrete
 * drivers. It makes `Deps` for whoever needs them: each HTTP worker thread, the node's background work, the operator's
 * commands. The three are apart because every thread keeps in memory whatever its modules import.
 */
import { readExtraAuthorities } from "./config/extra_authorities.ts";
import type { Config } from "./config/schema.ts";
import { TagPageEnds } from "./domain/content/tag_page_ends.ts";
import { ActionBuffer } from "./domain/logs/action_buffer.ts";
import type { Deps } from "./domain/deps.ts";
import { storeActions } from "./domain/logs/log_counts.ts";
import { createSecretBox } from "./domain/secrets.ts";
import { ensureInstanceKey } from "./domain/site/service_keys.ts";
import { type DatabaseTarget, openPool } from "./drivers/database/postgres.ts";
import type { ConnectNamespace, ConnectUpstream } from "./drivers/upstream/driver.ts";
import type { UpstreamSite } from "./drivers/upstream/transport.ts";
import { createNoMail, createSmtpDriver } from "./drivers/mail/smtp.ts";
import { openStorage } from "./drivers/storage/open.ts";
import { ChangeCounters } from "./lib/change_counters.ts";
import { createLogger, type LoggerOptions } from "./lib/logger.ts";
import { createMetrics } from "./lib/metrics.ts";
import { createHostGuard } from "./lib/ssrf.ts";
import type { Place } from "./lib/place.ts";
import { isTracing, tracedPool } from "./lib/telemetry.ts";

/** Everything that a thread needs to make its own `Deps`: plain data, so that it can be posted to one. */
export interface Settings {
  /** {@link ChangeCounters} of this node; only where no other node changes the database. */
  readonly changes?: SharedArrayBuffer;
  readonly config: Config;
  readonly place: Place;
  readonly database: DatabaseTarget;
  readonly logging: Pick<LoggerOptions, "format" | "level">;
}

/** Opens a pool and a storage engine of this thread's own. `close` ends the pool's connections. */
export async function composeDeps(
  settings: Settings,
  { poolSize, name, idleSeconds, write }: {
    poolSize: number;
    name: string;
    idleSeconds?: number;
    /** Takes log lines; stdout without it. */
    write?: (line: string) => void;
  },
): Promise<{ deps: Deps; close(): Promise<void> }> {
  const { config, place } = settings;
  const authorities = await readExtraAuthorities(place.configDir);
  const pool = openPool({
    target: settings.database,
    max: poolSize,
    applicationName: `quaylet ${name}`,
    ...(idleSeconds === undefined ? {} : { idleSeconds }),
  });
  const traced = isTracing();
  const metrics = createMetrics();
  const storage = await openStorage(config, { configDir: place.configDir, authorities, metrics });
  const log = createLogger({ ...settings.logging, ...(write && { write }) }).with({ thread: name });
  const actions = new ActionBuffer({
    write: (entries) => storeActions({ sql: pool, now: Date.now }, entries),
    log,
    waitMs: ACTIONS_WAIT_MS,
  });
  const changes = settings.changes === undefined ? undefined : new ChangeCounters(settings.changes);
  const deps: Deps = {
    config,
    changes,
    tagPageEnds: changes && new TagPageEnds(changes, Date.now),
    metrics,
    log,
    actions,
    sql: traced ? tracedPool(pool) : pool,
    storage,
    mail: config.FEATURE_MAILING ? createSmtpDriver({ config, log, ca: authorities }) : createNoMail(),
    secrets: createSecretBox(config),
    authorities,
    ...upstreamsOf(config, authorities),
    now: Date.now,
  };
  await ensureInstanceKey(deps, place);
  return {
    deps,
    close: async () => {
      await actions.close();
      await pool.end({ timeout: 5 });
      await storage.close();
    },
  };
}

/** Who reads the log a moment after a pull finds it there. */
const ACTIONS_WAIT_MS = 100;

/** Loaded with the first registry that is spoken to: most threads speak to none. */
function upstreamsOf(
  config: Config,
  authorities: readonly string[],
): { upstream: ConnectUpstream; upstreamNamespace: ConnectNamespace } {
  const { isReachable } = createHostGuard(config.SSRF_ALLOWED_HOSTS);
  const proxyOf = (name: string) => Deno.env.get(name) ?? Deno.env.get(name.toLowerCase()) ?? null;
  const site = (): UpstreamSite => ({
    extraCas: authorities,
    isReachable,
    proxy: {
      httpProxy: proxyOf("HTTP_PROXY"),
      httpsProxy: proxyOf("HTTPS_PROXY"),
      noProxy: proxyOf("NO_PROXY"),
    },
    now: Date.now,
  });
  return {
    async upstream(options) {
      const { connectUpstream } = await import("./drivers/upstream/client.ts");
      return await connectUpstream(options, site());
    },
    async upstreamNamespace(options) {
      const { connectNamespace } = await import("./drivers/upstream/namespace.ts");
      return await connectNamespace(options, site());
    },
  };
}
