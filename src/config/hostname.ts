import { isIP, isIPv6 } from "node:net";
import type { Config } from "./schema.ts";

/** `SERVER_HOSTNAME` taken apart. `host` is without the brackets of an IPv6 literal. */
export interface ServerName {
  host: string;
  port: number | undefined;
  kind: "name" | "ipv4" | "ipv6";
}

/** Reads `host`, `host:port`, `1.2.3.4:port` or `[v6]:port`. `undefined` when it is none of them. */
export function parseServerHostname(text: string): ServerName | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+))(?::([0-9]{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const host = match[1] ?? match[2] ?? "";
  const port = match[3] === undefined ? undefined : Number(match[3]);
  if (port !== undefined && (port === 0 || port > 65535)) return undefined;
  if (match[1] !== undefined) return isIPv6(host) ? { host, port, kind: "ipv6" } : undefined;
  if (isIP(host) === 4) return { host, port, kind: "ipv4" };
  // All digits and dots, but no address: a mistyped one.
  if (/^[0-9.]+$/.test(host)) return undefined;
  const labels = host.replace(/\.$/, "").split(".");
  const wellFormed = host.length <= 253 &&
    labels.every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label));
  return wellFormed ? { host, port, kind: "name" } : undefined;
}

/** What clients write before the first slash of an image name, and the `service` of tokens. */
export function registryHost(config: Pick<Config, "SERVER_HOSTNAME">): string {
  return config.SERVER_HOSTNAME;
}

/** `https://registry.example.com:8443`, without a slash at the end. */
export function baseUrl(config: Pick<Config, "SERVER_HOSTNAME" | "PREFERRED_URL_SCHEME">): string {
  return `${config.PREFERRED_URL_SCHEME}://${config.SERVER_HOSTNAME}`;
}

/** Why podman users cannot reach an appliance whose name is an IPv6 literal, and what to do about it. */
export function ipv6LiteralAdvice(address: string, name = "registry.internal"): string {
  return `podman, skopeo and buildah refuse an IPv6 literal in an image name ("invalid reference format"); Docker takes it. ` +
    `Give the appliance a name, for example with this line in /etc/hosts of each client:\n  ${address} ${name}\n` +
    `or this DNS record:\n  ${name}. IN AAAA ${address}`;
}
