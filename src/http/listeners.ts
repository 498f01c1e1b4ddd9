import { formatUrl } from "../lib/address.ts";
import { pause } from "../lib/pause.ts";

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

export type FetchHandler = (
  request: Request,
  info: Deno.ServeHandlerInfo<Deno.NetAddr>,
) => Response | Promise<Response>;

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
      throw new Deno.errors.AddrInUse(`${url} is in use: stop what listens there or choose another address`, {
        cause,
      });
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
  let closed = false;
  (async () => {
    while (!closed) {
      try {
        (await listener.accept()).close();
      } catch {
        // Out of descriptors: IPv4 waits in the queue until there are some, and is refused then.
        await pause(REOPEN_MS);
      }
    }
  })();
  return {
    close: () => {
      closed = true;
      listener.close();
    },
  };
}

/** Pause before listening again, so that descriptors can come free meanwhile. */
const REOPEN_MS = 200;

/**
 * One listener of one thread. `Deno.serve` ends for good when a connection cannot be taken, as when descriptors have run
 * out: it is opened again then, and requests that run go on.
 *
 * `Deno.HttpServer.shutdown` lets responses finish but cuts off request bodies that are still being read (Deno 2.9.6), and
 * that is what an upload is. So a server is shut down only once no handler of it runs: until then new requests of a
 * listener that stops are refused with 503, those of one whose certificate was replaced are served a last time.
 */
export class Listener {
  #server: Server;
  #tls: TlsPair | undefined;
  #stopping = false;

  constructor(readonly spec: ListenerSpec, private readonly handler: FetchHandler, tls?: TlsPair) {
    this.#tls = tls;
    this.#server = this.#open();
  }

  #open(): Server {
    const server = new Server(this.spec, this.handler, this.#tls);
    server.failed.catch(() => this.#reopen(server));
    return server;
  }

  /** Takes the place of `failed`, unless another one has. */
  #reopen(failed: Server): void {
    setTimeout(() => {
      if (this.#stopping || this.#server !== failed) return;
      try {
        this.#server = this.#open();
      } catch {
        this.#reopen(failed);
      }
    }, REOPEN_MS);
  }

  /** Connections from now on get the new pair; what runs under the old one finishes. */
  replaceTls(tls: TlsPair): void {
    const old = this.#server;
    this.#tls = tls;
    this.#server = this.#open();
    old.retire("serving").catch(() => {/* its connections are gone */});
  }

  /** Refuses new requests; resolves when the running ones have ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#server.retire("refusing");
  }
}

class Server {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #running = 0;
  #retiring: "serving" | "refusing" | undefined;
  readonly #idle = Promise.withResolvers<void>();

  constructor({ hostname, port }: ListenerSpec, private readonly handler: FetchHandler, tls?: TlsPair) {
    const options = { hostname, port, reusePort: true, onListen: () => {}, tcpBacklog: 1024, ...tls };
    this.#server = Deno.serve(options, (request, info) => this.#answer(request, info));
  }

  /** Rejects when it takes no more connections although nobody has asked it to stop. */
  get failed(): Promise<void> {
    return this.#server.finished;
  }

  async #answer(request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>): Promise<Response> {
    if (this.#retiring === "refusing") return refusal();
    this.#running++;
    try {
      const answer = await this.handler(request, info);
      const response = request.method === "HEAD" ? withoutBody(answer) : answer;
      return this.#retiring === undefined ? response : lastOnItsConnection(response);
    } finally {
      this.#running--;
      this.#checkIdle();
    }
  }

  async retire(how: "serving" | "refusing"): Promise<void> {
    this.#retiring = how;
    this.#checkIdle();
    await this.#idle.promise;
    await this.#server.shutdown();
  }

  #checkIdle(): void {
    if (this.#retiring !== undefined && this.#running === 0) this.#idle.resolve();
  }
}

/** Deno leaves the body of an answer to HEAD away over HTTP/1.1, but sends it over HTTP/2, where clients take that ill. */
function withoutBody(response: Response): Response {
  if (response.body === null) return response;
  response.body.cancel().catch(() => {/* nobody reads it */});
  return new Response(null, { status: response.status, headers: response.headers });
}

function lastOnItsConnection(response: Response): Response {
  const headers = new Headers(response.headers);
  headers.set("Connection", "close");
  return new Response(response.body, { status: response.status, headers });
}

function refusal(): Response {
  return new Response("the registry is stopping; try again soon\n", {
    status: 503,
    headers: { Connection: "close", "Retry-After": "5" },
  });
}
