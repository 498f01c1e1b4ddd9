import assert from "node:assert/strict";
import { Time } from "./virtual_time.ts";
import { SharedRate } from "../../src/domain/mirroring/shared_rate.ts";

Deno.test("SharedRate: one with many connections gets no more than one with few", async () => {
  const time = new Time();
  const rate = new SharedRate(() => 1000, () => {}, time);
  const order: string[] = [];
  /** A connection that takes a piece, waits until it is paid, and takes the next one. */
  const connection = async (owner: string, pieces: number) => {
    for (let piece = 0; piece < pieces; piece++) {
      await rate.pay(500, owner).done;
      order.push(owner);
    }
  };
  const many = Array.from({ length: 6 }, () => connection("many", 5));
  await Promise.all([...many, connection("few", 5)]);
  assert.equal(order.length, 35);
  assert.equal(order.slice(0, 11).filter((owner) => owner === "few").length, 5, order.join(" "));
  assert.equal(time.pauses.reduce((sum, ms) => sum + ms, 0), 17_500, "the rate is used up");
});

Deno.test("SharedRate: who leaves is not paid for, and the last to leave ends the wait", async () => {
  const pauses: AbortSignal[] = [];
  let nowMs = 0;
  const clock = {
    monotonicMs: () => nowMs,
    pause: (_: number, signal: AbortSignal) => {
      pauses.push(signal);
      return new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
  };
  const rate = new SharedRate(() => 1000, () => {}, clock);
  const first = rate.pay(1000, "a");
  const second = rate.pay(1000, "b");
  first.leave();
  assert.equal(pauses.length, 1);
  assert.equal(pauses[0]!.aborted, false, "another waits");
  second.leave();
  assert.equal(pauses[0]!.aborted, true);
  // Who comes at that very moment is not forgotten.
  const third = rate.pay(1000, "c");
  assert.equal(pauses.length, 2);
  nowMs = 1000;
  rate.settle();
  await third.done;
});

Deno.test("SharedRate: timers that are late take nothing from a rate that one connection uses", async () => {
  const time = new Time();
  const late = {
    monotonicMs: time.monotonicMs,
    pause: (ms: number, s: AbortSignal) => time.pause(ms + 3, s),
  };
  const rate = new SharedRate(() => 50_000_000, () => {}, late);
  const startedMs = time.nowMs;
  for (let piece = 0; piece < 1000; piece++) await rate.pay(65_536, 1).done;
  const tookMs = time.nowMs - startedMs;
  const idealMs = 1000 * 65_536 * 1000 / 50_000_000;
  assert.ok(tookMs >= idealMs - 25 && tookMs <= idealMs + 25, `${tookMs} ms, not ${idealMs}`);
});
