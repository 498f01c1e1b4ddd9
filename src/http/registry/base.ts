import type { Origin } from "../../domain/access/access.ts";
import type { Deps } from "../../domain/deps.ts";
import {
  type RegistryAction,
  type RegistryToken,
  verifyRegistryToken,
} from "../../domain/access/registry_tokens.ts";
import {
  findRepository,
  REPOSITORY_STATE,
  type RepositoryRef,
} from "../../domain/repositories/repositories.ts";
import { AppError } from "../../lib/errors.ts";
import { parseRepositoryName, type RepositoryName } from "../../oci/reference.ts";
import type { RegistryRoute } from "./route.ts";

/** One request below `/v2`, its path already read. Handlers are plain functions from this to a response. */
export interface RegistryRequest<Route extends RegistryRoute = RegistryRoute> {
  readonly raw: Request;
  readonly route: Route;
  /** The raw query, `""` or starting with `?`. */
  readonly search: string;
  readonly requestId: string;
  /** Of the peer, or of the client that a trusted proxy names. */
  readonly clientAddress: string;
  /** Under which the client reached us; of the trusted proxy when there is one. */
  readonly scheme: "http" | "https";
  readonly host: string;
}

/** The query of a request that has one; parsed when asked for. */
export function queryOf(request: RegistryRequest): URLSearchParams {
  return new URLSearchParams(request.search);
}

/**
 * The verified bearer token of the request. Basic credentials are not taken here: they belong to `/v2/auth`.
 * @throws {AppError} `unauthenticated` without one, `invalid_token` for one that does not hold
 */
export function requireToken(deps: Deps, request: RegistryRequest): Promise<RegistryToken> {
  const header = request.raw.headers.get("authorization");
  if (header === null || header.length < 8 || header.slice(0, 7).toLowerCase() !== "bearer ") {
    throw new AppError("unauthenticated", "access to the requested resource is not authorized");
  }
  return verifyRegistryToken(deps, header.slice(7).trim());
}

/** Where the request came from, for the action log. */
export function originOf(request: RegistryRequest): Origin {
  const ip = request.clientAddress;
  const userAgent = request.raw.headers.get("user-agent");
  return userAgent === null ? { ip } : { ip, userAgent: userAgent.slice(0, USER_AGENT_MAX_CHARS) };
}

const USER_AGENT_MAX_CHARS = 512;

/** Reads a name by the site's rules. @throws {AppError} `name_invalid` */
export function readRepositoryName({ config }: Pick<Deps, "config">, text: string): RepositoryName {
  return parseRepositoryName(text, {
    nested: config.FEATURE_EXTENDED_REPOSITORY_NAMES,
    ...(config.FEATURE_LIBRARY_SUPPORT && { libraryNamespace: config.LIBRARY_NAMESPACE }),
  });
}

/** A name that the request's token opens for one action. */
export interface Grant {
  readonly token: RegistryToken;
  readonly repository: RepositoryName;
}

/**
 * Checks the bearer token for `action` on `name` without asking the database.
 * @throws {AppError} `name_invalid`, `unauthenticated`, `invalid_token`, `insufficient_scope` (Quay: 401 as well)
 */
export async function requireGrant(
  deps: Deps,
  request: RegistryRequest,
  name: string,
  action: RegistryAction,
): Promise<Grant> {
  const token = await requireToken(deps, request);
  const repository = readRepositoryName(deps, name);
  if (!grants(deps, token, repository, name, action)) {
    throw new AppError("insufficient_scope", "access to the requested resource is not authorized");
  }
  return { token, repository };
}

function grants(
  { config }: Pick<Deps, "config">,
  token: RegistryToken,
  repository: RepositoryName,
  requested: string,
  action: RegistryAction,
): boolean {
  const actions = token.grants.get(`${repository.namespace}/${repository.name}`) ??
    token.grants.get(requested);
  if (actions !== undefined && (actions.has(action) || actions.has("*"))) return true;
  if (action === "pull" && token.globalReadonlySuperuser) return true;
  return token.superuser && config.FEATURE_SUPERUSERS_FULL_ACCESS;
}

/** A repository and who asks for it. */
export interface Access {
  readonly token: RegistryToken;
  readonly repository: RepositoryRef;
}

/**
 * The repository of `name`, once the bearer token allows `action` on it. A push is refused here too when the registry or
 * the repository takes none by now, however old the token is.
 * @throws {AppError} as {@link requireGrant}; `name_unknown`, `namespace_disabled`, `unsupported` (an application
 *   repository), `registry_readonly`, `repository_readonly`
 */
export async function requireRepository(
  deps: Deps,
  request: RegistryRequest,
  name: string,
  action: "pull" | "push",
): Promise<Access> {
  const grant = await requireGrant(deps, request, name, action);
  if (action === "push") refuseWhenReadonly(deps);
  const repository = await findRepository(deps.sql, grant.repository.namespace, grant.repository.name);
  if (repository === undefined) throw nameUnknown(name);
  if (!repository.namespaceEnabled) throw namespaceDisabled(repository.namespace);
  if (repository.kind !== "image") throw notAnImageRepository();
  if (action === "push") refuseByState(repository, grant.token);
  return { token: grant.token, repository };
}

export const nameUnknown = (name: string) => new AppError("name_unknown", "repository not found", { name });

export const namespaceDisabled = (namespace: string) =>
  new AppError("namespace_disabled", `namespace ${namespace} is disabled`, { namespace });

export const notAnImageRepository = () =>
  new AppError("unsupported", "this repository holds applications, not images");

/** @throws {AppError} `registry_readonly` under `REGISTRY_STATE: readonly` */
export function refuseWhenReadonly({ config }: Pick<Deps, "config">): void {
  if (config.REGISTRY_STATE === "readonly") {
    throw new AppError(
      "registry_readonly",
      "the registry is in read-only mode: nothing can be written to it now",
    );
  }
}

/** @throws {AppError} `pushes_disabled` under `DISABLE_PUSHES` */
export function refuseWhenPushesDisabled({ config }: Pick<Deps, "config">): void {
  if (config.DISABLE_PUSHES) throw new AppError("pushes_disabled", "pushes are disabled on this registry");
}

/** A mirrored repository takes pushes of its robot only, and the token endpoint grants them to nobody else. */
function refuseByState(repository: RepositoryRef, token: RegistryToken): void {
  switch (repository.state) {
    case REPOSITORY_STATE.READ_ONLY:
      throw new AppError("repository_readonly", "the repository is read-only");
    case REPOSITORY_STATE.MIRROR:
    case REPOSITORY_STATE.ORG_MIRROR:
      if (token.kind !== "robot") {
        throw new AppError("repository_readonly", "the repository is a mirror: only its mirror writes to it");
      }
  }
}

/** Where clients get a token: Quay's realm and service, and what to ask for. */
function challenge({ config }: Pick<Deps, "config">, request: RegistryRequest): string {
  const { route } = request;
  let header = `Bearer realm="${realmOrigin(config, request)}/v2/auth",service="${config.SERVER_HOSTNAME}"`;
  if ("name" in route && NAME_IN_SCOPE.test(route.name)) {
    header += `,scope="repository:${route.name}:${neededActions(request)}${mountSource(request)}"`;
  }
  return header;
}

/** The status of an upload is read by who pushes it. */
function neededActions({ raw, route }: RegistryRequest): string {
  const ofUpload = route.kind === "upload" || route.kind === "uploads";
  return !ofUpload && (raw.method === "GET" || raw.method === "HEAD") ? "pull" : "pull,push";
}

/** A mount reads from a second repository: one token can be asked for both. */
function mountSource(request: RegistryRequest): string {
  const from = request.route.kind === "uploads" && request.search !== ""
    ? queryOf(request).get("from")
    : null;
  return from !== null && NAME_IN_SCOPE.test(from) ? ` repository:${from}:pull` : "";
}

/** What may stand in a challenge: nothing that could end its quotes. */
const NAME_IN_SCOPE = /^[a-z0-9._/-]{1,255}$/;

/** Without a configured name (the embedded default) the one that the client used is the one that works for it. */
function realmOrigin(config: Deps["config"], request: RegistryRequest): string {
  if (config.SERVER_HOSTNAME === DEFAULT_HOSTNAME && /^[A-Za-z0-9.:[\]_-]{1,255}$/.test(request.host)) {
    return `${request.scheme}://${request.host}`;
  }
  // Who reached that very name by TLS reaches it so again, even where the configuration still says http.
  const tls = request.scheme === "https" && request.host === config.SERVER_HOSTNAME;
  return `${tls ? "https" : config.PREFERRED_URL_SCHEME}://${config.SERVER_HOSTNAME}`;
}

const DEFAULT_HOSTNAME = "localhost:8080";

/** Headers of `/v2/` and of each 401. */
export function challengeHeaders(
  deps: Pick<Deps, "config">,
  request: RegistryRequest,
): Record<string, string> {
  return {
    "Docker-Distribution-API-Version": "registry/2.0",
    "WWW-Authenticate": challenge(deps, request),
  };
}
