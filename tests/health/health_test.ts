import { expect } from "@std/testing";
import { type Config, defaultConfig } from "../../src/config/schema.ts";
import { createMemoryDriver } from "../../src/drivers/storage/memory.ts";
import { AppError } from "../../src/lib/errors.ts";
import { createHealth, type HealthDeps, type HealthReport } from "../../src/domain/site/health.ts";

/** A database that answers as `answer` says, by the first words of the statement, and counts what it was asked. */
function fakeSql(answer: (statement: string, values: unknown[]) => unknown[] | Promise<unknown[]>) {
  const asked: string[] = [];
  const sql = (strings: TemplateStringsArray, ...values: unknown[]) => {
    const statement = strings.join("?").trim();
    asked.push(statement);
    return Promise.resolve().then(() => answer(statement, values));
  };
  return { asked, sql: Object.assign(sql, { begin: (run: (tx: unknown) => unknown) => run(sql) }) as never };
}

let written: unknown;
const working: Parameters<typeof fakeSql>[0] = (statement, values) => {
  if (statement.startsWith("insert into queueitem")) return written = values[0], [];
  if (statement.startsWith("delete from queueitem")) return [{ body: written }];
  return [{ count: 3, id: 1 }];
};

function harness(overrides: Partial<HealthDeps> & { config?: Config } = {}, answer = working) {
  let nowMs = 1_000_000;
  const { sql, asked } = fakeSql(answer);
  const health = createHealth({
    sql,
    config: defaultConfig({ DISKSPACE_HEALTH_THRESHOLD: 0, DISKSPACE_HEALTH_WARNING_THRESHOLD: 0 }),
    storage: { name: "default", driver: createMemoryDriver() },
    now: () => nowMs,
    dataDir: "/",
    pingWorkers: () => Promise.resolve(true),
    serviceKeyUsable: () => Promise.resolve(true),
    timeoutMs: 100,
    ...overrides,
  });
  return { health, asked, later: (ms: number) => nowMs += ms };
}

const verdicts = (report: HealthReport) =>
  Object.fromEntries(Object.entries(report).map(([name, { ok }]) => [name, ok]));

Deno.test("createHealth() instance and end-to-end name Quay's services", async () => {
  const { health } = harness();
  expect(verdicts(await health.instance())).toEqual({
    registry_gunicorn: true,
    web_gunicorn: true,
    service_key: true,
    disk_space: true,
    database: true,
    auth: true,
  });
  expect(verdicts(await health.endToEnd())).toEqual({
    database: true,
    redis: true,
    storage: true,
    auth: true,
  });
  expect(verdicts(await health.warning())).toEqual({ disk_space_warning: true });
});

Deno.test("createHealth() a database that is away: false for what needs it, and the key is not blamed", async () => {
  const { health } = harness({}, () => {
    throw new AppError("database_unavailable", "the database is away");
  });
  const { database, service_key, auth, disk_space, registry_gunicorn } = await health.instance();
  expect(database).toEqual({ ok: false, message: "the database is away" });
  expect(auth?.ok).toBe(false);
  expect([service_key?.ok, disk_space?.ok, registry_gunicorn?.ok]).toEqual([true, true, true]);
  expect((await health.endToEnd()).redis?.ok).toBe(false);
});

const FAILURES: [
  name: string,
  overrides: Partial<HealthDeps>,
  view: "instance" | "endToEnd" | "warning",
  failing: string[],
][] = [
  ["a worker hangs", { pingWorkers: () => Promise.resolve(false) }, "instance", [
    "registry_gunicorn",
    "web_gunicorn",
  ]],
  ["the key is expired", { serviceKeyUsable: () => Promise.resolve(false) }, "instance", ["service_key"]],
  ["the key cannot be read", { serviceKeyUsable: () => Promise.reject(new Error("x")) }, "instance", [
    "service_key",
  ]],
  ["the directory is away", { pingAuth: () => Promise.reject(new Error("x")) }, "instance", ["auth"]],
  ["the data folder is gone", { dataDir: "/nonexistent" }, "instance", ["disk_space"]],
  ["the data folder is gone", { dataDir: "/nonexistent" }, "warning", ["disk_space_warning"]],
  ["the check hangs", { pingWorkers: () => new Promise(() => {}) }, "instance", [
    "registry_gunicorn",
    "web_gunicorn",
  ]],
];
for (const [name, overrides, view, failing] of FAILURES) {
  Deno.test(`createHealth() ${view}: ${name}`, async () => {
    const { health } = harness(overrides);
    const failed = Object.entries(verdicts(await health[view]())).filter(([, ok]) => !ok).map(([service]) =>
      service
    );
    expect(failed).toEqual(failing);
  });
}

Deno.test("createHealth() disk thresholds are shares of free bytes, of the fuller of disk and storage", async () => {
  const full = Object.assign(Object.create(createMemoryDriver()), {
    capacity: () => Promise.resolve({ freeBytes: 5, totalBytes: 100 }),
  });
  for (
    const [instance, warning, ok, calm] of [[.01, .1, true, false], [.06, .06, false, false], [
      .05,
      .05,
      true,
      true,
    ]]
  ) {
    const config = defaultConfig({
      DISKSPACE_HEALTH_THRESHOLD: instance as number,
      DISKSPACE_HEALTH_WARNING_THRESHOLD: warning as number,
    });
    const { health } = harness({ config, storage: { name: "site", driver: full } });
    expect((await health.instance()).disk_space?.ok).toBe(ok);
    expect((await health.warning()).disk_space_warning?.ok).toBe(calm);
  }
});

Deno.test("createHealth() a full storage engine fails the end-to-end check, and recovers by itself", async () => {
  const driver = createMemoryDriver();
  let full = true;
  const probe = () =>
    full ? Promise.reject(new AppError("storage_full", "no space is left")) : driver.probe();
  const { health, later } = harness({
    storage: { name: "default", driver: Object.assign(Object.create(driver), { probe }) },
  });
  expect((await health.endToEnd()).storage).toEqual({ ok: false, message: "no space is left" });
  full = false;
  later(1000);
  expect((await health.endToEnd()).storage?.ok).toBe(true);
});

Deno.test("createHealth() a read-only registry writes nothing to find out how it is", async () => {
  const config = defaultConfig({ REGISTRY_STATE: "readonly" });
  const probe = () => Promise.reject(new Error("written to"));
  const driver = Object.assign(Object.create(createMemoryDriver()), { probe });
  const { health, asked } = harness({ config, storage: { name: "default", driver } });
  expect(verdicts(await health.endToEnd())).toEqual({
    database: true,
    redis: true,
    storage: true,
    auth: true,
  });
  expect(asked.filter((statement) => !statement.startsWith("select"))).toEqual([]);
});

Deno.test("createHealth() a storm of probes asks once, and again only a second later", async () => {
  let pings = 0;
  const { health, asked, later } = harness({ pingWorkers: () => Promise.resolve(++pings > 0) });
  await Promise.all(Array.from({ length: 500 }, () => health.instance()));
  await health.instance();
  expect([pings, asked.length]).toEqual([1, 2]);
  later(999);
  await health.endToEnd();
  expect([pings, asked.length]).toEqual([1, 4]);
  later(1);
  await health.instance();
  expect([pings, asked.length]).toEqual([2, 6]);
});

Deno.test("createHealth() a database that hangs gets no second probe meanwhile", async () => {
  let release = (_rows: unknown[]) => {};
  const { health, asked, later } = harness(
    {},
    (statement) =>
      statement.includes("teamrole") ? new Promise<unknown[]>((resolve) => release = resolve) : [{ id: 1 }],
  );
  expect((await health.instance()).database).toEqual({ ok: false, message: "no answer within 0.1 s" });
  later(1000);
  expect((await health.instance()).database?.ok).toBe(false);
  expect(asked.filter((statement) => statement.includes("teamrole"))).toHaveLength(1);
  release([{ count: 3 }]);
  await new Promise((resolve) => setTimeout(resolve, 0));
  later(1000);
  const again = health.instance();
  await new Promise((resolve) => setTimeout(resolve, 0));
  release([{ count: 3 }]);
  expect((await again).database?.ok).toBe(true);
});
