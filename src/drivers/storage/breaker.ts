import { AppError } from "../../lib/errors.ts";
import type { StorageDriver } from "./driver.ts";

/** Failures in a row after which an engine is taken for down. */
const FAILURES = 3;
/** How long it is left alone then, before one call may try again. */
const REST_MS = 15_000;
/** A read that has not begun by then is given to another engine. */
const READ_MS = 5_000;

export interface Breaker {
  readonly driver: StorageDriver;
  /** True while calls are refused without being tried. */
  isDown(): boolean;
}

/**
 * `driver` behind a circuit breaker, for sites with more than one engine: an engine that is down costs its callers nothing,
 * so that they can use another. Reads get a limit of time as well.
 */
export function withBreaker(name: string, driver: StorageDriver, now: () => number = Date.now): Breaker {
  let failures = 0;
  let restUntilMs = 0;
  const isDown = () => failures >= FAILURES && now() < restUntilMs;

  async function guard<T>(call: () => Promise<T>): Promise<T> {
    if (isDown()) {
      const cause = new Error(`${name} has failed ${failures} times in a row; it is tried again in a moment`);
      throw new AppError("storage_unavailable", "storage cannot be used now; retry later", {}, { cause });
    }
    // Of those that come after a rest one tries, and the others go on resting.
    if (failures >= FAILURES) restUntilMs = now() + REST_MS;
    try {
      const result = await call();
      failures = 0;
      return result;
    } catch (error) {
      if (error instanceof AppError && error.code === "storage_unavailable") {
        if (++failures >= FAILURES) restUntilMs = now() + REST_MS;
      } else failures = 0;
      throw error;
    }
  }

  return {
    isDown,
    driver: {
      ...driver,
      stat: (key) => guard(() => within(driver.stat(key))),
      read: (key, offset, length) =>
        guard(() => within(driver.read(key, offset, length), (late) => void late.cancel().catch(() => {}))),
      write: (key, body, signal) => guard(() => driver.write(key, body, signal)),
      move: (from, to) => guard(() => driver.move(from, to)),
      remove: (key) => guard(() => driver.remove(key)),
      probe: () => guard(() => driver.probe()),
      append: (key, offset, turn) =>
        guard(async () => {
          const appender = await driver.append(key, offset, turn);
          return { ...bound(appender), close: (options) => guard(() => appender.close(options)) };
        }),
    },
  };
}

function bound(appender: Awaited<ReturnType<StorageDriver["append"]>>) {
  return {
    ...(appender.collects !== undefined && { collects: appender.collects }),
    write: (chunk: Uint8Array) => appender.write(chunk),
    abort: () => appender.abort(),
  };
}

/** @param drop gets a result that comes too late */
async function within<T>(call: Promise<T>, drop: (late: T) => void = () => {}): Promise<T> {
  let isLate = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      isLate = true;
      const cause = new Error(`no answer within ${READ_MS / 1000} s`);
      reject(new AppError("storage_unavailable", "storage cannot be used now; retry later", {}, { cause }));
    }, READ_MS);
  });
  call.then((result) => isLate && drop(result), () => {});
  return await Promise.race([call, limit]).finally(() => clearTimeout(timer));
}
