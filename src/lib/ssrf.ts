/**
 * Keeps requests that others make us send (mirrors, webhooks, issuers of tokens, callbacks) away from the inside of our own
 * network: only addresses of the public Internet may be reached, and what `SSRF_ALLOWED_HOSTS` names. Ask
 * {@link HostGuard.assertPublicHost} when an address is saved, for the words; connect with {@link HostGuard.lookup}, so that
 * the address that is dialled is the one that was looked at.
 */
import { lookup as resolve } from "node:dns/promises";
import ipaddr from "ipaddr.js";
import { AppError } from "./errors.ts";

type IpAddress = ipaddr.IPv4 | ipaddr.IPv6;

/** An address as `node:dns` gives it. */
export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** Every address of a name. @throws when there is none */
export type Resolver = (name: string) => Promise<readonly ResolvedAddress[]>;

/** The option `lookup` of `node:net`, `node:tls` and undici's `connect`. */
export type Lookup = (
  name: string,
  options: { readonly all?: boolean | undefined; readonly family?: number | "IPv4" | "IPv6" | undefined },
  done: (error: Error | null, address?: string | ResolvedAddress[], family?: number) => void,
) => void;

export interface HostGuard {
  /**
   * Resolves when every address of the host may be dialled.
   * @param host a name or a literal address, as `new URL().hostname` gives it (with or without brackets)
   * @throws {AppError} `invalid_request`; an unknown name and a private one are told apart by nothing
   */
  assertPublicHost(host: string): Promise<void>;
  /**
   * {@link assertPublicHost} for what is only used later, over a link that may be down now: {@link lookup} must guard it then.
   * @returns false for a name that does not resolve
   * @throws {AppError} `invalid_request`
   */
  assertPublicIfKnown(host: string): Promise<boolean>;
  /**
   * For dial time: resolves names and refuses when one address may not be reached. Connections to literal addresses never
   * ask it: {@link assertPublicHost} must be asked about the URL as well.
   */
  readonly lookup: Lookup;
  /** Whether that address may be dialled when `host` was asked for. */
  isReachable(host: string, address: string): boolean;
}

/**
 * @param allowed `SSRF_ALLOWED_HOSTS`: host names (and then whatever they resolve to), addresses, and networks as
 *   `address/bits`
 */
export function createHostGuard(allowed: readonly string[], resolver: Resolver = resolveName): HostGuard {
  const { names, networks } = readAllowed(allowed);
  const isReachable = (host: string, address: string): boolean => {
    if (names.has(bareHost(host))) return true;
    const parsed = parseAddress(address);
    if (parsed === undefined) return false;
    const seen = [parsed, embeddedIpv4(parsed)].filter((one) => one !== undefined);
    return seen.some((one) => networks.some(([network, bits]) => isWithin(one, network, bits))) ||
      isPublic(parsed);
  };
  /** None for a name that does not resolve. */
  const knownAddressesOf = async (host: string): Promise<readonly ResolvedAddress[]> => {
    const name = bareHost(host);
    const literal = parseAddress(name);
    const found = literal === undefined
      ? await resolver(name).catch(() => [])
      : [{ address: literal.toString(), family: literal.kind() === "ipv4" ? 4 : 6 }];
    if (!found.every(({ address }) => isReachable(name, address))) throw refused(name);
    return found;
  };
  const addressesOf = async (host: string): Promise<readonly ResolvedAddress[]> => {
    const found = await knownAddressesOf(host);
    if (found.length === 0) throw refused(bareHost(host));
    return found;
  };
  return {
    isReachable,
    assertPublicHost: async (host) => void await addressesOf(host),
    assertPublicIfKnown: async (host) => (await knownAddressesOf(host)).length > 0,
    lookup: (name, { all, family }, done) => {
      addressesOf(name).then((found) => {
        const wanted = family === 4 || family === "IPv4" ? 4 : family === 6 || family === "IPv6" ? 6 : 0;
        const usable = found.filter((one) => wanted === 0 || one.family === wanted);
        const [first] = usable;
        if (first === undefined) throw refused(bareHost(name));
        if (all) done(null, usable.map(({ address, family }) => ({ address, family })));
        else done(null, first.address, first.family);
      }).catch((error) => done(error));
    },
  };
}

/**
 * Whether `text` is an address of the public Internet. IPv4 inside IPv6 (mapped, NAT64) counts as what it is; tunnels
 * (6to4, Teredo) and everything outside global unicast do not.
 */
export function isPublicAddress(text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && isPublic(address);
}

function isPublic(address: IpAddress): boolean {
  const inner = embeddedIpv4(address);
  if (inner !== undefined) return inner.range() === "unicast";
  if (address.range() !== "unicast") return false;
  // Of IPv6 only 2000::/3 has been given out (RFC 4291 §2.4): `::a.b.c.d` and the like lead nowhere good.
  return address instanceof ipaddr.IPv4 || (address.parts[0]! & 0xe000) === 0x2000;
}

/** The IPv4 address that an IPv4-mapped (RFC 4291) or NAT64 (RFC 6052, the well-known prefix) one leads to. */
function embeddedIpv4(address: IpAddress): ipaddr.IPv4 | undefined {
  if (!(address instanceof ipaddr.IPv6)) return undefined;
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  const nat64 = ipaddr.IPv6.parse("64:ff9b::");
  return address.match(nat64, 96) ? new ipaddr.IPv4(address.toByteArray().slice(12)) : undefined;
}

/** Also the spellings that the system's resolver takes for IPv4: `127.1`, `0x7f000001`, `017700000001`. */
function parseAddress(text: string): IpAddress | undefined {
  // The library takes `::a.b.c.d` (IPv4-compatible, deprecated) for IPv4-mapped; to everybody else it is another address.
  const exact = text.replace(/^::(?=\d+\.)/, "::0:");
  if (text.length > 64 || !ipaddr.isValid(exact)) return undefined;
  return ipaddr.parse(exact);
}

function isWithin(address: IpAddress, network: IpAddress, bits: number): boolean {
  return address.kind() === network.kind() && address.match(network as never, bits);
}

function readAllowed(entries: readonly string[]) {
  const names = new Set<string>();
  const networks: [IpAddress, number][] = [];
  for (const entry of entries) {
    const text = bareHost(entry.trim());
    const address = parseAddress(text);
    if (address !== undefined) networks.push([address, address.kind() === "ipv4" ? 32 : 128]);
    else if (ipaddr.isValidCIDR(text)) networks.push(ipaddr.parseCIDR(text));
    else if (text !== "") names.add(text);
  }
  return { names, networks };
}

/** Lower-case, without brackets and the root's dot. */
function bareHost(host: string): string {
  const bare = host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
  return bare.toLowerCase().replace(/\.$/, "");
}

function resolveName(name: string): Promise<ResolvedAddress[]> {
  return resolve(name, { all: true });
}

function refused(host: string): AppError {
  return new AppError(
    "invalid_request",
    `The host ${
      host.slice(0, 255)
    } has no address on the public Internet; an administrator can allow it in SSRF_ALLOWED_HOSTS`,
  );
}
