import { type Actor, ANONYMOUS } from "../../domain/access/access.ts";
import { authenticateBasic } from "../../domain/accounts/credentials.ts";
import type { Deps } from "../../domain/deps.ts";
import { recordLogin, recordLoginFailure } from "../../domain/accounts/login_log.ts";
import { grantScope } from "../../domain/access/registry_grants.ts";
import { parseRegistryScopes } from "../../domain/access/registry_scopes.ts";
import { issueRegistryToken, type RegistryGrant } from "../../domain/access/registry_tokens.ts";
import { AppError } from "../../lib/errors.ts";
import { parseBasic } from "../basic_credentials.ts";
import { originOf, queryOf, type RegistryRequest } from "./base.ts";
import { errorResponse } from "./errors.ts";
import type { RouteOf } from "./route.ts";

const SERVICE_MAX_CHARS = 255;

/**
 * GET /v2/auth: a bearer token for Basic credentials, or for nobody. Answers Quay's `{token}`; what the caller may not do
 * is missing from the token and no error. A missing repository is created when a push to it is asked for.
 * Docker's token specification; quay-facts registry.md §1.
 */
export async function handleToken(
  deps: Deps,
  request: RegistryRequest<RouteOf<"token">>,
): Promise<Response> {
  try {
    const query = queryOf(request);
    const scopes = parseRegistryScopes(deps, query.getAll("scope"));
    const service = query.get("service") ?? deps.config.SERVER_HOSTNAME;
    if (service.length > SERVICE_MAX_CHARS) {
      throw new AppError("invalid_request", "the service is not one of ours");
    }
    const actor = await authenticate(deps, request);
    const isLogin = query.getAll("scope").length === 0;
    if (actor.kind === "anonymous" && isLogin) {
      throw new AppError("unauthenticated", "A valid username and password are required");
    }
    if (isLogin && (actor.kind === "user" || actor.kind === "robot")) {
      await recordLogin(deps, actor, "v2auth");
    }
    const grants: RegistryGrant[] = [];
    // One after another: a client that asks for many must not take every database connection.
    for (const scope of scopes) grants.push(await grantScope(deps, actor, scope));
    const token = await issueRegistryToken(deps, actor, service, grants);
    return Response.json({ token }, { headers: { "Cache-Control": "no-store" } });
  } catch (error) {
    if (error instanceof AppError && error.code === "too_many_attempts") {
      return errorResponse(error, { "Retry-After": `${error.detail.retry_after ?? 5}` });
    }
    throw error;
  }
}

/** @throws {AppError} `invalid_credentials` for anything but readable, right Basic credentials */
async function authenticate(deps: Deps, request: RegistryRequest): Promise<Actor> {
  const origin = originOf(request);
  const header = request.raw.headers.get("authorization");
  if (header === null) return { ...ANONYMOUS, origin };
  const credentials = parseBasic(header);
  if (credentials === undefined) {
    throw new AppError("invalid_credentials", "The Authorization header holds no readable Basic credentials");
  }
  const { username, password } = credentials;
  try {
    return { ...await authenticateBasic(deps, username, password), origin };
  } catch (error) {
    await recordLoginFailure(deps, { username, type: "v2auth", origin, error });
    throw error;
  }
}
