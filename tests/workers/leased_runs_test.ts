import assert from "node:assert/strict";
import type { Deps } from "../../src/domain/deps.ts";
import { LeasedRuns } from "../../src/workers/leased_runs.ts";
import { pause } from "../../src/lib/pause.ts";

Deno.test("LeasedRuns: a run that failed rests, also where a claim is under way that does not know it yet", async () => {
  let free = true;
  let started = 0;
  const deps = { config: { REGISTRY_STATE: "normal" }, now: Date.now } as Deps;
  const runs: LeasedRuns = new LeasedRuns(deps, {
    table: "orgmirrorconfig",
    what: "a test",
    most: 2,
    everyMs: 3_600_000,
    async claim({ except }) {
      // The first is at once, the next ones are slow, and look at the row when they arrive.
      if (started > 0) await pause(200);
      if (!free || except.includes(1)) return undefined;
      free = false;
      return 1;
    },
    async run({ id }) {
      started++;
      await pause(20);
      await runs.release(id, () => Promise.resolve(free = true), true);
    },
  });
  await pause(1500);
  await runs.stop();
  assert.equal(started, 1);
});
