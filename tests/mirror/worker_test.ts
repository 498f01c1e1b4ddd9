import assert from "node:assert/strict";
import { MirrorPaused, unlimited } from "../../src/domain/mirroring/limits.ts";
import { findMirror, findMirrorProgress } from "../../src/domain/mirroring/mirrors.ts";
import { type Mirror, SYNC_STATUS } from "../../src/domain/mirroring/model.ts";
import {
  cancelMirrorSync,
  claimMirror,
  requestMirrorSync,
} from "../../src/drivers/database/queries/mirror.ts";
import type { Sql } from "../../src/drivers/database/postgres.ts";
import { type MirrorWorkerOptions, startMirrorWorker } from "../../src/workers/repo_mirror.ts";
import { eventually } from "../database/cluster.ts";
import { type Edge, withEdge } from "./edge.ts";
import { withFake } from "./fake_registry.ts";
import { startFaultyProxy } from "./faulty_proxy.ts";
import { randomBytes } from "./images.ts";

const HOUR = 3600_000;

async function withWorker(
  edge: Edge,
  fn: () => Promise<void>,
  options: MirrorWorkerOptions = {},
): Promise<void> {
  const stop = startMirrorWorker(edge.deps, options);
  try {
    await fn();
  } finally {
    await stop();
  }
}

async function find(edge: Edge, { repositoryId }: Mirror): Promise<Mirror> {
  return await findMirror(edge.deps.sql, repositoryId) as Mirror;
}

function reaches(edge: Edge, mirror: Mirror, status: number): Promise<Mirror> {
  return eventually(async () => {
    const found = await find(edge, mirror);
    assert.equal(found.status, status);
    return found;
  });
}

/** `quay_repository_mirror_last_sync_status` as `reason: value`. */
async function syncStatuses({ deps }: Edge): Promise<string[]> {
  const family = (await deps.metrics.snapshot()).find(({ name }) =>
    name === "quay_repository_mirror_last_sync_status"
  );
  return (family?.values ?? []).map(({ labels, value }) => `${labels.last_error_reason}: ${value}`).sort();
}

Deno.test("metrics: the reason of a failure is gone after the next success", () =>
  withFake((fake) =>
    withEdge({ config: { REPO_MIRROR_INTERVAL: 1 } }, async (edge) => {
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      await withWorker(edge, async () => {
        fake.image("v1", [randomBytes(1000, 1)]);
        const manifests = new Map(fake.manifests);
        for (const [key, value] of manifests) {
          fake.manifests.set(key, { ...value, bytes: randomBytes(10, 9) });
        }
        await eventually(async () => assert.equal((await syncStatuses(edge)).length, 2), 20_000);
        for (const [key, value] of manifests) fake.manifests.set(key, value);
        await reaches(edge, mirror, SYNC_STATUS.SUCCESS);
        await eventually(async () => assert.deepEqual(await syncStatuses(edge), [": 1"]));
      });
    })
  ));

Deno.test("a mirror that is due runs, succeeds, and is due again on its grid", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const digest = fake.image("v1", [randomBytes(1000, 1)]);
      const startMs = Math.floor(Date.now() / 1000) * 1000 - 2.5 * HOUR;
      const mirror = await edge.mirror({ reference: `${fake.host}/app`, startMs, intervalS: 3600 });
      await withWorker(edge, async () => {
        const done = await reaches(edge, mirror, SYNC_STATUS.SUCCESS);
        assert.equal(done.startMs, startMs + 3 * HOUR);
        assert.equal(done.expirationMs, null);
        assert.deepEqual(await edge.tags(mirror), { v1: digest });
        await eventually(async () => {
          const progress = await findMirrorProgress(edge.deps.sql, mirror.repositoryId);
          assert.equal(progress?.phase, "done");
          assert.equal(progress.tagsDone, 1);
          const metrics = await edge.deps.metrics.snapshot();
          const valueOf = (name: string) => metrics.find((metric) => metric.name === name)?.values[0]?.value;
          assert.equal(valueOf("quay_repository_mirror_last_sync_status"), 1);
          assert.equal(valueOf("quay_repository_mirror_sync_complete"), 1);
          assert.equal(valueOf("quay_repository_mirror_pending_tags"), 0);
          assert.equal(valueOf("quay_repository_rows_unmirrored"), 0);
        });
      });
    })
  ));

Deno.test("who may be claimed: the states, dates and tries of Quay's rules, and claims whose holder is silent", () =>
  withEdge({}, async (edge) => {
    const { sql } = edge.deps;
    const nowMs = Date.now();
    const claim = (scheduled = true) =>
      claimMirror(sql, {
        nowMs,
        leaseMs: 60_000,
        transactionId: crypto.randomUUID(),
        except: [],
        scheduled,
        states: [2],
      });
    const mirror = await edge.mirror({ reference: "registry.test/app", startMs: nowMs - 1000 });
    const set = (columns: Record<string, unknown>) =>
      sql`update repomirrorconfig set ${
        sql({
          is_enabled: true,
          sync_status: 0,
          sync_retries_remaining: 3,
          sync_start_date: new Date(nowMs - 1000),
          sync_expiration_date: null,
          ...columns,
        })
      } where id = ${mirror.id}`;
    const past = new Date(nowMs - 1000);
    const future = new Date(nowMs + 100_000);
    const cases: [what: string, columns: Record<string, unknown>, claimed: boolean][] = [
      ["due", {}, true],
      ["failed, with tries left", { sync_status: -1, sync_retries_remaining: 1 }, true],
      ["no tries left", { sync_retries_remaining: 0 }, false],
      ["not due yet", { sync_start_date: future }, false],
      ["no start", { sync_start_date: null }, false],
      ["disabled", { is_enabled: false }, false],
      ["cancelled", { sync_status: -2 }, false],
      ["asked for, whatever the rest says", {
        sync_status: 3,
        is_enabled: false,
        sync_retries_remaining: 0,
        sync_start_date: future,
      }, true],
      ["claimed", { sync_status: 2, sync_expiration_date: future }, false],
      ["claimed, the holder is silent", { sync_status: 2, sync_expiration_date: past }, true],
    ];
    for (const [what, columns, claimed] of cases) {
      await set(columns);
      assert.equal(await claim() === mirror.id, claimed, what);
    }
    await set({});
    assert.equal(await claim(false), undefined, "between rounds");
    await sql`update repository set state = 0 where id = ${mirror.repositoryId}`;
    assert.equal(await claim(), undefined, "not in state MIRROR");
  }));

Deno.test("claimMirror(): many workers at once get each mirror once, the longest due first", () =>
  withEdge({}, async (edge) => {
    const { sql } = edge.deps;
    const nowMs = Date.now();
    const mirrors: Mirror[] = [];
    for (let i = 0; i < 6; i++) {
      mirrors.push(await edge.mirror({ reference: "registry.test/app", startMs: nowMs - 10_000 + i * 1000 }));
    }
    const claim = () =>
      claimMirror(sql, {
        nowMs,
        leaseMs: 60_000,
        transactionId: crypto.randomUUID(),
        except: [mirrors[5]!.id],
        scheduled: true,
        states: [2],
      });
    assert.equal(await claim(), mirrors[0]!.id);
    const got: number[] = [];
    while (got.length < 4) {
      got.push(...(await Promise.all([claim(), claim(), claim()])).filter((id) => id !== undefined));
    }
    assert.deepEqual(got.sort(), mirrors.slice(1, 5).map(({ id }) => id));
    assert.equal(await claim(), undefined);
  }));

Deno.test("claimMirror(): with 1,000 mirrors none of its branches reads the whole table", () =>
  withEdge({}, async (edge) => {
    const { sql } = edge.deps;
    const { id } = await edge.mirror({ reference: "registry.test/app" });
    await sql`
      with made as (
        insert into repository (namespace_user_id, name, visibility_id, description, badge_token, kind_id, trust_enabled, state)
        select namespace_user_id, 'many' || i, visibility_id, '', gen_random_uuid()::text, kind_id, false, 2
        from repository, generate_series(1, 1000) i where id = (select repository_id from repomirrorconfig where id = ${id})
        returning id
      ), rule as (
        insert into repomirrorrule (repository_id, rule_value) select id, '["*"]' from made returning id, repository_id
      )
      insert into repomirrorconfig (repository_id, internal_robot_id, external_reference, sync_start_date, root_rule_id,
        sync_status, sync_expiration_date)
      select rule.repository_id, (select internal_robot_id from repomirrorconfig where id = ${id}), 'x/y',
        now() + interval '1 hour', rule.id, case when paused then 2 else 1 end,
        case when paused then now() + interval '1 hour' end
      from rule, lateral (select rule.id % 2 = 0 as paused) p`;
    await sql`analyze repomirrorconfig`;
    await sql`analyze repository`;
    const explained: string[] = [];
    const nowMs = Date.now();
    const claimAs = { nowMs, leaseMs: 60_000, transactionId: "t", except: [1, 2], scheduled: true };
    await claimMirror(explaining(sql, explained), { ...claimAs, states: [2, 4] });
    const plan = explained.join("\n");
    for (const [branch, index] of Object.entries(CLAIM_INDEXES)) {
      assert.match(
        plan,
        new RegExp(`CTE ${branch}\n(?:(?!CTE ).*\n)*?.*Scan using ${index} on repomirrorconfig`),
        plan,
      );
    }
    assert.doesNotMatch(plan, /Seq Scan on repomirrorconfig/, plan);
  }));

/** What finds the first candidate of each branch. */
const CLAIM_INDEXES = {
  asked: "repomirrorconfig_sync_status",
  silent: "repomirrorconfig_claimed",
  due: "repomirrorconfig_due",
};

/** A database that explains the one statement that it is given, whatever parts that has, instead of running it. */
function explaining(sql: Sql, lines: string[]): Sql {
  const isStatement = (strings: TemplateStringsArray) => strings[0]?.trimStart().startsWith("with ");
  return new Proxy(sql, {
    apply(target, self, parts: [TemplateStringsArray, ...unknown[]]) {
      const query = Reflect.apply(target, self, parts);
      if (!isStatement(parts[0])) return query;
      return sql`explain ${query}`.then((rows) => {
        lines.push(...rows.map((row) => String(row["QUERY PLAN"])));
        return [];
      });
    },
  });
}

Deno.test("sync-now runs a disabled mirror within moments; a cancel stops the running copy down to its connection", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      fake.image("v1", [randomBytes(5_000_000, 1)]);
      const link = startFaultyProxy({ hostname: "127.0.0.1", port: Number(fake.host.split(":")[1]) });
      try {
        const mirror = await edge.mirror({ reference: `${link.host}/app`, enabled: false });
        await withWorker(edge, async () => {
          link.faults = { bytesPerSecond: 500_000 };
          assert.equal(await requestMirrorSync(edge.deps.sql, mirror.repositoryId), true);
          await reaches(edge, mirror, SYNC_STATUS.SYNCING);
          assert.equal(await requestMirrorSync(edge.deps.sql, mirror.repositoryId), false, "runs already");
          await eventually(() => Promise.resolve(assert.ok(link.bytes > 200_000)));
          assert.equal(await cancelMirrorSync(edge.deps.sql, mirror.repositoryId), true);
          await eventually(async () => {
            const progress = await findMirrorProgress(edge.deps.sql, mirror.repositoryId);
            assert.equal(progress?.phase, "cancelled");
          });
          const bytes = link.bytes;
          await new Promise((resolve) => setTimeout(resolve, 300));
          assert.ok(link.bytes - bytes < 200_000, "nothing flows any more");
          assert.equal((await find(edge, mirror)).status, SYNC_STATUS.CANCEL);
          assert.deepEqual(await syncStatuses(edge), [], "a cancelled run is not told to run");
          assert.equal(
            await cancelMirrorSync(edge.deps.sql, mirror.repositoryId),
            false,
            "nothing to cancel",
          );
        });
      } finally {
        await link.stop();
      }
    })
  ));

Deno.test("a failure is tried again, and after the third the mirror waits for its next turn", () =>
  withEdge({ config: { REPO_MIRROR_INTERVAL: 1 } }, async (edge) => {
    const startMs = Math.floor(Date.now() / 1000) * 1000 - 1000;
    const mirror = await edge.mirror({ reference: "registry.invalid/app", startMs, intervalS: 3600 });
    await withWorker(edge, async () => {
      await eventually(async () => {
        const { status, retriesRemaining, startMs: nextMs } = await find(edge, mirror);
        assert.deepEqual([status, retriesRemaining, nextMs], [SYNC_STATUS.FAIL, 3, startMs + HOUR]);
      }, 40_000);
    });
    const failures = (await edge.logKinds(mirror)).filter(({ kind }) => kind === "repo_mirror_sync_failed");
    assert.equal(failures.length, 3);
  }));

Deno.test("a paused run stays claimed until its window opens, and whoever comes then goes on", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      const digest = fake.image("v1", [randomBytes(2_000_000, 1)]);
      const mirror = await edge.mirror({ reference: `${fake.host}/app` });
      const untilMs = Date.now() + 6000;
      const limitsOf = () => ({
        ...unlimited(),
        took: () =>
          Date.now() < untilMs ? Promise.reject(new MirrorPaused(untilMs, "closed")) : Promise.resolve(),
      });
      await withWorker(edge, async () => {
        await eventually(async () => {
          const progress = await findMirrorProgress(edge.deps.sql, mirror.repositoryId);
          assert.equal(progress?.phase, "paused");
        });
        const paused = await find(edge, mirror);
        assert.equal(paused.status, SYNC_STATUS.SYNCING);
        assert.equal(paused.expirationMs, untilMs);
        assert.equal(paused.retriesRemaining, 3);
        await reaches(edge, mirror, SYNC_STATUS.SUCCESS);
        assert.deepEqual(await edge.tags(mirror), { v1: digest });
      }, { limitsOf });
    })
  ));

Deno.test("a worker that stops gives its mirrors to whoever comes next", () =>
  withFake((fake) =>
    withEdge({}, async (edge) => {
      fake.image("v1", [randomBytes(3_000_000, 1)]);
      const link = startFaultyProxy({ hostname: "127.0.0.1", port: Number(fake.host.split(":")[1]) }, {});
      try {
        const mirror = await edge.mirror({ reference: `${link.host}/app` });
        link.faults = { bytesPerSecond: 1_000_000 };
        await withWorker(edge, async () => {
          await eventually(() => Promise.resolve(assert.ok(link.bytes > 200_000)));
        });
        const left = await find(edge, mirror);
        assert.equal(left.status, SYNC_STATUS.SYNCING);
        assert.ok((left.expirationMs as number) <= Date.now());
        link.faults = {};
        await withWorker(edge, async () => void await reaches(edge, mirror, SYNC_STATUS.SUCCESS));
      } finally {
        await link.stop();
      }
    })
  ));

Deno.test("the database drops all connections in the middle of a run: it is done all the same, from where it was", () =>
  withFake((fake) =>
    withEdge({ config: { REPO_MIRROR_INTERVAL: 1 } }, async (edge) => {
      const digest = fake.image("v1", [randomBytes(4_000_000, 1)]);
      const link = startFaultyProxy({ hostname: "127.0.0.1", port: Number(fake.host.split(":")[1]) }, {
        bytesPerSecond: 2_000_000,
      });
      try {
        const mirror = await edge.mirror({ reference: `${link.host}/app` });
        await withWorker(edge, async () => {
          await eventually(() => Promise.resolve(assert.ok(link.bytes > 1_000_000)));
          await edge.deps.sql`
            select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()`;
          await reaches(edge, mirror, SYNC_STATUS.SUCCESS);
          await edge.readWhole(mirror, digest);
          assert.ok(link.bytes < 5_000_000, `${link.bytes} bytes`);
        });
      } finally {
        await link.stop();
      }
    })
  ));
