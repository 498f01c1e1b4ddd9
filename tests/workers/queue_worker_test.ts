import { expect } from "@std/testing";
import {
  claimQueueItem,
  deleteQueueItem,
  deleteSpentQueueItems,
  dueItem,
  insertQueueItem,
  insertQueueItems,
  releaseQueueItem,
  renewQueueItem,
} from "../../src/drivers/database/queries/queue.ts";
import type { Pool } from "../../src/drivers/database/postgres.ts";
import { refreshQueueGauges } from "../../src/domain/site/queue_gauges.ts";
import { drainQueue, type QueueWork } from "../../src/workers/queue_worker.ts";
import { testDeps, withDatabase } from "../database.ts";

const START_MS = Date.UTC(2026, 10, 24, 2, 0, 0);
const LEASE_MS = 60_000;

const put = (sql: Pool, queueName: string, body: unknown, { nowMs = START_MS, retries = 5 } = {}) =>
  insertQueueItem(sql, { queueName, body: JSON.stringify(body), nowMs, retries });
const claim = (sql: Pool, queue = "test", nowMs = START_MS) =>
  claimQueueItem(sql, { queue, nowMs, processingMs: LEASE_MS });
const countOf = async (sql: Pool) => Number((await sql`select count(*) from queueitem`)[0]!.count);

/** A worker that writes down what it was given; `fail` says which tries do not work. */
function recorder(fail: (body: unknown) => boolean = () => false) {
  const ran: unknown[] = [];
  const givenUp: unknown[] = [];
  const work: QueueWork = {
    queue: "test",
    processingMs: LEASE_MS,
    backOffMs: () => 1000,
    run(body) {
      ran.push(body);
      return fail(body) ? Promise.reject(new Error("no")) : Promise.resolve();
    },
    givenUp(body) {
      givenUp.push(body);
      return Promise.resolve();
    },
  };
  return { ran, givenUp, work };
}

Deno.test("claimQueueItem() takes what has been due the longest, of its own queue, each item once", async () => {
  await withDatabase(async (sql) => {
    await put(sql, "test/late/", "late", { nowMs: START_MS + 5000 });
    await put(sql, "test/second/", "second");
    await put(sql, "testing/other/", "other queue");
    await put(sql, "test_/other/", "other queue");
    await put(sql, "test/first/", "first", { nowMs: START_MS - 1000 });
    expect((await claim(sql))?.body).toBe('"first"');
    expect((await claim(sql))?.body).toBe('"second"');
    expect(await claim(sql)).toBe(undefined);
    expect((await claim(sql, "test", START_MS + 5000))?.body).toBe('"late"');
  });
});

Deno.test("insertQueueItems() puts bodies in as they are, in order", async () => {
  await withDatabase(async (sql) => {
    const bodies = [`{"a":"quote \\" comma , brace } null"}`, "NULL", `"\\\\ back"`, `"ünïcode"`];
    await insertQueueItems(
      sql,
      bodies.map((body) => ({ queueName: "test/a/", body, nowMs: START_MS, retries: 2 })),
    );
    for (const body of bodies) {
      const item = await claim(sql);
      expect([item?.body, item?.retriesRemaining]).toEqual([body, 1]);
    }
  });
});

Deno.test("claimQueueItem(): an item whose holder went silent goes to the next; the first has lost it", async () => {
  await withDatabase(async (sql) => {
    await put(sql, "test/a/", "work");
    const first = (await claim(sql))!;
    expect(await claim(sql, "test", START_MS + LEASE_MS - 1)).toBe(undefined);
    expect(await renewQueueItem(sql, first, START_MS + 2 * LEASE_MS)).toBe(true);
    expect(await claim(sql, "test", START_MS + LEASE_MS)).toBe(undefined);
    const second = (await claim(sql, "test", START_MS + 2 * LEASE_MS))!;
    expect(second.id).toBe(first.id);
    expect(second.retriesRemaining).toBe(3);
    expect(await renewQueueItem(sql, first, START_MS + 9 * LEASE_MS)).toBe(false);
    expect(await deleteQueueItem(sql, first)).toBe(false);
    await releaseQueueItem(sql, first, { againMs: START_MS, keepRetry: true });
    expect(await claim(sql, "test", START_MS + 2 * LEASE_MS)).toBe(undefined);
    expect(await deleteQueueItem(sql, second)).toBe(true);
    expect(await countOf(sql)).toBe(0);
  });
});

Deno.test("claimQueueItem(): many at once, and no item twice", async () => {
  await withDatabase(async (sql) => {
    for (let n = 0; n < 20; n++) await put(sql, `test/${n}/`, n);
    const claimed = await Promise.all(Array.from({ length: 30 }, () => claim(sql)));
    const ids = claimed.filter((item) => item !== undefined).map((item) => item.id);
    expect([ids.length, new Set(ids).size]).toEqual([20, 20]);
  });
});

Deno.test("deleteSpentQueueItems() takes what has no tries left and no holder", async () => {
  await withDatabase(async (sql) => {
    await put(sql, "test/spent/", "spent", { retries: 1 });
    await put(sql, "test/fresh/", "fresh");
    await claim(sql);
    const spent = (nowMs: number) => deleteSpentQueueItems(sql, "test", { nowMs, limit: 10 });
    expect(await spent(START_MS + LEASE_MS - 1)).toEqual([]);
    expect(await spent(START_MS + LEASE_MS)).toEqual(['"spent"']);
    expect(await countOf(sql)).toBe(1);
  });
});

Deno.test("claiming from a queue behind 50,000 items of others, and 5,000 that wait, reads an index", async () => {
  await withDatabase(async (sql) => {
    await sql`
      insert into queueitem (queue_name, body, available_after)
      select 'imagestoragereplication/' || g || '/', '{}', '2026-01-01' from generate_series(1, 50000) g`;
    await sql`
      insert into queueitem (queue_name, body, available_after)
      select 'test/' || g || '/', '{}', '2027-01-01' from generate_series(1, 5000) g`;
    await put(sql, "test/due/", "due");
    await sql`vacuum analyze queueitem`;
    const [row] = await sql`explain (analyze, buffers, format json) ${dueItem(sql, "test", START_MS)}`;
    const plan = JSON.stringify(row!["QUERY PLAN"]);
    expect(plan).toContain("queueitem_due");
    expect(plan).not.toContain("Seq Scan");
    const { Plan: top } = row!["QUERY PLAN"][0];
    const pages = top["Shared Hit Blocks"] + top["Shared Read Blocks"];
    expect([pages < 20, pages]).toEqual([true, pages]);
  });
});

Deno.test("drainQueue() does all that is due; what fails comes again later, and is given up in the end", async () => {
  await withDatabase(async (sql) => {
    let nowMs = START_MS;
    const deps = testDeps(sql, { now: () => nowMs });
    await put(sql, "test/1/", "works");
    await put(sql, "test/2/", "fails", { retries: 3 });
    const { ran, givenUp, work } = recorder((body) => body === "fails");
    expect(await drainQueue(deps, work)).toBe(2);
    expect(ran).toEqual(["works", "fails"]);
    expect(await drainQueue(deps, work)).toBe(0);
    nowMs += 1000;
    expect(await drainQueue(deps, work)).toBe(1);
    expect(givenUp).toEqual([]);
    nowMs += 1000;
    expect(await drainQueue(deps, work)).toBe(1);
    expect(givenUp).toEqual(["fails"]);
    expect(await countOf(sql)).toBe(0);
  });
});

Deno.test("drainQueue() gives up the last try of a holder that died, and a body that is no JSON", async () => {
  await withDatabase(async (sql) => {
    let nowMs = START_MS;
    const deps = testDeps(sql, { now: () => nowMs });
    await put(sql, "test/1/", "died", { retries: 1 });
    await claim(sql);
    nowMs += LEASE_MS;
    await insertQueueItem(sql, { queueName: "test/2/", body: "{", nowMs, retries: 1 });
    const { ran, givenUp, work } = recorder();
    await drainQueue(deps, work);
    expect([ran, givenUp]).toEqual([[], ["died", undefined]]);
    expect(await countOf(sql)).toBe(0);
  });
});

Deno.test("drainQueue() renews its claim while it works, and tells the work when another has taken it", async () => {
  await withDatabase(async (sql) => {
    const deps = testDeps(sql);
    await put(sql, "test/1/", "long");
    const claimNow = () => claimQueueItem(sql, { queue: "test", nowMs: Date.now(), processingMs: LEASE_MS });
    let took: unknown = "nobody asked";
    const work: QueueWork = {
      ...recorder().work,
      processingMs: 900,
      async run(_body, item, signal) {
        // Longer than the claim would last.
        await new Promise((resolve) => setTimeout(resolve, 1400));
        took = await claimNow();
        await sql`update queueitem set state_id = 'another' where id = ${item.id}`;
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      },
    };
    await drainQueue(deps, work);
    expect(took).toBe(undefined);
    // The other one's claim is untouched.
    const [row] = await sql`select state_id, available from queueitem`;
    expect(row).toEqual({ state_id: "another", available: false });
  });
});

Deno.test("drainQueue() of a node that stops gives its item back, with its tries", async () => {
  await withDatabase(async (sql) => {
    const deps = testDeps(sql);
    await put(sql, "test/1/", "interrupted");
    await put(sql, "test/2/", "never begun");
    const stop = new AbortController();
    const work: QueueWork = {
      ...recorder().work,
      run: (_body, _item, signal) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
          stop.abort(new Error("the node stops"));
        }),
    };
    await drainQueue(deps, work, stop.signal);
    expect(await sql`select available, retries_remaining from queueitem order by id`).toEqual([
      { available: true, retries_remaining: 5 },
      { available: true, retries_remaining: 5 },
    ]);
  });
});

Deno.test("drainQueue(): two nodes do each item once, several at a time", async () => {
  await withDatabase(async (sql) => {
    const deps = testDeps(sql);
    for (let n = 0; n < 24; n++) await put(sql, `test/${n}/`, n);
    const ran: unknown[] = [];
    let running = 0;
    let most = 0;
    const work: QueueWork = {
      ...recorder().work,
      atOnce: 3,
      async run(body) {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
        ran.push(body);
      },
    };
    await Promise.all([drainQueue(deps, work), drainQueue(deps, work)]);
    expect(ran.length).toBe(24);
    expect(new Set(ran).size).toBe(24);
    expect(most > 1 && most <= 6).toBe(true);
  });
});

Deno.test("queue metrics: puts and gets as they happen, gauges of names as Quay counts them", async () => {
  await withDatabase(async (sql) => {
    const deps = testDeps(sql, { now: () => START_MS });
    await put(sql, "notification/a/", 1);
    await put(sql, "notification/a/", 2);
    await put(sql, "notification/b/", 3);
    await put(sql, "notification/c/", 4, { nowMs: START_MS + 1000 });
    await claim(sql, "notification");
    await refreshQueueGauges(deps);
    const { work } = recorder();
    await drainQueue(deps, { ...work, queue: "notification" });
    const value = async (name: string) => {
      const metric = (await deps.metrics.snapshot()).find((one) => one.name === name);
      return metric?.values.filter(({ labels }) => labels.queue_name === "notification")
        .map(({ labels, value }) => [labels.availability ?? "", value]);
    };
    expect(await value("quay_queue_items_locked")).toEqual([["", 1]]);
    expect(await value("quay_queue_items_available")).toEqual([["", 2]]);
    expect(await value("quay_queue_items_available_unlocked")).toEqual([["", 1]]);
    expect(await value("quay_queue_item_gets_total")).toEqual([["acquired", 2], ["nonexistant", 1]]);
  });
});
