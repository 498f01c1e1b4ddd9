import { formatUrl } from "../lib/address.ts";

/** A port that all HTTP worker threads of this node share by `SO_REUSEPORT`. */
export interface ListenerSpec {
  readonly surface: "http" | "https";
  readonly hostname: string;
  readonly port: number;
}

export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

export type FetchHandler = (request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>) => Response | Promise<Response>;

export type IpVersion = "IPv4" | "IPv6" | "dual-stack";

/** The wildcard address of an IP version. `::` takes IPv4 as well unless {@link refuseIpv4} stands beside it. */
export function wildcard(version: IpVersion): string {
  return version === "IPv4" ? "0.0.0.0" : "::";
}

/**
 * Takes `port` (0: a free one) for the worker threads: fails when anybody, this program included, listens there already,
 * which `SO_REUSEPORT` alone would let pass unseen. The caller closes the reservation once the threads listen.
 * @throws {Deno.errors.AddrInUse} naming the URL
 */
export function reservePort(spec: ListenerSpec): { spec: ListenerSpec; release(): void } {
  let exclusive: Deno.TcpListener;
  try {
    exclusive = Deno.listen({ hostname: spec.hostname, port: spec.port });
  } catch (cause) {
    const url = formatUrl(spec.surface, spec.hostname, spec.port);
    if (cause instanceof Deno.errors.AddrInUse) {
      throw new Deno.errors.AddrInUse(`${url} is in use: stop what listens there or choose another address`, { cause });
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Deno.errors.AddrNotAvailable(`cannot listen on ${url}: ${reason}`, { cause });
  }
  const port = (exclusive.addr as Deno.NetAddr).port;
  exclusive.close();
  const shared = Deno.listen({ hostname: spec.hostname, port, reusePort: true });
  return { spec: { ...spec, port }, release: () => shared.close() };
}

/**
 * Makes an IPv6-only listener refuse IPv4. Neither `Deno.serve` nor `node:net` can set IPV6_V6ONLY, but Linux prefers
 * an IPv4 listener of the same port for IPv4 connections: this one takes them and closes them before a byte is read.
 */
export function refuseIpv4(port: number): { close(): void } {
  const listener = Deno.listen({ hostname: "0.0.0.0", port, reusePort: true });
  (async () => {
    for await (const connection of listener) connection.close();
  })().catch(() => {/* the listener was closed */});
  return { close: () => listener.close() };
}

/**
 * One listener of one thread. `replaceTls` starts a second listener with the new pair on the same port before the old
 * one stops taking connections; requests that run under the old one finish.
 */
export class Listener {
  #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(readonly spec: ListenerSpec, private readonly handler: FetchHandler, tls?: TlsPair) {
    this.#server = this.#serve(tls);
  }

  #serve(tls: TlsPair | undefined): Deno.HttpServer<Deno.NetAddr> {
    const { hostname, port } = this.spec;
    return Deno.serve({ hostname, port, reusePort: true, onListen: () => {}, tcpBacklog: 1024, ...tls }, this.handler);
  }

  replaceTls(tls: TlsPair): void {
    const old = this.#server;
    this.#server = this.#serve(tls);
    old.shutdown().catch(() => {/* its connections are gone */});
  }

  /** Takes no more connections; resolves when the running requests have ended. */
  async stop(): Promise<void> {
    await this.#server.shutdown();
  }
}
