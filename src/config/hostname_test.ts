import assert from "node:assert/strict";
import { baseUrl, ipv6LiteralAdvice, parseServerHostname } from "./hostname.ts";

const NAMES: [string, ReturnType<typeof parseServerHostname>][] = [
  ["registry.example.com", { host: "registry.example.com", port: undefined, kind: "name" }],
  ["localhost:8080", { host: "localhost", port: 8080, kind: "name" }],
  ["10.0.0.7:443", { host: "10.0.0.7", port: 443, kind: "ipv4" }],
  ["[fd00::7]:8443", { host: "fd00::7", port: 8443, kind: "ipv6" }],
  ["[::1]", { host: "::1", port: undefined, kind: "ipv6" }],
  ["fd00::7", undefined],
  ["[fd00::zz]", undefined],
  ["10.0.0.256", undefined],
  ["https://registry", undefined],
  ["registry/path", undefined],
  ["registry:0", undefined],
  ["registry:70000", undefined],
  ["-registry", undefined],
  ["a..b", undefined],
  ["", undefined],
];
for (const [text, expected] of NAMES) {
  Deno.test(`parseServerHostname(${JSON.stringify(text)})`, () => {
    assert.deepEqual(parseServerHostname(text), expected);
  });
}

Deno.test("baseUrl() has no slash at its end", () => {
  assert.equal(baseUrl({ SERVER_HOSTNAME: "r:8443", PREFERRED_URL_SCHEME: "https" }), "https://r:8443");
});

Deno.test("ipv6LiteralAdvice() gives the lines to add", () => {
  const advice = ipv6LiteralAdvice("fd00::7", "edge.internal");
  assert.match(advice, /^ {2}fd00::7 edge\.internal$/m);
  assert.match(advice, /^ {2}edge\.internal\. IN AAAA fd00::7$/m);
});
