import { expect } from "@std/testing";
import { AppError } from "../../lib/errors.ts";
import { PartPool } from "./part_pool.ts";

const never = new AbortController().signal;
const poolOf = (overrides: object = {}) =>
  new PartPool({ partBytes: 10, most: 2, mostSlow: 3, patienceMs: 5, waitMs: 40, ...overrides });

Deno.test("PartPool: a buffer that is given back goes to who waits, and is the same memory", async () => {
  const pool = poolOf({ patienceMs: 10_000, waitMs: 10_000 });
  const [first, second] = [await pool.take(never), await pool.take(never)];
  expect(pool.tryTake()).toBeUndefined();
  const third = pool.take(never);
  pool.give(second);
  expect(await third).toBe(second);
  pool.give(second);
  expect(pool.tryTake()).toBe(second);
  pool.give(first);
  pool.give(second);
  expect(pool.out).toBe(0);
  pool.close();
});

Deno.test("PartPool: while others sit on their buffers a few more are made, and then uploads are refused", async () => {
  const pool = poolOf();
  const held = [await pool.take(never), await pool.take(never), await pool.take(never)];
  expect(pool.out).toBe(3);
  const error = await pool.take(never).catch((error) => error);
  expect(error).toBeInstanceOf(AppError);
  expect(error.code).toBe("storage_unavailable");
  for (const buffer of held) pool.give(buffer);
  expect(pool.out).toBe(0);
  pool.close();
});

Deno.test("PartPool: who is stopped while waiting leaves the queue", async () => {
  const pool = poolOf({ patienceMs: 10_000, waitMs: 10_000 });
  const held = [await pool.take(never), await pool.take(never)];
  const stop = new AbortController();
  const stopped = pool.take(stop.signal);
  const waiting = pool.take(never);
  stop.abort(new Error("gone"));
  await expect(stopped).rejects.toThrow("gone");
  pool.give(held[0]!);
  expect(await waiting).toBe(held[0]);
  pool.close();
});
