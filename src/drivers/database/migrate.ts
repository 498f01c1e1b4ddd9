import type { Logger } from "../../lib/logger.ts";
import { MIGRATIONS } from "./migrations/index.ts";
import { isConnectionLost, type Pool } from "./postgres.ts";

/** Any number that nobody else uses: all nodes take turns on it. */
const LOCK = 7_829_250_001;

/** Number of the newest migration that this program knows. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings the database to this program's schema: each missing migration in a transaction of its own, in order, one node
 * at a time. Idempotent; one statement when there is nothing to do. Returns how many were applied.
 * @throws {Error} in words: the database is newer than the program, or its user lacks a right
 */
export async function migrate(pool: Pool, log: Logger): Promise<number> {
  try {
    if (await newestApplied(pool).catch(() => 0) === SCHEMA_VERSION) return 0;
    const connection = await pool.reserve();
    // A connection that broke is not touched again: postgres.js throws outside of any promise when it is written to.
    let broken = false;
    try {
      // Waiting for another node, or indexing a large table, takes as long as it takes.
      await connection`set statement_timeout = 0`;
      await connection`select pg_advisory_lock(${LOCK})`;
      return await applyMissing(connection, log);
    } catch (error) {
      broken = isConnectionLost(error);
      throw error;
    } finally {
      if (!broken) {
        await connection`select pg_advisory_unlock(${LOCK})`;
        await connection`reset statement_timeout`;
        connection.release();
      }
    }
  } catch (error) {
    throw inWords(error);
  }
}

async function newestApplied(sql: Pool): Promise<number> {
  const [row] = await sql`select coalesce(max(number), 0) as number from quaylet_schema_version`;
  return Number(row?.number);
}

/** The caller holds the lock. */
async function applyMissing(connection: Pool, log: Logger): Promise<number> {
  await connection`
    create table if not exists quaylet_schema_version (
      number integer primary key,
      name text not null,
      applied_at timestamp not null default (now() at time zone 'utc')
    )`;
  const present = await newestApplied(connection);
  if (present > SCHEMA_VERSION) {
    throw new Error(
      `the database has schema ${present}, this program knows up to ${SCHEMA_VERSION}: start the newer Quaylet that ` +
        `made it, or restore a backup`,
    );
  }
  for (const [index, { name, text }] of MIGRATIONS.entries()) {
    const number = index + 1;
    if (number <= present) continue;
    await connection.unsafe(
      `begin;\n${text}\n;insert into quaylet_schema_version (number, name) values (${number}, '${name}');\ncommit;`,
    ).simple().catch(async (error) => {
      if (isConnectionLost(error)) throw error;
      await connection.unsafe("rollback").simple();
      throw new Error(`migration ${name} failed: ${error.message}`, { cause: error });
    });
    log.info("migration applied", { number, name });
  }
  return SCHEMA_VERSION - present;
}

/** What an administrator of an external server forgets, and the statement that mends it. */
function inWords(error: unknown): unknown {
  const origin = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code, message = "" } = origin as { code?: string; message?: string };
  if (/extension "?pg_trgm/.test(message)) {
    const mend = code === "42501"
      ? "the user of DB_URI may not install the extension pg_trgm: let the server's superuser run " +
        "CREATE EXTENSION pg_trgm; once in this database, then start again"
      : "the server does not have the extension pg_trgm: let its administrator install PostgreSQL's contrib package";
    return new Error(mend, { cause: error });
  }
  if (code === "42501" && /for schema/.test(message)) {
    return new Error(
      "the user of DB_URI may not create tables: let the database's owner run GRANT CREATE ON SCHEMA public TO " +
        "that user, then start again",
      { cause: error },
    );
  }
  return error;
}

/** Whether the database has exactly this program's migrations. */
export async function schemaIsCurrent(pool: Pool): Promise<boolean> {
  const [row] = await pool`select max(number) as number from quaylet_schema_version`;
  return row?.number === SCHEMA_VERSION;
}
