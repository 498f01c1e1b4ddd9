import type { Logger } from "../../lib/logger.ts";
import { stopOrphan } from "./orphan.ts";
import { type DatabaseTarget, EMBEDDED_DATABASE, EMBEDDED_USER, openPool } from "./postgres.ts";
import { socketDirOf } from "./socket_dir.ts";
import { asServiceUser, type ServiceUser, serviceUser } from "./service_user.ts";
import { pause } from "../../lib/pause.ts";

/**
 * The PostgreSQL that Quaylet brings and looks after. Below the data folder:
 *
 *     postgres/   the cluster, owned by the unprivileged user that runs it, 0700
 *     run/        its unix socket; no TCP. Only that user and root get in, so connections need no password
 *
 * It is restarted when it dies and stopped by `stop`. What a `kill -9` or a power cut leaves behind, a stale pid file or
 * an orphaned server, is dealt with at the next start. The caller holds the data folder's lock.
 */
export interface EmbeddedPostgres {
  readonly target: DatabaseTarget;
  /** Fast shutdown: transactions are rolled back, everything committed is on disk. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** `bin`, `lib`, `share`: see `embedded_binaries.ts`. */
  readonly binDir: string;
  readonly dataDir: string;
  readonly log: Logger;
  /** Called when it cannot be kept running. */
  readonly failed: (reason: string) => void;
  /** More settings of postgresql.conf, for tests. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** For a small box with a flash card: little memory, few and large writes, nothing acknowledged before it is durable. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: "",
  shared_buffers: "16MB",
  max_connections: "40",
  work_mem: "4MB",
  maintenance_work_mem: "32MB",
  effective_cache_size: "256MB",
  wal_level: "minimal",
  max_wal_senders: "0",
  min_wal_size: "32MB",
  max_wal_size: "512MB",
  wal_compression: "on",
  checkpoint_timeout: "15min",
  random_page_cost: "1.1",
  autovacuum_max_workers: "1",
  max_worker_processes: "1",
  max_logical_replication_workers: "0",
  max_parallel_workers: "0",
  max_parallel_workers_per_gather: "0",
  io_method: "sync",
  jit: "off",
  huge_pages: "off",
  unix_socket_permissions: "0700",
  log_line_prefix: "",
  log_checkpoints: "off",
  timezone: "UTC",
  log_timezone: "UTC",
};

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
/** Deaths in a row, each within a minute of the last, that are put up with. */
const MOST_RESTARTS = 10;

/**
 * Makes the cluster when there is none, starts it, and returns once it answers.
 * @throws {Error} in words: a folder that cannot be used, another version's cluster, a server that does not come up
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { binDir, dataDir, log } = options;
  const user = await serviceUser();
  const cluster = `${dataDir}/postgres`;
  await letPass(dataDir, user);
  await stopOrphan(cluster, log);
  await makeCluster(options, user);
  const socketDir = await makeSocketDir(dataDir, user, log);
  const target: DatabaseTarget = { socketDir, shared: false };

  const settings = { ...SETTINGS, ...options.settings, unix_socket_directories: socketDir };
  const args = [
    "-D",
    cluster,
    ...Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`]),
  ];
  const server = await asServiceUser(user, [binDir, dataDir], `${binDir}/bin/postgres`, args);
  let stopping = false;
  let child = spawn();

  function spawn(): Deno.ChildProcess {
    const started = new Deno.Command(server.program, {
      ...server.options,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      clearEnv: true,
      env: { LC_ALL: "C", TZ: "UTC" },
    }).spawn();
    forwardLog(started.stderr, log);
    return started;
  }

  async function supervise(): Promise<void> {
    let restarts = 0;
    for (;;) {
      const startedAt = performance.now();
      const { code, signal } = await child.status;
      if (stopping) return;
      restarts = performance.now() - startedAt > 60_000 ? 1 : restarts + 1;
      if (restarts > MOST_RESTARTS) return options.failed(`PostgreSQL died ${restarts} times in a row`);
      log.error("PostgreSQL died; starting it again", { code, signal, restarts });
      await pause(Math.min(100 * 2 ** (restarts - 1), 5_000));
      if (stopping) return;
      await stopOrphan(cluster, log);
      // That may have taken seconds: nothing is started behind the back of `stop`.
      if (stopping) return;
      child = spawn();
    }
  }
  const supervised = supervise().catch((error) => options.failed(error.message));

  const embedded: EmbeddedPostgres = {
    target,
    stop: async () => {
      stopping = true;
      const timer = setTimeout(() => signal(child, "SIGQUIT"), STOP_TIMEOUT_MS);
      signal(child, "SIGINT");
      await supervised;
      clearTimeout(timer);
    },
  };
  try {
    await answers(target, () => stopping);
  } catch (error) {
    await embedded.stop();
    throw error;
  }
  return embedded;
}

function signal(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    child.kill(name);
  } catch {
    // already gone
  }
}

/** The data folder is ours: the service user must be able to pass it, and needs no more than that. */
async function letPass(dataDir: string, user: ServiceUser | undefined): Promise<void> {
  if (user === undefined) return;
  const { mode } = await Deno.stat(dataDir);
  if (((mode ?? 0) & 0o001) === 0) await Deno.chmod(dataDir, 0o711);
}

/** initdb into a folder beside, renamed when it is whole: a kill in between leaves no half cluster. */
async function makeCluster(
  { binDir, dataDir, log }: EmbeddedOptions,
  user: ServiceUser | undefined,
): Promise<void> {
  const cluster = `${dataDir}/postgres`;
  const half = `${dataDir}/postgres.new`;
  const wanted = await majorVersion(binDir);
  const present = await Deno.readTextFile(`${cluster}/PG_VERSION`).then(
    (text) => text.trim(),
    () => undefined,
  );
  if (present !== undefined) {
    if (present === wanted) return;
    throw new Error(
      `${cluster} was made by PostgreSQL ${present}, this Quaylet brings ${wanted}: ` +
        `export with the old Quaylet and import with this one`,
    );
  }
  await Deno.remove(half, { recursive: true }).catch(() => {});
  await Deno.mkdir(half, { mode: 0o700 });
  if (user !== undefined) await Deno.chown(half, user.uid, user.gid);
  const args = [
    ...["-D", half, "-U", EMBEDDED_USER, "--auth=trust", "--encoding=UTF8", "--locale=C"],
    ...["--data-checksums", "--no-instructions", "--set", "dynamic_shared_memory_type=posix"],
  ];
  const { program, options } = await asServiceUser(user, [binDir, dataDir], `${binDir}/bin/initdb`, args);
  const { success, stdout, stderr } = await new Deno.Command(program, {
    ...options,
    clearEnv: true,
    env: { LC_ALL: "C", TZ: "UTC" },
  }).output();
  if (!success) {
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    throw new Error(
      `the database could not be made in ${dataDir}: ${said.trim().split("\n").slice(-3).join(" ")}`,
    );
  }
  await Deno.rename(half, cluster);
  log.info("database made", { version: wanted });
}

async function majorVersion(binDir: string): Promise<string> {
  const file = `${binDir}/share/postgresql/postgres.bki`;
  const first = (await Deno.readTextFile(file).catch(() => {
    throw new Error(`${binDir} holds no PostgreSQL`);
  })).split("\n", 1)[0] ?? "";
  return first.replace(/\D+/, "").trim();
}

/** Makes the socket's folder, which nobody but the service user and root may enter. */
async function makeSocketDir(dataDir: string, user: ServiceUser | undefined, log: Logger): Promise<string> {
  const dir = await socketDirOf(dataDir);
  if (!dir.startsWith(`${dataDir}/`)) {
    log.info("the data folder's path is too long for a socket; it is kept elsewhere", { socketDir: dir });
  }
  await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
  const { uid, mode, isDirectory } = await Deno.lstat(dir);
  const owner = user?.uid ?? Deno.uid();
  if (isDirectory && user !== undefined && uid !== owner) await Deno.chown(dir, user.uid, user.gid);
  else if (!isDirectory || uid !== owner) throw new Error(`${dir} belongs to somebody else`);
  if (((mode ?? 0) & 0o777) !== 0o700) await Deno.chmod(dir, 0o700);
  return dir;
}

/** Waits for the first connection, and makes the database in it when there is none. */
async function answers(target: DatabaseTarget, givenUp: () => boolean): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  const pool = openPool({ target, max: 1, applicationName: "quaylet start", database: "postgres" });
  try {
    for (;;) {
      try {
        const found = await pool`select 1 from pg_database where datname = ${EMBEDDED_DATABASE}`;
        if (found.length === 0) await pool.unsafe(`create database ${EMBEDDED_DATABASE} template template0`);
        return;
      } catch (error) {
        if (givenUp() || performance.now() > deadline) {
          throw new Error(`PostgreSQL does not come up; its messages are in the log`, { cause: error });
        }
        await pause(20);
      }
    }
  } finally {
    await pool.end({ timeout: 1 });
  }
}

/** Lines of the server's own log become records of ours. */
async function forwardLog(stream: ReadableStream<Uint8Array>, log: Logger): Promise<void> {
  const server = log.with({ source: "postgres" });
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [, severity, message] =
        /^(LOG|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|STATEMENT|CONTEXT):\s+(.*)/.exec(line) ??
          [, "LOG", line];
      if (severity === "PANIC" || severity === "FATAL") server.warn(`${message}`, { severity });
      else server.debug(`${message}`, { severity });
    }
  }
}
