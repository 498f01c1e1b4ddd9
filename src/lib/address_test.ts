import assert from "node:assert/strict";
import { formatUrl, parseAddress } from "./address.ts";

const GOOD: [string, string | undefined, number][] = [
  [":8080", undefined, 8080],
  ["127.0.0.1:0", "127.0.0.1", 0],
  ["[::]:8443", "::", 8443],
  ["[fd00::1]:5000", "fd00::1", 5000],
  ["edge.example:80", "edge.example", 80],
];
for (const [text, hostname, port] of GOOD) {
  Deno.test(`parseAddress() takes ${text}`, () => assert.deepEqual(parseAddress(text), { hostname, port }));
}

for (const text of ["8080", "", "::1:80", "[::1]", "host:", "host:99999", "[::1]:-1", "a:b:1"]) {
  Deno.test(`parseAddress() refuses ${JSON.stringify(text)} in words`, () => {
    assert.throws(() => parseAddress(text), /is no address/);
  });
}

Deno.test("formatUrl() brackets IPv6 literals", () => {
  assert.equal(formatUrl("http", "::", 41234), "http://[::]:41234");
  assert.equal(formatUrl("https", "127.0.0.1", 1), "https://127.0.0.1:1");
});
