import assert from "node:assert/strict";
import { lockDataDir } from "../../src/drivers/database/data_lock.ts";
import { locatePostgres } from "../../src/drivers/database/embedded_binaries.ts";
import { asAppError, openPool } from "../../src/drivers/database/postgres.ts";
import { AppError } from "../../src/lib/errors.ts";
import { test } from "../skip.ts";
import { eventually, listeningLogger, postmasterPid, processesOn, withDataDir } from "./cluster.ts";

Deno.test("startEmbedded(): makes a cluster, starts it again with its rows, stops without leaving a process", () =>
  withDataDir(async (dataDir, start) => {
    const first = await start();
    const pool = openPool({ target: first.target, max: 1, applicationName: "test" });
    await pool`create table kept as select 7 as value`;
    await pool.end();
    await first.stop();
    assert.deepEqual(processesOn(dataDir), []);
    const second = await start();
    const again = openPool({ target: second.target, max: 1, applicationName: "test" });
    assert.equal((await again`select value from kept`)[0]?.value, 7);
    await again.end();
  }));

for (const signal of ["SIGKILL", "SIGQUIT"] as const) {
  Deno.test(`startEmbedded(): after ${signal} of the server queries and transactions fail as database_unavailable, then work`, () =>
    withDataDir(async (dataDir, start) => {
      const { target } = await start();
      const pool = openPool({ target, max: 3, applicationName: "test" });
      try {
        await pool`create table written (value integer)`;
        // One transaction waits for a statement, one is between two statements, one statement is on its own.
        let meanwhile = () => {};
        const died = new Promise<void>((resolve) => meanwhile = resolve);
        const running = [
          pool.begin(async (sql) => {
            await sql`insert into written values (1)`;
            await sql`select pg_sleep(30)`;
          }),
          pool.begin(async (sql) => {
            await sql`insert into written values (2)`;
            await died;
            await sql`select 1`;
          }),
          pool`select pg_sleep(30)`.then(() => {}),
        ];
        const results = Promise.allSettled(running);
        await eventually(async () => {
          const admin = openPool({ target, max: 1, applicationName: "watch" });
          const [row] = await admin`
            select count(*)::int as busy from pg_stat_activity where application_name = 'test' and xact_start is not null`;
          await admin.end();
          assert.equal(row?.busy, 3);
        });
        const parent = postmasterPid(dataDir);
        // A server killed alone leaves its children to finish their statements: they go with it here.
        for (const pid of signal === "SIGKILL" ? processesOn(dataDir) : [parent]) Deno.kill(pid, signal);
        await eventually(() => Promise.resolve(assert.throws(() => Deno.kill(parent, "SIGCONT"))));
        await new Promise((resolve) => setTimeout(resolve, 50));
        meanwhile();
        for (const result of await results) {
          assert.equal(result.status, "rejected");
          const error = asAppError((result as PromiseRejectedResult).reason);
          assert.ok(error instanceof AppError && error.code === "database_unavailable", String(error));
        }
        const written = await eventually(async () => await pool`select value from written`);
        assert.deepEqual([...written], []);
        // Nothing has poisoned a connection: all of them open again.
        await Promise.all(
          [1, 2, 3, 4, 5, 6].map((n) => pool.begin((sql) => sql`insert into written values (${n})`)),
        );
      } finally {
        await pool.end({ timeout: 1 });
      }
    }));
}

Deno.test("startEmbedded(): a stop while an orphan is being ended starts no server", () =>
  withDataDir(async (dataDir, start) => {
    let stopped: Promise<void> | undefined;
    let orphan: Deno.ChildProcess | undefined;
    const embedded = await start({
      log: listeningLogger((message) => {
        if (message.includes("died")) {
          // Stands for a server that takes its time to end.
          const script = 'trap "sleep 0.3; exit" QUIT; while :; do sleep 0.02; done';
          orphan = new Deno.Command("/bin/sh", { args: ["-c", script], cwd: `${dataDir}/postgres` }).spawn();
          Deno.writeTextFileSync(`${dataDir}/postgres/postmaster.pid`, `${orphan.pid}\n`);
        }
        if (message.includes("earlier run")) stopped = embedded.stop();
      }),
    });
    for (const pid of processesOn(dataDir)) Deno.kill(pid, "SIGKILL");
    await eventually(() => Promise.resolve(assert.ok(stopped !== undefined)));
    await stopped;
    await orphan?.status;
    assert.deepEqual(processesOn(dataDir), []);
  }));

Deno.test("startEmbedded(): ends a server that an earlier Quaylet left, and heeds no recycled pid", () =>
  withDataDir(async (dataDir, start) => {
    const first = await start();
    const left = postmasterPid(dataDir);
    const heard: string[] = [];
    // The first one's own supervisor would start a server of its own: it has to let go before.
    const second = start({ log: listeningLogger((message) => heard.push(message)) });
    await first.stop();
    await second;
    assert.ok(heard.some((message) => message.includes("earlier run")), heard.join("\n"));
    assert.notEqual(postmasterPid(dataDir), left);
    await (await second).stop();

    await Deno.writeTextFile(`${dataDir}/postgres/postmaster.pid`, `${Deno.pid}\n${dataDir}/postgres\n`);
    await start();
    assert.notEqual(postmasterPid(dataDir), Deno.pid);
  }));

Deno.test("startEmbedded(): leaves an operator's shell in the cluster's folder alone", () =>
  withDataDir(async (dataDir, start) => {
    await (await start()).stop();
    const shell = new Deno.Command("/bin/sleep", { args: ["60"], cwd: `${dataDir}/postgres` }).spawn();
    let ended = false;
    const status = shell.status.then(() => ended = true);
    await (await start()).stop();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(ended, false, "the shell was ended with the orphans");
    shell.kill("SIGKILL");
    await status;
  }));

Deno.test("startEmbedded(): half an initdb is made again; another version's cluster is refused in words", () =>
  withDataDir(async (dataDir, start) => {
    await Deno.mkdir(`${dataDir}/postgres.new`);
    await Deno.writeTextFile(`${dataDir}/postgres.new/PG_VERSION`, "18\n");
    await (await start()).stop();
    await assert.rejects(Deno.stat(`${dataDir}/postgres.new`), Deno.errors.NotFound);
    await Deno.writeTextFile(`${dataDir}/postgres/PG_VERSION`, "12\n");
    await assert.rejects(start(), /made by PostgreSQL 12, this Quaylet brings 18: export/);
  }));

Deno.test("startEmbedded(): a path too long for a socket gets one elsewhere", () =>
  withDataDir(async (dataDir, start) => {
    const deep = `${dataDir}/${"d".repeat(100)}`;
    await Deno.mkdir(deep, { mode: 0o755 });
    await Deno.chmod(dataDir, 0o755);
    const embedded = await start({ dataDir: deep });
    assert.ok("socketDir" in embedded.target && !embedded.target.socketDir.startsWith(dataDir));
    await embedded.stop();
    await Deno.remove((embedded.target as { socketDir: string }).socketDir, { recursive: true });
  }));

test({
  name: "startEmbedded(): as root below a folder that keeps others out",
  needs: ["root", "setpriv"],
  fn: () =>
    withDataDir(async (dataDir, start) => {
      await Deno.chmod(dataDir, 0o700);
      await Deno.mkdir(`${dataDir}/inner`);
      const { target } = await start({ dataDir: `${dataDir}/inner` });
      const pool = openPool({ target, max: 1, applicationName: "test" });
      assert.equal((await pool`select 1 as one`)[0]?.one, 1);
      await pool.end();
      assert.equal((await Deno.stat(dataDir)).mode! & 0o777, 0o700);
    }),
});

test({
  name: "startEmbedded(): as root from binaries in a folder that keeps others out",
  needs: ["root", "setpriv"],
  fn: () =>
    withDataDir(async (dataDir, start) => {
      const binDir = await locatePostgres(Deno.env.toObject(), `${dataDir}/closed`);
      await Deno.chmod(`${dataDir}/closed`, 0o700);
      await Deno.mkdir(`${dataDir}/inner`);
      const { target } = await start({ dataDir: `${dataDir}/inner`, binDir });
      const pool = openPool({ target, max: 1, applicationName: "test" });
      assert.equal((await pool`select 1 as one`)[0]?.one, 1);
      await pool.end();
    }),
});

Deno.test("lockDataDir(): a second process is refused, and a killed one holds nothing", async () => {
  const dataDir = await Deno.makeTempDir();
  const module = new URL("../../src/drivers/database/data_lock.ts", import.meta.url).href;
  const script = `const { lockDataDir } = await import(${JSON.stringify(module)});
    await lockDataDir(${JSON.stringify(dataDir)}); console.log("held"); setInterval(() => {}, 1000);`;
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", script], stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await assert.rejects(lockDataDir(dataDir), /is in use by another Quaylet/);
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  (await lockDataDir(dataDir)).release();
  await Deno.remove(dataDir, { recursive: true });
});
