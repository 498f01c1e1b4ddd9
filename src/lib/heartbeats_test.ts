import assert from "node:assert/strict";
import { allBeating, beat, createHeartbeats } from "./heartbeats.ts";

Deno.test("allBeating() wants a beat of every thread within five seconds", () => {
  let nowMs = 1_000_000;
  const now = () => nowMs;
  const memory = createHeartbeats(2);
  assert.equal(allBeating(memory, now), false, "nobody has started");
  const stopFirst = beat(memory, 0, now);
  assert.equal(allBeating(memory, now), false, "the second has not started");
  const stopSecond = beat(memory, 1, now);
  assert.equal(allBeating(memory, now), true);
  stopFirst();
  stopSecond();
  nowMs += 5_000;
  assert.equal(allBeating(memory, now), true);
  nowMs += 1;
  assert.equal(allBeating(memory, now), false, "both are silent for longer");
});
