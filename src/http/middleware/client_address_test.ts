import { expect } from "@std/testing";
import { clientViewReader, normalizeAddress } from "./client_address.ts";

const view = (
  cidr: string | string[] | null,
  peer: string,
  headers: Record<string, string> = {},
  PROXY_COUNT = 1,
) =>
  clientViewReader({ TRUSTED_PROXY_CIDR: cidr, PROXY_COUNT })(
    { peer, scheme: "http", host: "registry:8080" },
    new Headers(headers),
  );

const ADDRESSES: [
  name: string,
  cidr: string | string[] | null,
  count: number,
  peer: string,
  xff: string,
  client: string,
][] = [
  ["no trusted proxy", null, 1, "10.0.0.1", "203.0.113.9", "10.0.0.1"],
  ["peer outside the network", "10.0.0.0/8", 1, "192.0.2.1", "203.0.113.9", "192.0.2.1"],
  ["peer inside", "10.0.0.0/8", 1, "10.0.0.1", "203.0.113.9", "203.0.113.9"],
  ["IPv4-mapped peer", "10.0.0.0/8", 1, "::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"],
  ["IPv4-mapped network", "::ffff:10.0.0.0/104", 1, "10.0.0.1", "203.0.113.9", "203.0.113.9"],
  ["IPv6 proxy and client", "2001:db8::/32", 1, "2001:db8::1", "2001:DB8:0:0::9", "2001:db8::9"],
  ["a forged entry before the proxy's", "10.0.0.0/8", 1, "10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"],
  ["forged, with more hops allowed", "10.0.0.0/8", 3, "10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"],
  ["two proxies", "10.0.0.0/8", 2, "10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"],
  ["two proxies, one counted", "10.0.0.0/8", 1, "10.0.0.1", "203.0.113.9, 10.0.0.2", "10.0.0.2"],
  ["port behind IPv4", "10.0.0.0/8", 1, "10.0.0.1", "203.0.113.9:4711", "203.0.113.9"],
  ["port behind IPv6", "10.0.0.0/8", 1, "10.0.0.1", "[2001:db8::5]:4711", "2001:db8::5"],
  ["no address", "10.0.0.0/8", 1, "10.0.0.1", "unknown", "10.0.0.1"],
  ["octal is no address", "10.0.0.0/8", 1, "10.0.0.1", "0x7f.1", "10.0.0.1"],
  ["empty header", "10.0.0.0/8", 1, "10.0.0.1", "", "10.0.0.1"],
  ["several networks in one text", "192.168.0.0/16, 10.0.0.0/8", 1, "10.0.0.1", "203.0.113.9", "203.0.113.9"],
  ["several networks in a list", ["192.168.0.0/16", "10.0.0.1"], 1, "10.0.0.1", "203.0.113.9", "203.0.113.9"],
];

for (const [name, cidr, count, peer, xff, client] of ADDRESSES) {
  Deno.test(`clientViewReader() X-Forwarded-For: ${name}`, () => {
    expect(view(cidr, peer, { "x-forwarded-for": xff }, count).address).toBe(client);
  });
}

Deno.test("clientViewReader() takes scheme and host only from a trusted proxy", () => {
  const headers = { "x-forwarded-proto": "https", "x-forwarded-host": "registry.example" };
  expect(view("10.0.0.0/8", "10.0.0.1", headers)).toMatchObject({
    scheme: "https",
    host: "registry.example",
  });
  expect(view("10.0.0.0/8", "10.1.1.1", headers, 2)).toMatchObject({
    scheme: "https",
    host: "registry.example",
  });
  expect(view("10.0.0.0/8", "192.0.2.1", headers)).toMatchObject({ scheme: "http", host: "registry:8080" });
});

Deno.test("clientViewReader() ignores a host or scheme that is none", () => {
  for (const host of ["a b", "evil.example/path", "user@evil", "[::1"]) {
    expect(view("10.0.0.0/8", "10.0.0.1", { "x-forwarded-host": host }).host).toBe("registry:8080");
  }
  expect(view("10.0.0.0/8", "10.0.0.1", { "x-forwarded-proto": "gopher" }).scheme).toBe("http");
  expect(view("10.0.0.0/8", "10.0.0.1", { "x-forwarded-host": "[2001:db8::1]:8443" }).host)
    .toBe("[2001:db8::1]:8443");
});

Deno.test("clientViewReader() names a network that is none", () => {
  for (const cidr of ["10.0.0.0/33", "proxy.example", "10.0.0.0/x", "::/129"]) {
    expect(() => view(cidr, "10.0.0.1")).toThrow(/TRUSTED_PROXY_CIDR/);
  }
});

Deno.test("normalizeAddress() unmaps IPv4 and shortens IPv6", () => {
  expect(normalizeAddress("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(normalizeAddress("2001:0db8:0:0:0:0:0:1")).toBe("2001:db8::1");
  expect(normalizeAddress("192.0.2.1")).toBe("192.0.2.1");
});
