/**
 * A real PostgreSQL for tests: one server a process, in memory-like settings, in a temporary folder; a fresh database for
 * each test, cloned from a migrated template within milliseconds. `QUAYLET_TEST_PG` names the socket folder of a server
 * that is already running (scripts/test starts one for all).
 */
import { defaultConfig } from "../src/config/schema.ts";
import type { Config } from "../src/config/schema.ts";
import { ActionBuffer } from "../src/domain/logs/action_buffer.ts";
import type { Deps } from "../src/domain/deps.ts";
import { storeActions } from "../src/domain/logs/log_counts.ts";
import { createSecretBox } from "../src/domain/secrets.ts";
import { startEmbedded } from "../src/drivers/database/embedded.ts";
import { locatePostgres } from "../src/drivers/database/embedded_binaries.ts";
import { migrate } from "../src/drivers/database/migrate.ts";
import type { Mail, MailDriver } from "../src/drivers/mail/driver.ts";
import { UpstreamError } from "../src/drivers/upstream/driver.ts";
import { type DatabaseTarget, openPool, type Pool } from "../src/drivers/database/postgres.ts";
import { createMemoryDriver } from "../src/drivers/storage/memory.ts";
import type { Logger } from "../src/lib/logger.ts";
import { createMetrics } from "../src/lib/metrics.ts";

export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLogger,
  enabled: () => false,
};

/** Other registries, in tests that have none: the link is down, which every caller must bear. */
const linkDown = () => Promise.reject(new UpstreamError("connection", "this test has no other registry"));

const TEMPLATE = "quaylet_template";

/** Durability is the business of the tests that kill servers; these settings are for all others. */
const FAST = { fsync: "off", synchronous_commit: "off", full_page_writes: "off", max_connections: "100" };

let server: Promise<DatabaseTarget> | undefined;
let databases = 0;

/** Where this process's test server is, started at the first call. */
export function testServer(): Promise<DatabaseTarget> {
  return server ??= startServer();
}

async function startServer(): Promise<DatabaseTarget> {
  const given = Deno.env.get("QUAYLET_TEST_PG");
  if (given !== undefined) {
    const target: DatabaseTarget = { socketDir: given, shared: false };
    await makeTemplate(target);
    return target;
  }
  const dataDir = await Deno.makeTempDir({ prefix: "quaylet-pg-" });
  const binDir = await locatePostgres(Deno.env.toObject(), "/tmp/quaylet-test-cache");
  const embedded = await startEmbedded({
    binDir,
    dataDir,
    log: silentLogger,
    failed: (reason) => console.error(reason),
    settings: FAST,
  });
  globalThis.addEventListener("unload", () => {
    // Nothing asynchronous runs any more at this point.
    try {
      const pid = Number(Deno.readTextFileSync(`${dataDir}/postgres/postmaster.pid`).split("\n", 1)[0]);
      Deno.kill(pid, "SIGQUIT");
    } catch {
      // it has ended before
    }
    new Deno.Command("rm", { args: ["-rf", dataDir] }).outputSync();
  });
  await makeTemplate(embedded.target);
  return embedded.target;
}

async function makeTemplate(target: DatabaseTarget): Promise<void> {
  const admin = openPool({ target, max: 1, applicationName: "test template", database: "postgres" });
  try {
    await admin`select pg_advisory_lock(1)`;
    const found = await admin`select 1 from pg_database where datname = ${TEMPLATE}`;
    if (found.length === 0) {
      // Of a run that was killed while it made it.
      await admin.unsafe(`drop database if exists ${TEMPLATE}_half with (force)`);
      await admin.unsafe(`create database ${TEMPLATE}_half template template0 strategy file_copy`);
      const half = openPool({
        target,
        max: 2,
        applicationName: "test template",
        database: `${TEMPLATE}_half`,
      });
      await migrate(half, silentLogger);
      await half.end();
      await admin.unsafe(`alter database ${TEMPLATE}_half rename to ${TEMPLATE}`);
    }
  } finally {
    await admin.end();
  }
}

/**
 * Runs `fn` on a fresh, migrated database, which is dropped afterwards.
 * @param template another one to start from, of {@link withTemplate}
 */
export async function withDatabase(
  fn: (sql: Pool, database: string) => Promise<void>,
  template: string = TEMPLATE,
): Promise<void> {
  const target = await testServer();
  const admin = openPool({ target, max: 1, applicationName: "test", database: "postgres" });
  const name = `test_${Deno.pid}_${++databases}`;
  try {
    // Page by page through the write-ahead log, the default, takes four times as long.
    await admin.unsafe(`create database ${name} template ${template} strategy file_copy`);
    const sql = openPool({ target, max: 4, applicationName: "test", database: name });
    try {
      await fn(sql, name);
    } finally {
      await sql.end({ timeout: 5 });
      await admin.unsafe(`drop database ${name} with (force)`);
    }
  } finally {
    await admin.end();
  }
}

/** Keeps what it is given to send. */
export class RecordedMail implements MailDriver {
  readonly sent: Mail[] = [];

  send(mail: Mail): Promise<void> {
    this.sent.push(mail);
    return Promise.resolve();
  }
}

/** Fills a database once, for `fn` to run many {@link withDatabase} on copies of it. */
export async function withTemplate(
  fill: (sql: Pool) => Promise<void>,
  fn: (template: string) => Promise<void>,
): Promise<void> {
  await withDatabase(async (sql, name) => {
    await fill(sql);
    // Nobody may be connected to what is copied.
    await sql.end({ timeout: 5 });
    await fn(name);
  });
}

/** `Deps` on that database with a storage engine in memory; mails go to a {@link RecordedMail}. */
export function testDeps(
  sql: Pool,
  overrides: Partial<Omit<Deps, "config">> & { config?: Partial<Config> } = {},
): Deps {
  const config: Config = {
    ...defaultConfig(),
    SECRET_KEY: "secret-key-for-tests",
    DATABASE_SECRET_KEY: "database-secret-key-for-tests",
    SERVER_HOSTNAME: "registry.test",
    FEATURE_USER_INITIALIZE: true,
    FEATURE_MAILING: false,
    ...overrides.config,
  };
  return {
    sql,
    storage: { name: "default", driver: createMemoryDriver() },
    mail: new RecordedMail(),
    secrets: createSecretBox(config),
    authorities: [],
    upstream: linkDown,
    upstreamNamespace: linkDown,
    changes: undefined,
    // No timer: a test that looks at what was recorded says `flush` first.
    actions: new ActionBuffer({
      write: (entries) => storeActions({ sql, now: Date.now }, entries),
      log: silentLogger,
    }),
    metrics: createMetrics(),
    log: silentLogger,
    now: Date.now,
    ...overrides,
    config,
  };
}
