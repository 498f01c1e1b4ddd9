import assert from "node:assert/strict";
import { Rotation } from "./rotation.ts";

function drain<T>(rotation: Rotation<T>): T[] {
  const items: T[] = [];
  for (let item = rotation.shift(); item !== undefined; item = rotation.shift()) items.push(item);
  return items;
}

Deno.test("Rotation: owners in turn, each in its own order, however many another has", () => {
  const rotation = new Rotation<string>();
  for (let i = 1; i <= 4; i++) rotation.add("a", `a${i}`);
  rotation.add("b", "b1");
  rotation.add("c", "c1");
  assert.equal(rotation.first(), "a1");
  assert.equal(rotation.shift(), "a1");
  rotation.add("b", "b2");
  assert.deepEqual(drain(rotation), ["b1", "c1", "a2", "b2", "a3", "a4"]);
  assert.equal(rotation.isEmpty, true);
  assert.equal(rotation.first(), undefined);
});

Deno.test("Rotation: who leaves is passed over, and an owner without any is forgotten", () => {
  const rotation = new Rotation<string>();
  for (const item of ["a1", "a2", "b1"]) rotation.add(item[0], item);
  assert.equal(rotation.remove("a", "a1"), true);
  assert.equal(rotation.remove("a", "a1"), false);
  assert.equal(rotation.remove("b", "b1"), true);
  assert.equal(rotation.remove("nobody", "x"), false);
  assert.deepEqual(drain(rotation), ["a2"]);
});
