import assert from "node:assert/strict";
import type { Logger } from "../lib/logger.ts";
import { startPeriodic } from "./periodic.ts";

const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silent,
  enabled: () => false,
};

Deno.test("startPeriodic() goes on after a failure, never overlaps, and stop waits for what runs", async () => {
  let started = 0;
  let atOnce = 0;
  let most = 0;
  let finished = 0;
  const thrice = Promise.withResolvers<void>();
  const stop = startPeriodic([{
    name: "test",
    everyMs: 1,
    atStart: true,
    run: async () => {
      most = Math.max(most, ++atOnce);
      if (++started === 3) thrice.resolve();
      await new Promise((resolve) => setTimeout(resolve, 5));
      atOnce--;
      finished++;
      if (started === 1) throw new Error("once");
    },
  }], silent);
  await thrice.promise;
  await stop();
  assert.equal(most, 1);
  assert.equal(finished, started, "stop waited");
});
