import assert from "node:assert/strict";
import postgres from "postgres";
import { migrate, SCHEMA_VERSION } from "../../src/drivers/database/migrate.ts";
import { openPool, type Pool } from "../../src/drivers/database/postgres.ts";
import { silentLogger, testServer, withDatabase } from "../database.ts";

/** Runs `fn` with a way to open pools on an empty database. */
async function withEmptyDatabase(fn: (open: () => Pool, admin: Pool, name: string) => Promise<void>) {
  const target = await testServer();
  const name = `empty_${Deno.pid}_${crypto.randomUUID().slice(0, 8)}`;
  const admin = openPool({ target, max: 1, applicationName: "test", database: "postgres" });
  const pools: Pool[] = [];
  try {
    await admin.unsafe(`create database ${name} template template0 strategy file_copy`);
    await fn(
      () => {
        const pool = openPool({ target, max: 2, applicationName: "test", database: name });
        pools.push(pool);
        return pool;
      },
      admin,
      name,
    );
  } finally {
    await Promise.all(pools.map((pool) => pool.end({ timeout: 1 })));
    await admin.unsafe(`drop database if exists ${name} with (force)`);
    await admin.end();
  }
}

Deno.test("migrate(): two nodes at once on an empty database share the work, and a third finds nothing to do", () =>
  withEmptyDatabase(async (open) => {
    const applied = await Promise.all([migrate(open(), silentLogger), migrate(open(), silentLogger)]);
    assert.deepEqual(applied.sort((a, b) => a - b), [0, SCHEMA_VERSION]);
    const third = open();
    assert.equal(await migrate(third, silentLogger), 0);
    const rows = await third`select number from quaylet_schema_version order by number`;
    assert.deepEqual(rows.map((row) => row.number), Array.from({ length: SCHEMA_VERSION }, (_, n) => n + 1));
  }));

Deno.test("migrate(): a newer database is refused in words", () =>
  withDatabase(async (sql) => {
    await sql`insert into quaylet_schema_version (number, name) values (${SCHEMA_VERSION + 1}, 'later')`;
    await assert.rejects(
      migrate(sql, silentLogger),
      new RegExp(
        `has schema ${SCHEMA_VERSION + 1}, this program knows up to ${SCHEMA_VERSION}: start the newer`,
      ),
    );
  }));

Deno.test("migrate(): waits for another node beyond the pool's statement timeout, which holds again afterwards", () =>
  withEmptyDatabase(async (open, admin, name) => {
    const other = open();
    const holder = await other.reserve();
    await holder`select pg_advisory_lock(7829250001)`;
    const { socketDir: host } = await testServer() as { socketDir: string };
    const connection = { statement_timeout: 200 };
    const pool = postgres({ host, user: "quaylet", database: name, max: 1, connection }) as unknown as Pool;
    const seen: string[] = [];
    const migrated = migrate(pool, { ...silentLogger, info: (message) => void seen.push(message) });
    let waiting: { query: string } | undefined;
    while (waiting === undefined) {
      [waiting] = await admin<{ query: string }[]>`
        select query from pg_stat_activity where datname = ${name} and wait_event = 'advisory'`;
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.deepEqual(seen, []);
    await holder`select pg_advisory_unlock(7829250001)`;
    holder.release();
    await migrated;
    assert.equal((await pool`show statement_timeout`)[0]?.statement_timeout, "200ms");
    await pool.end();
  }));

Deno.test("migrate(): says who must do what when the user of DB_URI may not install pg_trgm or create tables", () =>
  withEmptyDatabase(async (open, admin, name) => {
    const role = `poor_${Deno.pid}_${crypto.randomUUID().slice(0, 8)}`;
    const { socketDir } = await testServer() as { socketDir: string };
    await admin.unsafe(`create role ${role} login`);
    const owner = open();
    const poor = postgres({ host: socketDir, user: role, database: name, max: 1 }) as unknown as Pool;
    try {
      await assert.rejects(migrate(poor, silentLogger), /GRANT CREATE ON SCHEMA public TO/);
      await owner.unsafe(`grant create on schema public to ${role}`);
      await assert.rejects(migrate(poor, silentLogger), /superuser run CREATE EXTENSION pg_trgm; once/);
      await owner.unsafe("create extension pg_trgm");
      assert.equal(await migrate(poor, silentLogger), SCHEMA_VERSION);
    } finally {
      await poor.end({ timeout: 1 });
      await owner.end({ timeout: 1 });
      await admin.unsafe(`drop database ${name} with (force)`);
      await admin.unsafe(`drop role ${role}`);
    }
  }));
