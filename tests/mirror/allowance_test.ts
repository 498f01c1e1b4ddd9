import assert from "node:assert/strict";
import { Allowance } from "../../src/domain/mirroring/allowance.ts";
import { MirrorPaused } from "../../src/domain/mirroring/limits.ts";
import { Time } from "./virtual_time.ts";

function pausedOf(allowance: Allowance): MirrorPaused | undefined {
  try {
    allowance.check();
    return undefined;
  } catch (error) {
    if (error instanceof MirrorPaused) return error;
    throw error;
  }
}

Deno.test("a rate holds over pieces of any size, and waits in slices of a second", async () => {
  const time = new Time();
  const allowance = new Allowance({ bytesPerSecond: 1000 }, time.now, time);
  const startedMs = time.nowMs;
  for (const bytes of [10, 500, 2490, 7000]) await allowance.took(bytes, 1).done;
  assert.equal(time.nowMs - startedMs, 10_000);
  assert.ok(time.pauses.every((ms) => ms <= 1000));
});

Deno.test("nobody saves up while idle, but for what a timer may be late", async () => {
  const time = new Time();
  const allowance = new Allowance({ bytesPerSecond: 1000 }, time.now, time);
  time.nowMs += 3600_000;
  const startedMs = time.nowMs;
  await allowance.took(3000, 1).done;
  assert.equal(time.nowMs - startedMs, 2980);
});

Deno.test("a rate that is changed acts on a wait that is under way", async () => {
  const time = new Time();
  const allowance = new Allowance({ bytesPerSecond: 1 }, time.now, time);
  const startedMs = time.nowMs;
  time.onPause = (count) => count === 1 && allowance.change({ bytesPerSecond: 1_000_000 });
  await allowance.took(1_000_001, 1).done;
  assert.equal(time.nowMs - startedMs, 2000);
  const payment = allowance.took(10_000_000, 1);
  allowance.change({});
  await payment.done;
  assert.ok(time.nowMs - startedMs <= 3000, "no more than the pause that had begun");
  assert.equal(allowance.took(10_000_000, 1).done, undefined);
});

Deno.test("a wait ends when a window closes meanwhile, for all that wait", async () => {
  const time = new Time();
  const allowance = new Allowance({ bytesPerSecond: 1, windows: ["11:00-12:01"] }, time.now, time);
  const payments = [1, 2].map((owner) => allowance.took(1000, owner).done);
  for (const done of payments) {
    await assert.rejects(
      async () => await done,
      ({ untilMs }: MirrorPaused) => untilMs === Date.parse("2026-11-27T11:00:00Z"),
    );
  }
  assert.equal(time.nowMs, Date.parse("2026-11-26T12:01:00Z"));
});

Deno.test("outside its windows it pauses until the next one opens", () => {
  const time = new Time();
  const allowance = new Allowance({ windows: ["22:00-23:00", "02:00-05:00 Europe/Berlin"] }, time.now, time);
  assert.equal(pausedOf(allowance)?.untilMs, Date.parse("2026-11-26T22:00:00Z"));
  time.nowMs = Date.parse("2026-11-26T22:30:00Z");
  assert.equal(pausedOf(allowance), undefined);
  time.nowMs = Date.parse("2026-11-26T23:00:00Z");
  const paused = pausedOf(allowance);
  assert.equal(paused?.untilMs, Date.parse("2026-11-27T01:00:00Z"));
  assert.match(
    paused?.why ?? "",
    /window \(22:00-23:00, 02:00-05:00 Europe\/Berlin\), until 2026-11-27T01:00Z/,
  );
});

Deno.test("a budget that is used up pauses until the next day or month, inside a window", () => {
  const time = new Time();
  const allowance = new Allowance({ dailyBytes: 100, monthlyBytes: 250 }, time.now, time);
  allowance.took(99, 1);
  assert.equal(pausedOf(allowance), undefined);
  allowance.took(1, 1);
  assert.equal(pausedOf(allowance)?.untilMs, Date.parse("2026-11-27T00:00:00Z"));
  assert.equal(allowance.takeUnsaved(), 100);

  // What other nodes took counts, and a new day begins at nothing.
  allowance.loaded({ dayBytes: 120, monthBytes: 240 });
  assert.notEqual(pausedOf(allowance), undefined);
  time.nowMs = Date.parse("2026-11-27T00:00:00Z");
  assert.equal(pausedOf(allowance), undefined);
  allowance.took(10, 1);
  const paused = pausedOf(allowance);
  assert.equal(paused?.untilMs, Date.parse("2026-12-01T00:00:00Z"));
  assert.match(paused?.why ?? "", /250 bytes that it may fetch in a month/);

  allowance.change({ dailyBytes: 1, windows: ["06:00-07:00"] });
  assert.equal(pausedOf(allowance)?.untilMs, Date.parse("2026-11-28T06:00:00Z"));
  time.nowMs = Date.parse("2026-12-01T06:00:00Z");
  allowance.takeUnsaved();
  assert.equal(pausedOf(allowance), undefined);
});
