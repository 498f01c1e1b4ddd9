import assert from "node:assert/strict";
import { ByteCache } from "./byte_cache.ts";

Deno.test("ByteCache keeps what was used last and stays within its bytes", () => {
  const cache = new ByteCache<number>(80);
  for (let key = 0; key < 8; key++) cache.set(key, new Uint8Array(10));
  cache.get(0);
  cache.set(8, new Uint8Array(10));
  assert.equal(cache.sizeBytes, 80);
  assert.ok(cache.get(0));
  assert.equal(cache.get(1), undefined);
  cache.set(9, new Uint8Array(11));
  assert.equal(cache.get(9), undefined);
});
