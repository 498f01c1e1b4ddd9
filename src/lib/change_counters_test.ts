import assert from "node:assert/strict";
import { ChangeCounters } from "./change_counters.ts";

Deno.test("ChangeCounters: a change is seen through the shared memory, by its id and by everybody", () => {
  const memory = ChangeCounters.allocate(1024);
  const writer = new ChangeCounters(memory);
  const reader = new ChangeCounters(memory);
  const before = reader.count(7);
  const other = reader.count(8);
  writer.changed(7);
  assert.notEqual(reader.count(7), before);
  assert.equal(reader.count(8), other, "another id has another counter here");
  const all = reader.count(7);
  writer.allChanged();
  assert.notEqual(reader.count(7), all);
  assert.notEqual(reader.count(8), other);
});

Deno.test("ChangeCounters: every id finds a counter, however many there are", () => {
  const counters = new ChangeCounters(ChangeCounters.allocate(2));
  for (const id of [0, 1, 2, 3, 2 ** 31 - 1]) {
    const before = counters.count(id);
    counters.changed(id);
    assert.notEqual(counters.count(id), before, `${id}`);
  }
});
