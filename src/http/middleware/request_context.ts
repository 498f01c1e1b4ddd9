import type { Logger, LogLevel } from "../../lib/logger.ts";
import type { Metrics } from "../../lib/metrics.ts";
import { isTracing, nameRequestSpan } from "../../lib/telemetry.ts";
import type { ClientView, Connection } from "./client_address.ts";

type ServeInfo = Deno.ServeHandlerInfo<Deno.NetAddr>;

/** A handler that also learns who asks; it names itself by setting `context.route`. */
export type ContextHandler = (
  request: Request,
  context: RequestContext,
  info: ServeInfo,
) => Response | Promise<Response>;

export interface RequestContextDeps {
  readonly metrics: Pick<Metrics, "requestDuration">;
  readonly log: Logger;
  readonly readClient: (connection: Connection, headers: Headers) => ClientView;
  /** Of the listener. */
  readonly scheme: "http" | "https";
  /** Milliseconds that only ever grow. */
  readonly clock?: () => number;
}

/** What belongs to one request. Worked out only when asked for: most requests of the hot path never do. */
export class RequestContext {
  /** The handler's name, for metrics and the log: never the URL. */
  route = "unknown";
  #id: string | undefined;
  #client: ClientView | undefined;

  constructor(
    private readonly request: Request,
    private readonly info: ServeInfo,
    private readonly deps: RequestContextDeps,
  ) {}

  /** The client's `X-Request-Id` when it is sane, else one of our own. */
  get requestId(): string {
    return this.#id ??= acceptRequestId(this.request.headers.get("x-request-id")) ?? newRequestId();
  }

  get client(): ClientView {
    return this.#client ??= this.deps.readClient({
      peer: this.info.remoteAddr.hostname,
      scheme: this.deps.scheme,
      host: this.request.headers.get("host") ?? new URL(this.request.url).host,
    }, this.request.headers);
  }
}

/**
 * Wraps a listener's handler: measures, logs and names each request. Successful reads are logged at `debug`, writes
 * and refusals at `info`, failures of ours at `warn`; no header and no query is ever logged. What `handle` throws
 * nevertheless is logged with its stack and answered with a plain 500 that carries the request id.
 */
export function withRequestContext(
  deps: RequestContextDeps,
  handle: ContextHandler,
): (request: Request, info: ServeInfo) => Promise<Response> {
  const { log, metrics, clock = () => performance.now() } = deps;
  return async (request, info) => {
    const startMs = clock();
    const context = new RequestContext(request, info, deps);
    let response: Response;
    try {
      response = await handle(request, context, info);
    } catch (error) {
      log.error("request failed", { error, requestId: context.requestId, route: context.route });
      response = new Response(`internal error; request ${context.requestId}\n`, { status: 500 });
    }
    const { status } = response;
    const durationMs = clock() - startMs;
    const method = METHODS.has(request.method) ? request.method : "OTHER";
    metrics.requestDuration.labels(method, context.route, String(status)).observe(durationMs / 1000);
    if (isTracing()) {
      const attributes = { "http.route": context.route, "quaylet.request_id": context.requestId };
      nameRequestSpan(`${method} ${context.route}`, attributes);
    }
    if (status >= 400) response = withRequestId(response, context.requestId);
    const level = levelOf(method, status);
    if (log.enabled?.(level) ?? true) {
      log[level]("request", {
        method,
        path: loggedPath(request.url),
        route: context.route,
        status,
        bytes: Number(response.headers.get("content-length") ?? 0),
        durationMs: Math.round(durationMs * 100) / 100,
        client: context.client.address,
        requestId: context.requestId,
      });
    }
    return response;
  };
}

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** A missing blob and a first request without a token are how every push and pull begins. */
function levelOf(method: string, status: number): LogLevel {
  if (status >= 500) return "warn";
  const reads = method === "GET" || method === "HEAD";
  return reads && (status < 400 || status === 401 || status === 404) ? "debug" : "info";
}

/** The path without query, cut, and without the one secret that Quay puts into a path. */
function loggedPath(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const path = start < 0 ? "/" : url.slice(start).replace(/[?#].*$/s, "");
  return path.replace(/^(\/+health\/+enabledebug\/).*/s, "$1[redacted]").slice(0, 512);
}

function acceptRequestId(text: string | null): string | undefined {
  return text !== null && /^[A-Za-z0-9._-]{8,64}$/.test(text) ? text : undefined;
}

/** Random once a thread and counted from there: unique without asking the system for each. */
const threadId = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
let requestCount = 0;

function newRequestId(): string {
  return `${threadId}${(++requestCount).toString(16).padStart(8, "0")}`;
}

function withRequestId(response: Response, requestId: string): Response {
  try {
    response.headers.set("x-request-id", requestId);
    return response;
  } catch {
    // An answer passed on from an upstream has headers that cannot be changed.
    const headers = new Headers(response.headers);
    headers.set("x-request-id", requestId);
    return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
  }
}
