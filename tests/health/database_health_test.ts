import { expect } from "@std/testing";
import { defaultConfig } from "../../src/config/schema.ts";
import { createHealth } from "../../src/domain/site/health.ts";
import { refreshRowGauges } from "../../src/domain/site/row_gauges.ts";
import { openPool, type Pool } from "../../src/drivers/database/postgres.ts";
import {
  insertRepository,
  markRepositoryForDeletion,
} from "../../src/drivers/database/queries/repository.ts";
import { insertAccount, updateAccountEnabled } from "../../src/drivers/database/queries/user.ts";
import { createMemoryDriver } from "../../src/drivers/storage/memory.ts";
import { createMetrics, renderMetrics } from "../../src/lib/metrics.ts";
import { testServer, withDatabase } from "../database.ts";

function healthOf(sql: Pool, overrides: Parameters<typeof defaultConfig>[0] = {}) {
  return createHealth({
    sql,
    config: defaultConfig({ DISKSPACE_HEALTH_THRESHOLD: 0, ...overrides }),
    storage: { name: "default", driver: createMemoryDriver() },
    now: Date.now,
    dataDir: "/",
    pingWorkers: () => Promise.resolve(true),
    serviceKeyUsable: () => Promise.resolve(true),
  });
}

Deno.test("createHealth() on a real database: all is well, and nothing is left behind", async () => {
  await withDatabase(async (sql) => {
    const health = healthOf(sql);
    const reports = { ...await health.instance(), ...await health.endToEnd() };
    for (const [service, { ok, message }] of Object.entries(reports)) {
      expect([service, ok, message]).toEqual([service, true, undefined]);
    }
    expect(await sql`select id from queueitem`).toHaveLength(0);
  });
});

Deno.test("createHealth() a database that takes no writes fails redis only; a read-only registry does not mind", async () => {
  await withDatabase(async (_sql, database) => {
    const sql = openPool({ target: await testServer(), database, max: 1, applicationName: "health test" });
    try {
      await sql`set default_transaction_read_only = on`;
      const { database, redis, auth } = await healthOf(sql).endToEnd();
      expect([database?.ok, redis?.ok, auth?.ok]).toEqual([true, false, true]);
      expect((await healthOf(sql, { REGISTRY_STATE: "readonly" }).endToEnd()).redis?.ok).toBe(true);
    } finally {
      await sql.end();
    }
  });
});

Deno.test("refreshRowGauges() counts what is active", async () => {
  await withDatabase(async (sql) => {
    const common = { passwordHash: null, verified: true, tagExpirationS: 1209600, nowMs: 0 };
    const add = (username: string, kind: "user" | "organization" | "robot") =>
      insertAccount(sql, { ...common, username, kind, email: `${username}@registry.example` });
    const crew = await add("crew", "user");
    const gone = await add("gone", "user");
    await add("fleet", "organization");
    await add("fleet+robot", "robot");
    await updateAccountEnabled(sql, gone!, false);
    const repository = { namespaceId: crew!, visibility: "private", description: "", kind: "image" } as const;
    await insertRepository(sql, { ...repository, name: "app" });
    await markRepositoryForDeletion(sql, (await insertRepository(sql, { ...repository, name: "old" }))!);
    const metrics = createMetrics();
    await refreshRowGauges({ sql, metrics });
    await refreshRowGauges({ sql, metrics });
    const text = await renderMetrics([await metrics.snapshot()]);
    expect(text.match(/^quay_\w+_rows \d+$/gm)).toEqual([
      "quay_repository_rows 1",
      "quay_user_rows 1",
      "quay_org_rows 1",
      "quay_robot_rows 1",
    ]);
  });
});
