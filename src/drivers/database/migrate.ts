import type { Logger } from "../../lib/logger.ts";
import { MIGRATIONS } from "./migrations/index.ts";
import type { Pool } from "./postgres.ts";

/** Any number that nobody else uses: all nodes take turns on it. */
const LOCK = 7_829_250_001;

/** Number of the newest migration that this program knows. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings the database to this program's schema: each missing migration in a transaction of its own, in order, one node
 * at a time. Idempotent. Returns how many were applied.
 * @throws {Error} when the database is newer than the program, in words
 */
export async function migrate(pool: Pool, log: Logger): Promise<number> {
  const connection = await pool.reserve();
  try {
    await connection`select pg_advisory_lock(${LOCK})`;
    try {
      await connection`
        create table if not exists quaylet_schema_version (
          number integer primary key,
          name text not null,
          applied_at timestamp not null default (now() at time zone 'utc')
        )`;
      const [row] = await connection`select coalesce(max(number), 0) as number from quaylet_schema_version`;
      const present = Number(row?.number);
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
          await connection.unsafe("rollback").simple();
          throw new Error(`migration ${name} failed: ${error.message}`, { cause: error });
        });
        log.info("migration applied", { number, name });
      }
      return SCHEMA_VERSION - present;
    } finally {
      await connection`select pg_advisory_unlock(${LOCK})`;
    }
  } finally {
    connection.release();
  }
}

/** Whether the database has exactly this program's migrations. */
export async function schemaIsCurrent(pool: Pool): Promise<boolean> {
  const [row] = await pool`select max(number) as number from quaylet_schema_version`;
  return row?.number === SCHEMA_VERSION;
}
