import { createMemoryDriver } from "../../src/drivers/storage/memory.ts";
import { storageDriverSuite } from "./driver_suite.ts";

storageDriverSuite("memory", () =>
  Promise.resolve({
    driver: createMemoryDriver(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));
