import type { FetchHandler } from "./listeners.ts";
import {
  type ContextHandler,
  type RequestContextDeps,
  withRequestContext,
} from "./middleware/request_context.ts";
import type { RegistryHandler } from "./registry/registry.ts";

/** A part of the site that takes whole requests, such as a Hono application's `fetch`. */
export type SurfaceHandler = (request: Request, context: SurfaceContext) => Response | Promise<Response>;

export interface SurfaceContext {
  readonly requestId: string;
  readonly clientAddress: string;
  /** Scheme and host under which the client reached us; of the trusted proxy when there is one. */
  readonly scheme: "http" | "https";
  readonly host: string;
}

export interface Surfaces {
  readonly registry: RegistryHandler;
  readonly api: SurfaceHandler;
  readonly health: SurfaceHandler;
  readonly keys: SurfaceHandler;
  /** Consent of people, and tokens of applications. */
  readonly oauth: SurfaceHandler;
  /** Everything else: what a browser asks for. */
  readonly web: SurfaceHandler;
}

/** The mount table: the first prefix that fits. `/v2` stands first because it is asked for most. */
const MOUNTS: readonly { readonly prefix: string; readonly surface: Exclude<keyof Surfaces, "registry"> }[] =
  [
    { prefix: "/api/v1", surface: "api" },
    { prefix: "/health", surface: "health" },
    { prefix: "/status", surface: "health" },
    { prefix: "/_internal_ping", surface: "health" },
    { prefix: "/v1", surface: "health" },
    { prefix: "/secscan/_internal_ping", surface: "health" },
    { prefix: "/keys", surface: "keys" },
    { prefix: "/oauth", surface: "oauth" },
    { prefix: "/oauth2", surface: "oauth" },
  ];

/** One listener's handler: names the request, finds its surface, measures and logs. */
export function createServer(surfaces: Surfaces, deps: RequestContextDeps): FetchHandler {
  const handle: ContextHandler = (request, context) => {
    const path = pathOf(request.url);
    if (path === "/v2" || path.startsWith("/v2/")) {
      context.route = "registry";
      return surfaces.registry(request, registryContext(context));
    }
    const surface = MOUNTS.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))?.surface ??
      "web";
    context.route = surface;
    const { client } = context;
    return surfaces[surface](request, {
      requestId: context.requestId,
      clientAddress: client.address,
      scheme: client.scheme,
      host: client.host,
    });
  };
  return withRequestContext(deps, handle);
}

/** Worked out when asked for: the hot path asks for neither. */
function registryContext(context: Parameters<ContextHandler>[1]) {
  return {
    get requestId() {
      return context.requestId;
    },
    get clientAddress() {
      return context.client.address;
    },
    get scheme() {
      return context.client.scheme;
    },
    get host() {
      return context.client.host;
    },
    /** The handler's name for metrics and the log, e.g. `manifest`. */
    set route(name: string) {
      context.route = name;
    },
  };
}

/** The path of an absolute URL without its query. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return "/";
  const query = url.indexOf("?", start);
  return query < 0 ? url.slice(start) : url.slice(start, query);
}
