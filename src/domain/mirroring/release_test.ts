import assert from "node:assert/strict";
import { type Mirror, SYNC_STATUS } from "./model.ts";
import { nextStartMs, releaseOf } from "./release.ts";

const HOUR = 3600_000;

Deno.test("nextStartMs() keeps the grid of the first start, before and after it, also after missed turns", () => {
  const mirror = { startMs: 10 * HOUR, intervalS: 3600 };
  assert.equal(nextStartMs(mirror, 10 * HOUR + 1), 11 * HOUR);
  assert.equal(nextStartMs(mirror, 10 * HOUR), 11 * HOUR);
  assert.equal(nextStartMs(mirror, 99.5 * HOUR), 100 * HOUR);
  assert.equal(nextStartMs(mirror, 8.5 * HOUR), 9 * HOUR, "a run that was asked for before the start");
  assert.equal(nextStartMs({ startMs: null, intervalS: 60 }, 1000), 61_000);
});

Deno.test("nextStartMs() interval 0: never by itself", () => {
  assert.equal(nextStartMs({ startMs: 0, intervalS: 0 }, 5), null);
});

Deno.test("releaseOf() failures keep their start until the tries are used up; a success resets them", () => {
  const mirror = { startMs: 10 * HOUR, intervalS: 3600, retriesRemaining: 2 } as Mirror;
  const failed = { kind: "failed", reason: "not_found", message: "", tags: [], failed: [] } as const;
  assert.deepEqual(releaseOf(mirror, failed, 10.5 * HOUR), {
    status: SYNC_STATUS.FAIL,
    startMs: 10 * HOUR,
    retriesRemaining: 1,
  });
  assert.deepEqual(releaseOf({ ...mirror, retriesRemaining: 1 }, failed, 10.5 * HOUR), {
    status: SYNC_STATUS.FAIL,
    startMs: 11 * HOUR,
    retriesRemaining: 3,
  });
  assert.deepEqual(releaseOf(mirror, { kind: "success" }, 10.5 * HOUR), {
    status: SYNC_STATUS.SUCCESS,
    startMs: 11 * HOUR,
    retriesRemaining: 3,
  });
});
