import assert from "node:assert/strict";
import { Turnstile } from "./waiting.ts";

Deno.test("Turnstile: first come, first served, never more than so many; a raised number acts on those who wait", async () => {
  let most = 1;
  const turnstile = new Turnstile(() => most);
  const order: number[] = [];
  let inside = 0;
  let highest = 0;
  const gates = Array.from({ length: 8 }, () => Promise.withResolvers<void>());
  const all = gates.map((gate, index) =>
    turnstile.run(async () => {
      order.push(index);
      highest = Math.max(highest, ++inside);
      await gate.promise;
      inside--;
    })
  );
  await Promise.resolve();
  gates[0]!.resolve();
  await all[0];
  assert.equal(highest, 1);
  most = 3;
  gates[1]!.resolve();
  await all[1];
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(inside, 3, "as many as may be, though only one has left");
  for (const gate of gates) gate.resolve();
  await Promise.all(all);
  assert.equal(highest, 3);
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7]);
});
