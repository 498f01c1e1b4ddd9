import { expect } from "@std/testing";
import { archiveLogs } from "../../src/domain/logs/log_archive.ts";
import { countActions } from "../../src/domain/logs/log_counts.ts";
import type { Deps } from "../../src/domain/deps.ts";
import { createMemoryDriver } from "../../src/drivers/storage/memory.ts";
import type { StorageDriver } from "../../src/drivers/storage/driver.ts";
import { testDeps, withDatabase } from "../database.ts";
import { addRows } from "./rows.ts";

const NOW = Date.parse("2026-05-20T12:00:00Z");
const DAY = 86_400_000;

interface Archived {
  readonly kind_id: number;
  readonly datetime: string;
  readonly metadata_json: { n?: number; __raw?: string };
}

/** Every archived row, by file. */
async function archived(driver: StorageDriver): Promise<Map<string, Archived[]>> {
  const files = new Map<string, Archived[]>();
  for await (const { key } of driver.list("actionlogarchive")) {
    const stream = (await driver.read(key)).pipeThrough(new DecompressionStream("gzip"));
    files.set(key, JSON.parse(await new Response(stream).text()));
  }
  return files;
}

async function withOldLog(test: (deps: Deps) => Promise<void>, config: Partial<Deps["config"]> = {}) {
  await withDatabase(async (sql) => {
    await sql`update logcounted set until_time = '2026-01-01'`;
    const base = await testDeps(sql, { config: { FEATURE_ACTION_LOG_ROTATION: true, ...config } });
    await test({ ...base, now: () => NOW });
  });
}

async function left(deps: Deps, table = "logentry3"): Promise<number> {
  const [row] = await deps.sql<{ count: number }[]>`select count(*)::integer as count from ${
    deps.sql(table)
  }`;
  return row!.count;
}

Deno.test("archiveLogs() moves what is older than the threshold, all of it, once, and out of the counts", async () => {
  await withOldLog(async (deps) => {
    const { sql, storage: { driver } } = deps;
    await addRows(sql, { kind: "pull_repo", accountId: 1, atMs: NOW - 40 * DAY, count: 12_000 });
    await addRows(sql, { kind: "push_repo", accountId: 1, atMs: NOW - 29 * DAY, count: 10 });
    await addRows(sql, {
      kind: "create_repo",
      accountId: 1,
      atMs: NOW - 90 * DAY,
      table: "logentry",
      metadata: "oh",
    });
    await countActions(deps);
    expect(await archiveLogs(deps)).toBe(12_001);
    expect([await left(deps), await left(deps, "logentry")]).toEqual([10, 0]);
    const files = await archived(driver);
    expect([...files.values()].map((rows) => rows.length).toSorted((a, b) => a - b)).toEqual([
      1,
      2000,
      5000,
      5000,
    ]);
    for (const name of files.keys()) {
      expect(name).toMatch(/^actionlogarchive\/\d+-\d+-logentry3?-[0-9a-f]{8}\.txt\.gz$/);
    }
    const rows = [...files.values()].flat();
    const pulls = rows.filter((row) => row.kind_id === 41);
    expect(new Set(pulls.map((row) => row.metadata_json.n)).size).toBe(12_000);
    expect(pulls).toContainEqual({
      kind_id: 41,
      account_id: 1,
      performer_id: null,
      repository_id: null,
      datetime: "2026-04-10 12:00:00.000000",
      ip: "192.0.2.1",
      metadata_json: { n: 0 },
    });
    expect(rows.find((row) => row.kind_id === 14)?.metadata_json).toEqual({ __raw: "oh" });
    const counts = await sql`select distinct kind_id, count::integer as count from logdailycount`;
    expect([...counts]).toEqual([{ kind_id: 42, count: 10 }]);
    expect(await archiveLogs(deps)).toBe(0);
  });
});

Deno.test("archiveLogs() leaves what is younger than MINIMUM_LOGS_AGE_FOR_ARCHIVE, and what is not counted yet", async () => {
  await withOldLog(async (deps) => {
    await addRows(deps.sql, { kind: "pull_repo", accountId: 1, atMs: NOW - 6 * DAY });
    await addRows(deps.sql, { kind: "pull_repo", accountId: 1, atMs: NOW - 8 * DAY });
    expect(await archiveLogs(deps)).toBe(0);
    await countActions(deps);
    expect(await archiveLogs(deps)).toBe(1);
    expect(await left(deps)).toBe(1);
  }, { ACTION_LOG_ROTATION_THRESHOLD: "1d" });
});

Deno.test("archiveLogs(): storage that fails deletes nothing; a death before the deletion writes the same file again", async () => {
  await withOldLog(async (deps) => {
    const { sql } = deps;
    await addRows(sql, { kind: "pull_repo", accountId: 1, atMs: NOW - 40 * DAY, count: 50 });
    await countActions(deps);
    const memory = createMemoryDriver();
    const failing = { ...memory, write: () => Promise.reject(new Error("disk full")) } as StorageDriver;
    const withDriver = (driver: StorageDriver) => ({ ...deps, storage: { name: "default", driver } });
    await expect(archiveLogs(withDriver(failing))).rejects.toThrow("disk full");
    expect(await left(deps)).toBe(50);

    // The file is there; whoever wrote it died before anything was deleted.
    const dying = Object.create(memory, {
      write: {
        value: async (...given: Parameters<StorageDriver["write"]>) => {
          await memory.write(...given);
          await sql`update logarchivebatch set holder = gen_random_uuid(), expires = '2026-05-20 12:10:00'`;
        },
      },
    }) as StorageDriver;
    await expect(archiveLogs(withDriver(dying))).rejects.toThrow("another node");
    expect(await left(deps)).toBe(50);
    const before = await archived(memory);
    expect(before.size).toBe(1);
    // While that holder's claim is good, nobody else begins.
    expect(await archiveLogs(withDriver(memory))).toBe(0);
    expect(await archiveLogs({ ...withDriver(memory), now: () => NOW + 700_000 })).toBe(50);
    expect(await archived(memory)).toEqual(before);
    expect(await left(deps)).toBe(0);
  });
});

Deno.test("archiveLogs() says when ACTION_LOG_ARCHIVE_LOCATION is no storage", async () => {
  await withOldLog(async (deps) => {
    await expect(archiveLogs(deps)).rejects.toThrow("there is no storage elsewhere; choose one of default");
  }, { ACTION_LOG_ARCHIVE_LOCATION: "elsewhere" });
});
