import assert from "node:assert/strict";
import { Turnstile } from "./waiting.ts";

const { signal } = new AbortController();
const idle = () => new Promise((resolve) => setTimeout(resolve, 0));

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
    }, signal)
  );
  await idle();
  gates[0]!.resolve();
  await all[0];
  assert.equal(highest, 1);
  most = 3;
  gates[1]!.resolve();
  await all[1];
  await idle();
  assert.equal(inside, 3, "as many as may be, though only one has left");
  for (const gate of gates) gate.resolve();
  await Promise.all(all);
  assert.equal(highest, 3);
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("Turnstile: one owner's two do not wait behind another's thousand", async () => {
  const turnstile = new Turnstile(() => 1);
  const order: string[] = [];
  const work = (owner: string) =>
    turnstile.run(
      () => {
        order.push(owner);
        return idle();
      },
      signal,
      owner,
    );
  const large = Array.from({ length: 1000 }, () => work("large"));
  const small = [work("small"), work("small")];
  await Promise.all(small);
  assert.deepEqual(order, ["large", "large", "small", "large", "small"]);
  await Promise.all(large);
});

Deno.test("Turnstile: who is stopped waits no longer, and holds no place", async () => {
  const turnstile = new Turnstile(() => 1);
  const held = Promise.withResolvers<void>();
  const holder = turnstile.run(() => held.promise, signal, "a");
  const stop = new AbortController();
  const nothing = () => Promise.resolve("ran");
  const waiting = turnstile.run(nothing, stop.signal, "b");
  stop.abort(new Error("stopped"));
  await assert.rejects(waiting, /stopped/);
  await assert.rejects(turnstile.run(nothing, stop.signal), /stopped/);

  // Let in and stopped at the same moment: the place is given back.
  const late = new AbortController();
  const next = turnstile.run(nothing, late.signal, "b");
  held.resolve();
  await holder;
  late.abort(new Error("too late"));
  await next.catch(() => {});
  assert.equal(await turnstile.run(nothing, signal), "ran");
});
