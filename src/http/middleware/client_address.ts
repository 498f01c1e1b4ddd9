import ipaddr from "ipaddr.js";
import type { Config } from "../../config/schema.ts";

/** Who asked, and under which name and scheme the client knows this registry. */
export interface ClientView {
  /** IPv4 dotted, or IPv6 in its shortest form; never an IPv4-mapped IPv6 address. */
  readonly address: string;
  readonly scheme: "http" | "https";
  /** `host[:port]` as the client wrote it. */
  readonly host: string;
}

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

/** What the connection itself tells. */
export interface Connection {
  readonly peer: string;
  readonly scheme: "http" | "https";
  /** The Host header, or the URL's authority. */
  readonly host: string;
}

/**
 * Makes the reader of `X-Forwarded-For`, `-Proto` and `-Host`. They count only when the peer itself is in
 * `TRUSTED_PROXY_CIDR`; of the chain, at most `PROXY_COUNT` hops are walked back, and only over trusted ones, so that
 * what a client wrote itself is never reached.
 * @throws {RangeError} naming a CIDR that is none
 */
export function clientViewReader(
  config: Pick<Config, "TRUSTED_PROXY_CIDR" | "PROXY_COUNT">,
): (connection: Connection, headers: Headers) => ClientView {
  const networks = parseNetworks(config.TRUSTED_PROXY_CIDR);
  const trusts = (ip: Ip) =>
    networks.some(([network, bits]) => network.kind() === ip.kind() && ip.match([network, bits] as never));

  return ({ peer, scheme, host }, headers) => {
    const own = { address: normalizeAddress(peer), scheme, host };
    if (networks.length === 0) return own;
    const peerIp = parseIp(peer);
    if (peerIp === undefined || !trusts(peerIp)) return own;
    const hops = listOf(headers.get("x-forwarded-for"));
    let client = peerIp;
    for (let walked = 0; walked < config.PROXY_COUNT && trusts(client); walked++) {
      const before = parseIp(hops[hops.length - 1 - walked]);
      if (before === undefined) break;
      client = before;
    }
    const proto = fromLast(listOf(headers.get("x-forwarded-proto")), config.PROXY_COUNT)?.toLowerCase();
    const forwardedHost = fromLast(listOf(headers.get("x-forwarded-host")), config.PROXY_COUNT);
    return {
      address: client.toString(),
      scheme: proto === "http" || proto === "https" ? proto : scheme,
      host: forwardedHost !== undefined && HOST.test(forwardedHost) ? forwardedHost : host,
    };
  };
}

const HOST = /^(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:\d{1,5})?$/;

/** `::ffff:192.0.2.1` is `192.0.2.1`: a dual-stack listener shows IPv4 peers so. Other text comes back as it is. */
export function normalizeAddress(text: string): string {
  if (!text.includes(":")) return text;
  return parseIp(text)?.toString() ?? text;
}

/** Reads `a.b.c.d`, `a.b.c.d:port`, IPv6, `[IPv6]` and `[IPv6]:port`; a zone is dropped. */
function parseIp(text: string | undefined): Ip | undefined {
  const bare = text?.trim()
    .replace(/^\[([^\]]*)\](:\d+)?$/, "$1")
    .replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, "$1")
    .replace(/%.*$/, "");
  // ipaddr.js also reads `1`, `0x7f.1` and octal; no proxy writes an address so.
  if (bare === undefined || !(bare.includes(":") || /^\d+\.\d+\.\d+\.\d+$/.test(bare))) return undefined;
  return ipaddr.isValid(bare) ? ipaddr.process(bare) : undefined;
}

function parseNetworks(value: Config["TRUSTED_PROXY_CIDR"]): [Ip, number][] {
  const texts = value === null ? [] : Array.isArray(value) ? value : value.split(",");
  return texts.map((text) => text.trim()).filter((text) => text !== "").map((text) => {
    const [address, bits] = text.split("/", 2);
    const ip = address === undefined || !ipaddr.isValid(address) ? undefined : ipaddr.parse(address);
    if (ip === undefined) {
      throw new RangeError(`TRUSTED_PROXY_CIDR: "${text}" is no network, such as 10.0.0.0/8`);
    }
    const width = ip.kind() === "ipv4" ? 32 : 128;
    const length = bits === undefined ? width : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
    if (length < 0 || length > width) {
      throw new RangeError(`TRUSTED_PROXY_CIDR: the prefix length of "${text}" is not 0 to ${width}`);
    }
    const mapped = ip.kind() === "ipv6" && (ip as ipaddr.IPv6).isIPv4MappedAddress() && length >= 96;
    return mapped ? [(ip as ipaddr.IPv6).toIPv4Address(), length - 96] : [ip, length];
  });
}

function listOf(header: string | null): string[] {
  return header === null ? [] : header.split(",").map((part) => part.trim());
}

/** What the outermost of `count` proxies said: each appends one value, unless it replaces them all. */
function fromLast(values: readonly string[], count: number): string | undefined {
  return values[Math.max(0, values.length - Math.max(1, count))];
}
