import { expect } from "@std/testing";
import { AppError } from "../../lib/errors.ts";
import { withBreaker } from "./breaker.ts";
import { createMemoryDriver } from "./memory.ts";

function failing() {
  const memory = createMemoryDriver();
  const state = { isOff: true, asked: 0, nowMs: 0 };
  const driver = {
    ...memory,
    stat: (key: string) => {
      state.asked++;
      return state.isOff ? Promise.reject(new AppError("storage_unavailable", "off")) : memory.stat(key);
    },
  };
  return { state, breaker: withBreaker("east", driver, () => state.nowMs) };
}

Deno.test("withBreaker(): refuses after three failures in a row, lets one try after a rest, and all when it works", async () => {
  const { state, breaker: { driver, isDown } } = failing();
  for (let n = 0; n < 5; n++) await expect(driver.stat("a")).rejects.toThrow(AppError);
  expect([state.asked, isDown()]).toEqual([3, true]);
  state.nowMs += 15_000;
  expect(isDown()).toBe(false);
  await Promise.allSettled([driver.stat("a"), driver.stat("a"), driver.stat("a")]);
  expect([state.asked, isDown()]).toEqual([4, true]);
  state.nowMs += 15_000;
  state.isOff = false;
  await driver.stat("a");
  await Promise.all([driver.stat("a"), driver.stat("a")]);
  expect([state.asked, isDown()]).toEqual([7, false]);
});

Deno.test("withBreaker(): what is not the engine's fault does not count", async () => {
  const { breaker: { driver, isDown } } = failing();
  for (let n = 0; n < 5; n++) await expect(driver.read("absent")).rejects.toThrow("no such object");
  expect(isDown()).toBe(false);
});
