import { expect } from "@std/testing";
import { PartCollector } from "./part_collector.ts";
import { PartPool } from "./part_pool.ts";

const PART_BYTES = 1 << 19;
const poolOf = () =>
  new PartPool({ partBytes: PART_BYTES, most: 4, mostSlow: 4, patienceMs: 5000, waitMs: 5000 });
const { signal } = new AbortController();

Deno.test("PartCollector: whole parts are due as they fill, the rest stays; each buffer comes back", async () => {
  const pool = poolOf();
  const collector = new PartCollector({ pool, signal, asFailure: (error) => error });
  const sent: Uint8Array[] = [];
  const sendPart = () => collector.send((body) => Promise.resolve(void sent.push(body.slice())));
  const bytes = crypto.getRandomValues(new Uint8Array(65536));
  for (let i = 0; i < 17; i++) await collector.collect(bytes, sendPart);
  expect(sent.map(({ length }) => length)).toEqual([PART_BYTES, PART_BYTES]);
  expect(collector.usedBytes).toBe(65536);
  expect(collector.used()).toEqual(bytes);
  expect(sent[1]!.subarray(-65536)).toEqual(bytes);
  await collector.settle();
  collector.end();
  expect(pool.out).toBe(0);
  pool.close();
});

Deno.test("PartCollector: a small upload takes nothing of the pool", async () => {
  const pool = poolOf();
  const collector = new PartCollector({ pool, signal, asFailure: (error) => error });
  await collector.collect(new Uint8Array([1, 2, 3]), () => {
    throw new Error("no part is due");
  });
  expect([pool.out, [...collector.used()]]).toEqual([0, [1, 2, 3]]);
});

Deno.test("PartCollector: the first failure of a part, as the engine words it, ends the upload; its buffer comes back", async () => {
  const pool = poolOf();
  const collector = new PartCollector({ pool, signal, asFailure: (error) => new Error(`storage: ${error}`) });
  const sendPart = () => collector.send(() => Promise.reject("refused"));
  await collector.collect(new Uint8Array(PART_BYTES), sendPart);
  await expect(collector.settle()).rejects.toThrow("storage: refused");
  expect(() => collector.throwFailure()).toThrow("storage: refused");
  collector.end();
  expect(pool.out).toBe(0);
  pool.close();
});
