import { expect } from "@std/testing";
import { createHostGuard, isPublicAddress, type ResolvedAddress } from "./ssrf.ts";

const PUBLIC = [
  "1.1.1.1",
  "8.8.8.8",
  "100.63.255.255",
  "100.128.0.0",
  "172.15.0.1",
  "172.32.0.1",
  "192.167.1.1",
  "223.255.255.254",
  "2606:4700:4700::1111",
  "2a00:1450:4001::1",
  "::ffff:8.8.8.8",
  "::ffff:808:808",
  "64:ff9b::8.8.8.8",
];

const PRIVATE = [
  ["loopback", "127.0.0.1"],
  ["loopback", "127.255.255.255"],
  ["loopback, short", "127.1"],
  ["loopback, one number", "2130706433"],
  ["loopback, hexadecimal", "0x7f000001"],
  ["loopback, octal", "0177.0.0.1"],
  ["this network", "0.0.0.0"],
  ["this network", "0.1.2.3"],
  ["private", "10.0.0.1"],
  ["private", "172.16.0.1"],
  ["private", "172.31.255.255"],
  ["private", "192.168.1.1"],
  ["link-local: cloud metadata", "169.254.169.254"],
  ["CGNAT", "100.64.0.1"],
  ["CGNAT", "100.127.255.255"],
  ["IETF", "192.0.0.1"],
  ["documentation", "192.0.2.1"],
  ["6to4 relay", "192.88.99.1"],
  ["benchmarks", "198.18.0.1"],
  ["documentation", "198.51.100.1"],
  ["documentation", "203.0.113.1"],
  ["multicast", "224.0.0.1"],
  ["reserved", "240.0.0.1"],
  ["broadcast", "255.255.255.255"],
  ["unspecified", "::"],
  ["loopback", "::1"],
  ["loopback, long", "0:0:0:0:0:0:0:1"],
  ["link-local", "fe80::1"],
  ["link-local with zone", "fe80::1%eth0"],
  ["site-local", "fec0::1"],
  ["unique local", "fc00::1"],
  ["unique local", "fd12:3456:789a::1"],
  ["multicast", "ff02::1"],
  ["IPv4-mapped loopback", "::ffff:127.0.0.1"],
  ["IPv4-mapped loopback, hexadecimal", "::ffff:7f00:1"],
  ["IPv4-mapped private", "::ffff:10.0.0.1"],
  ["IPv4-mapped link-local", "::ffff:169.254.169.254"],
  ["IPv4-compatible", "::127.0.0.1"],
  ["IPv4-compatible", "::8.8.8.8"],
  ["IPv4-translated", "::ffff:0:127.0.0.1"],
  ["NAT64 of loopback", "64:ff9b::127.0.0.1"],
  ["NAT64 of private", "64:ff9b::a00:1"],
  ["NAT64 of CGNAT", "64:ff9b::100.64.0.1"],
  ["NAT64, local prefix", "64:ff9b:1::8.8.8.8"],
  ["6to4 of private", "2002:a00:1::"],
  ["6to4", "2002:808:808::"],
  ["Teredo", "2001::1"],
  ["documentation", "2001:db8::1"],
  ["documentation", "3fff::1"],
  ["discard", "100::1"],
  ["no address", "example.org"],
  ["nothing", ""],
] as const;

const none = () => Promise.resolve([]);

Deno.test("isPublicAddress(): global unicast and nothing else", () => {
  for (const address of PUBLIC) expect([address, isPublicAddress(address)]).toEqual([address, true]);
  for (const [what, address] of PRIVATE) {
    expect([what, address, isPublicAddress(address)]).toEqual([what, address, false]);
  }
});

Deno.test("assertPublicHost(): literal addresses, with and without brackets", async () => {
  const guard = createHostGuard([], none);
  for (const address of PUBLIC) await guard.assertPublicHost(address);
  await guard.assertPublicHost("[2606:4700:4700::1111]");
  for (const [, address] of PRIVATE) await expect(guard.assertPublicHost(address)).rejects.toThrow("SSRF");
  for (const host of ["[::1]", "[fd00::1]", "[::ffff:10.0.0.1]"]) {
    await expect(guard.assertPublicHost(host)).rejects.toThrow("public Internet");
  }
});

const NAMES: Readonly<Record<string, readonly ResolvedAddress[]>> = {
  "public.example": [{ address: "8.8.8.8", family: 4 }, { address: "2606:4700:4700::1111", family: 6 }],
  "inside.example": [{ address: "10.1.2.3", family: 4 }],
  "both.example": [{ address: "8.8.8.8", family: 4 }, { address: "10.1.2.3", family: 4 }],
  "mapped.example": [{ address: "::ffff:10.1.2.3", family: 6 }],
  "nat64.example": [{ address: "64:ff9b::10.1.2.3", family: 6 }],
  "ula.example": [{ address: "fd00:1::5", family: 6 }],
};
const resolver = (name: string) =>
  NAMES[name] === undefined ? Promise.reject(new Error("ENOTFOUND")) : Promise.resolve(NAMES[name]);

Deno.test("assertPublicHost(): names by every address they have, and the allow-list", async () => {
  const table: readonly [host: string, allowed: readonly string[], reachable: boolean][] = [
    ["public.example", [], true],
    ["PUBLIC.example.", [], true],
    ["inside.example", [], false],
    ["both.example", [], false],
    ["mapped.example", [], false],
    ["unknown.example", [], false],
    ["unknown.example", ["unknown.example"], false],
    ["inside.example", ["inside.example"], true],
    ["inside.example", ["INSIDE.example."], true],
    ["inside.example", ["side.example", "example"], false],
    ["inside.example", ["10.1.2.3"], true],
    ["inside.example", ["10.1.2.4"], false],
    ["inside.example", ["10.1.0.0/16"], true],
    ["inside.example", ["10.2.0.0/16"], false],
    ["mapped.example", ["10.1.0.0/16"], true],
    ["nat64.example", ["10.1.0.0/16"], true],
    ["nat64.example", [], false],
    ["both.example", ["10.1.2.3"], true],
    ["ula.example", ["fd00:1::/32"], true],
    ["ula.example", ["fd00:2::/32"], false],
    ["ula.example", ["10.0.0.0/8"], false],
    ["[::1]", ["[::1]"], true],
    ["[::1]", ["::1/128"], true],
    ["127.0.0.1", ["localhost"], false],
    ["127.0.0.1", ["127.0.0.0/8"], true],
    ["2130706433", ["127.0.0.1"], true],
    ["inside.example", ["", " ", "/", "10.1.0.0/99"], false],
  ];
  for (const [host, allowed, reachable] of table) {
    const outcome = await createHostGuard(allowed, resolver).assertPublicHost(host).then(
      () => true,
      () => false,
    );
    expect([host, allowed, outcome]).toEqual([host, allowed, reachable]);
  }
});

Deno.test("lookup(): gives what may be dialled, in node's two forms, and refuses the rest", async () => {
  const guard = createHostGuard(["inside.example"], resolver);
  const ask = (name: string, options: { all?: boolean; family?: number }) =>
    new Promise((done) =>
      guard.lookup(name, options, (error, ...rest) => done(error === null ? rest : error.message))
    );
  expect(await ask("public.example", { all: true })).toEqual([NAMES["public.example"]]);
  expect(await ask("public.example", {})).toEqual(["8.8.8.8", 4]);
  expect(await ask("public.example", { family: 6 })).toEqual(["2606:4700:4700::1111", 6]);
  expect(await ask("inside.example", {})).toEqual(["10.1.2.3", 4]);
  expect(await ask("both.example", { all: true })).toMatch("public Internet");
  expect(await ask("ula.example", {})).toMatch("public Internet");
  expect(await ask("unknown.example", {})).toMatch("public Internet");
  expect(await ask("inside.example", { family: 6 })).toMatch("public Internet");
});
