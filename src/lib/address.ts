/** Where a listener binds. An absent host means "as `FEATURE_LISTEN_IP_VERSION` says". */
export interface Address {
  readonly hostname: string | undefined;
  readonly port: number;
}

/**
 * Reads `host:port`, `[v6]:port` or `:port`; port 0 takes a free one.
 * @throws {RangeError} with words for the operator
 */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9A-Fa-f:.%a-z]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new RangeError(
      `"${text}" is no address: write host:port, [v6]:port or :port (port 0 takes a free one)`,
    );
  }
  const hostname = match[1] ?? match[2];
  return { hostname: hostname === "" ? undefined : hostname, port };
}

/** `http://[::]:8080`; IPv6 literals get their brackets. */
export function formatUrl(scheme: string, hostname: string, port: number): string {
  return `${scheme}://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}
