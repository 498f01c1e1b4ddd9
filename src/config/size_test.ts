import assert from "node:assert/strict";
import { sizeBytes } from "./size.ts";

Deno.test("sizeBytes() reads Quay's sizes", () => {
  assert.equal(sizeBytes("20G"), 20 * 1024 ** 3);
  assert.equal(sizeBytes("500M"), 500 * 1024 ** 2);
  assert.equal(sizeBytes("0M"), 0);
  assert.ok(Number.isSafeInteger(sizeBytes(`${"9".repeat(30)}G`)));
});

for (const text of ["", "G", "1.5G", "20g", "20 G", "-1M", "20GB"]) {
  Deno.test(`sizeBytes(${JSON.stringify(text)}) is refused`, () =>
    assert.throws(() => sizeBytes(text), RangeError));
}
