import postgres from "postgres";
import { AppError } from "../../lib/errors.ts";

/** Column types beyond postgres.js's own: `bigint` columns are JavaScript numbers (all of ours stay below 2^53). */
export type CustomTypes = { bigint: number };
/** The pool. `queries/*` take `Sql`, so that a pool and a transaction both fit. */
export type Pool = postgres.Sql<CustomTypes>;
export type Transaction = postgres.TransactionSql<CustomTypes>;
export type Sql = Pool | Transaction;

/**
 * Lets PostgreSQL plan `query` for its own parameters each time. A prepared statement gets one plan for all from its sixth
 * use on, made for the average namespace: for lists of a large one that can be a hundred times dearer than planning. Not
 * for what is asked thousands of times a second.
 */
export function freshlyPlanned<Query extends PromiseLike<unknown>>(query: Query): Query {
  // postgres.js looks at this when it sends the query (`connection.js`, build); its types do not tell.
  const { options } = query as unknown as { options?: { prepare?: boolean } };
  if (options !== undefined) options.prepare = false;
  return query;
}

/** Where the database is. Plain data, so that it can be posted to a thread. */
export type DatabaseTarget =
  /** The embedded one, by the folder of its unix socket. */
  | { readonly socketDir: string; readonly shared: false }
  /** `DB_URI`, with `DB_CONNECTION_ARGS`; other nodes may use it too. */
  | { readonly uri: string; readonly args: Readonly<Record<string, unknown>>; readonly shared: true };

export const EMBEDDED_USER = "quaylet";
export const EMBEDDED_DATABASE = "quaylet";

export interface PoolOptions {
  readonly target: DatabaseTarget;
  /** Most connections at once. */
  readonly max: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Another database of the same server. */
  readonly database?: string;
  /** A connection that nobody uses is closed after so long: the server gives each some 10 MB. */
  readonly idleSeconds?: number;
}

/** A statement that takes longer than this is ended by the server. */
const STATEMENT_TIMEOUT_MS = 60_000;
/** A new connection is there in a few milliseconds. */
const IDLE_SECONDS = 5;

/** Opens no connection yet: the first statement does. The caller ends the pool. */
export function openPool({ target, max, applicationName, database, idleSeconds }: PoolOptions): Pool {
  const common = {
    max,
    idle_timeout: idleSeconds ?? IDLE_SECONDS,
    connect_timeout: 5,
    // A server that is being restarted is back within seconds: try often.
    backoff: (attempt: number) => Math.min(0.1 * 2 ** Math.min(attempt, 5), 2),
    onnotice: () => {},
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    connection: {
      application_name: applicationName,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
      TimeZone: "UTC",
    },
    ...(database === undefined ? {} : { database }),
  };
  if (!target.shared) {
    const place = { host: target.socketDir, user: EMBEDDED_USER, database: database ?? EMBEDDED_DATABASE };
    return withSafeTransactions(postgres({ ...common, ...place }) as unknown as Pool);
  }
  const { uri, extra } = connectionOptions(target.uri, target.args);
  return withSafeTransactions(postgres(uri, { ...common, ...extra } as never) as unknown as Pool);
}

/**
 * postgres.js 3.4.9 sends the rollback of a transaction whose connection has just closed to a socket that is no more,
 * in a timer: an uncaught TypeError, which ends the process. So a transaction that has lost its connection is
 * left to the server, which has rolled it back, and nothing more is sent on it.
 */
function withSafeTransactions(pool: Pool): Pool {
  const begin = pool.begin.bind(pool) as (options: string, fn: Work) => Promise<unknown>;
  const safe = async (...given: [Work] | [string, Work]) => {
    const [options, fn] = given.length === 1 ? ["", given[0]] : given;
    let lost: unknown;
    try {
      return await begin(options, async (transaction) => {
        const guarded = new Proxy(transaction, {
          apply(target, self, args) {
            if (lost !== undefined) throw lost;
            return Reflect.apply(target, self, args);
          },
        });
        try {
          const result = await fn(guarded);
          return Array.isArray(result) ? await Promise.all(result) : result;
        } catch (error) {
          // Rejected by `begin` itself as soon as the connection is closed.
          if (isConnectionLost(error)) return await new Promise<never>(() => {});
          throw error;
        }
      });
    } catch (error) {
      lost = error;
      throw error;
    }
  };
  return Object.assign(pool, { begin: safe });
}

type Work = (transaction: Transaction) => unknown;

/** Whether the statement that failed so was the last on its connection: nothing may be sent on that any more. */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof postgres.PostgresError) return /^(FATAL|PANIC)$/.test(error.severity);
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && UNREACHABLE.has(code) && hasConnectionShape(error);
}

/**
 * Turns Quay's `DB_URI` (`postgresql://`, also with SQLAlchemy's `+psycopg2`) and `DB_CONNECTION_ARGS` into what
 * postgres.js takes. TLS by `sslmode` and `sslrootcert` (libpq's words) or `ssl.ca`.
 */
export function connectionOptions(uri: string, args: Readonly<Record<string, unknown>>) {
  const url = new URL(uri.replace(/^postgres(ql)?(\+\w+)?:/, "postgresql:"));
  const parameter = (name: string) => {
    const value = url.searchParams.get(name) ?? args[name];
    url.searchParams.delete(name);
    return value === undefined || value === null ? undefined : String(value);
  };
  const mode = parameter("sslmode");
  const ssl = args.ssl as { ca?: string } | undefined;
  const caFile = parameter("sslrootcert") ?? ssl?.ca;
  const timeout = Number(parameter("connect_timeout"));
  return {
    uri: url.href,
    extra: {
      // postgres.js splits the host at ":" and would lose an IPv6 literal.
      ...(url.hostname.startsWith("[")
        ? { host: [url.hostname.slice(1, -1)], port: [Number(url.port || 5432)] }
        : {}),
      ...(timeout > 0 ? { connect_timeout: timeout } : {}),
      ...tlsOptions(mode, caFile),
    },
  };
}

function tlsOptions(mode: string | undefined, caFile: string | undefined) {
  if (mode === "disable") return { ssl: false as const };
  if (mode === "allow" || mode === "prefer") return { ssl: mode as "allow" | "prefer" };
  if (mode === undefined && caFile === undefined) return {};
  const ca = caFile === undefined ? {} : { ca: Deno.readTextFileSync(caFile) };
  switch (mode) {
    case "require":
      return {
        ssl: caFile === undefined
          ? { rejectUnauthorized: false }
          : { ...ca, checkServerIdentity: () => undefined },
      };
    case "verify-ca":
      return { ssl: { ...ca, checkServerIdentity: () => undefined } };
    default:
      return { ssl: ca };
  }
}

/** Errors of postgres.js that mean "the server cannot be reached now". */
const UNREACHABLE = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "EACCES",
  "EADDRNOTAVAIL",
  "EAI_AGAIN",
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "ENETUNREACH",
  "ENOENT",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENOTFOUND",
]);

/**
 * A failure of the connection or of the server itself as `database_unavailable`; anything else unchanged. SQLSTATE
 * classes 08 (connection), 53 (resources) and 57P (operator intervention), and 25006: a standby, or a server that has
 * become one.
 */
export function asAppError(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== "string") return error;
  const fromServer = error instanceof postgres.PostgresError;
  if (fromServer ? /^(08|53|57P|25006)/.test(code) : UNREACHABLE.has(code) && hasConnectionShape(error)) {
    return new AppError("database_unavailable", "the database cannot be reached now; try again soon", {}, {
      cause: error,
    });
  }
  return error;
}

/** Not every ENOENT is the database's: those of the file system have Deno's own classes. */
function hasConnectionShape(error: unknown): boolean {
  return error instanceof Error && !(error instanceof Deno.errors.NotFound) &&
    ((error as { syscall?: string }).syscall !== "open");
}

/** SQLSTATE 23505, of that constraint or index when one is named. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  return error instanceof postgres.PostgresError && error.code === "23505" &&
    (constraint === undefined || error.constraint_name === constraint);
}
