import type { Deps } from "../../domain/deps.ts";
import { createManifestLookup } from "../../domain/content/manifest_lookup.ts";
import { createUploadWorkspace, type UploadWorkspace } from "../../domain/content/upload_workspace.ts";
import { asAppError } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import { challengeHeaders, type RegistryRequest, requireToken } from "./base.ts";
import { handleBlob } from "./blobs.ts";
import { handleCatalog } from "./catalog.ts";
import {
  errorResponse,
  methodNotAllowed,
  recoveryResponse,
  statusOf,
  unexpectedResponse,
  unknownRoute,
} from "./errors.ts";
import { handleManifest, type ManifestDeps } from "./manifests.ts";
import { handleReferrers } from "./referrers.ts";
import { parseRegistryPath, type RegistryRoute, type RouteOf, splitUrl } from "./route.ts";
import { handleTags } from "./tags.ts";
import { handleToken } from "./token.ts";
import { handleUploads } from "./uploads.ts";

/** What the mounting server knows of a request besides the request itself; read only where it is needed. */
export interface RegistryContext {
  readonly requestId: string;
  readonly clientAddress: string;
  readonly scheme: "http" | "https";
  readonly host: string;
  /** Takes the name of the handler, for metrics and the log. */
  set route(kind: string);
}

type RegistryDeps = ManifestDeps & { readonly uploads: UploadWorkspace };

export type RegistryHandler = (raw: Request, context: RegistryContext) => Promise<Response>;

/** Methods that each kind of path takes; HEAD wherever GET is. */
const METHODS: Readonly<Record<RegistryRoute["kind"], readonly string[]>> = {
  base: ["GET", "HEAD"],
  token: ["GET"],
  catalog: ["GET", "HEAD"],
  tags: ["GET", "HEAD"],
  manifest: ["GET", "HEAD", "PUT", "DELETE"],
  referrers: ["GET", "HEAD"],
  uploads: ["POST"],
  upload: ["GET", "HEAD", "PATCH", "PUT", "DELETE"],
  blob: ["GET", "HEAD", "DELETE"],
};

/**
 * Everything below `/v2` as one function, mounted with `app.all("/v2/*", …)` and `/v2`: a manifest request costs a scan
 * of its path and the lookup, no chain of middleware. OCI distribution-spec 1.1; Quay's token authentication.
 * Never rejects: each failure becomes a response, and an unexpected one is logged once.
 */
export function registryRoutes(deps: Deps): RegistryHandler {
  if (deps.config.ACCOUNT_RECOVERY_MODE) return () => Promise.resolve(recoveryResponse());
  const own: RegistryDeps = { ...deps, lookup: createManifestLookup(deps), uploads: createUploadWorkspace() };

  return async (raw, context) => {
    const { path, search } = splitUrl(raw.url);
    const route = parseRegistryPath(path);
    if (route === undefined) return unknownRoute();
    context.route = route.kind;
    const request = new ReadRequest(raw, route, search, context);
    const methods = METHODS[route.kind];
    if (!methods.includes(raw.method)) return methodNotAllowed(methods.join(", "));
    try {
      return await dispatch(own, request);
    } catch (thrown) {
      return failure(deps, request, thrown);
    }
  };
}

/** A request whose path was read. The context is asked for nothing that no handler asks for. */
class ReadRequest implements RegistryRequest {
  constructor(
    readonly raw: Request,
    readonly route: RegistryRoute,
    readonly search: string,
    private readonly context: RegistryContext,
  ) {}
  get requestId(): string {
    return this.context.requestId;
  }
  get clientAddress(): string {
    return this.context.clientAddress;
  }
  get scheme(): "http" | "https" {
    return this.context.scheme;
  }
  get host(): string {
    return this.context.host;
  }
}

function dispatch(deps: RegistryDeps, request: RegistryRequest): Promise<Response> {
  const { route } = request;
  switch (route.kind) {
    case "manifest":
      return handleManifest(deps, narrowed(request, route));
    case "blob":
      return handleBlob(deps, narrowed(request, route));
    case "uploads":
    case "upload":
      return handleUploads(deps, narrowed(request, route));
    case "tags":
      return handleTags(deps, narrowed(request, route));
    case "referrers":
      return handleReferrers(deps, narrowed(request, route));
    case "catalog":
      return handleCatalog(deps, narrowed(request, route));
    case "token":
      return handleToken(deps, narrowed(request, route));
    case "base":
      return handleBase(deps, request);
  }
}

/** The same object, its route's kind known. */
function narrowed<Kind extends RegistryRoute["kind"]>(
  request: RegistryRequest,
  _route: RouteOf<Kind>,
): RegistryRequest<RouteOf<Kind>> {
  return request as RegistryRequest<RouteOf<Kind>>;
}

/** GET /v2/: whether this is a registry, and whether the token holds. */
async function handleBase(deps: Deps, request: RegistryRequest): Promise<Response> {
  if (!deps.config.FEATURE_ADVERTISE_V2) return unknownRoute();
  await requireToken(deps, request);
  return new Response("true", {
    headers: { "Docker-Distribution-API-Version": "registry/2.0", "Content-Type": "application/json" },
  });
}

function failure(deps: Deps, request: RegistryRequest, thrown: unknown): Response {
  const error = asAppError(thrown);
  if (error instanceof AppError) {
    const unauthorized = statusOf(error.code) === 401 && request.route.kind !== "token";
    return errorResponse(error, unauthorized ? challengeHeaders(deps, request) : {});
  }
  deps.log.error("registry request failed", {
    requestId: request.requestId,
    method: request.raw.method,
    route: request.route.kind,
    error: thrown instanceof Error ? thrown.stack ?? thrown.message : String(thrown),
  });
  return unexpectedResponse(request.requestId);
}
