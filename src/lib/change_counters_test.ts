import assert from "node:assert/strict";
import { ChangeCounters } from "./change_counters.ts";

Deno.test("ChangeCounters: a change is seen through the shared memory, by its key and by everybody", () => {
  const memory = ChangeCounters.allocate(1024);
  const writer = new ChangeCounters(memory);
  const reader = new ChangeCounters(memory);
  const before = reader.count("devs/app");
  const other = reader.count("devs/base");
  writer.changed("devs/app");
  assert.notEqual(reader.count("devs/app"), before);
  assert.equal(reader.count("devs/base"), other, "another key has another counter here");
  const all = reader.count("devs/app");
  writer.allChanged();
  assert.notEqual(reader.count("devs/app"), all);
  assert.notEqual(reader.count("devs/base"), other);
});

Deno.test("ChangeCounters: every key finds a counter, whatever the size", () => {
  const counters = new ChangeCounters(ChangeCounters.allocate(2));
  for (const key of ["", "a", "ü", "x".repeat(300)]) {
    const before = counters.count(key);
    counters.changed(key);
    assert.notEqual(counters.count(key), before, key);
  }
});
