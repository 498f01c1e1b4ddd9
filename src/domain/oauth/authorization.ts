/** How a person lets an application act for them (OAuth 2.0, RFC 6749 §4.1 and §4.2; Quay: auth.md §9). */
import {
  deleteOauthCode,
  insertOauthCode,
  selectOauthCode,
} from "../../drivers/database/queries/oauth_code.ts";
import { selectConsentedScopes } from "../../drivers/database/queries/oauth.ts";
import { deleteOauthAssignment } from "../../drivers/database/queries/oauth_assignment.ts";
import { isSameSecret } from "../../lib/constant_time.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor, Scope } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { findApplication, type OauthApplicationRow, secretOf } from "./applications.ts";
import { findMatchingAssignment } from "./assignments.ts";
import { isPlace, isRedirectAllowed, withFragment, withQuery } from "./redirects.ts";
import { coversScopes, formatScopes, parseRequestedScopes, parseScopes } from "./scopes.ts";
import { CONSENTED_TOKEN_LIFETIME_S, newCredential, splitCredential, storeOauthToken } from "./tokens.ts";
import { verifyPassword } from "../accounts/passwords.ts";
import { canAdministerNamespace, type Person, refusal } from "../access/rights.ts";

/** A code is fetched by a server that waits for it. */
const CODE_LIFETIME_S = 120;
/** The column `scope`; all scopes together are shorter. */
const TEXT_MAX_CHARS = 2048;

/** What a client asks for, as it wrote it. */
export interface AuthorizationRequest {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly scope: string;
  readonly responseType: string;
  readonly state?: string | undefined;
  readonly assignmentUuid?: string | undefined;
}

/** A request that a person may be asked about. */
export interface PreparedAuthorization {
  readonly request: AuthorizationRequest;
  readonly application: OauthApplicationRow;
  readonly scopes: ReadonlySet<Scope>;
  readonly responseType: "code" | "token";
  /** The assignment by which somebody who does not administer the application may have a token, used up by that. */
  readonly assignmentUuid: string | undefined;
  /** Whether the person has let the application have these scopes before. */
  readonly consented: boolean;
}

/** Either that, or where to send the browser because the client asked for something wrong. */
export type Preparation =
  | { readonly kind: "prepared"; readonly authorization: PreparedAuthorization }
  | { readonly kind: "error"; readonly redirect: string };

type FlowDeps = Pick<Deps, "sql" | "config" | "now">;

/** A token lets nobody make further tokens: only who has proved who they are. @throws {AppError} `unauthenticated` */
export function requireConsenter(actor: Actor): Person {
  if (actor.kind !== "user" || (actor.via !== "session" && actor.via !== "password")) {
    throw new AppError("unauthenticated", "Sign in first");
  }
  return actor;
}

/**
 * Looks at what a client asks a person for.
 * @throws {AppError} `not_found`: unknown client, no scope or an unknown one; `insufficient_scope`: neither an
 *   administrator of the application's organization nor assigned; `invalid_request`: a redirect address of somebody else
 *   where the application has none to report it to
 */
export async function prepareAuthorization(
  deps: FlowDeps,
  actor: Actor,
  request: AuthorizationRequest,
): Promise<Preparation> {
  const person = requireConsenter(actor);
  const application = await findApplication(deps, request.clientId);
  const scopes = parseRequestedScopes(deps.config, request.scope.slice(0, TEXT_MAX_CHARS));
  if (scopes.size === 0) {
    throw new AppError("not_found", "The scopes that the application asks for are unknown");
  }
  const assigned = await findMatchingAssignment(deps, person, {
    ...request,
    applicationId: application.id,
    scopes,
  });
  if (assigned === undefined && !await administers(deps, actor, application)) throw refusal(actor);
  if (!isRedirectAllowed(deps.config, application, request.redirectUri)) {
    return { kind: "error", redirect: mismatch(application, request) };
  }
  const { responseType, state } = request;
  if (responseType !== "code" && responseType !== "token") {
    const error = withQuery(request.redirectUri, { error: "unsupported_response_type", state });
    return { kind: "error", redirect: error };
  }
  const held = await selectConsentedScopes(deps.sql, {
    applicationId: application.id,
    userId: person.id,
    nowMs: deps.now(),
  });
  const consented = coversScopes(parseScopes(held.join(" ")), scopes);
  return {
    kind: "prepared",
    authorization: { request, application, scopes, responseType, assignmentUuid: assigned?.uuid, consented },
  };
}

/**
 * Does what the person has agreed to. @returns where to send the browser, with the token or the code
 * @throws {AppError} `insufficient_scope` when the assignment was used up meanwhile
 */
export async function grantAuthorization(
  deps: FlowDeps,
  actor: Actor,
  { request, application, scopes, responseType, assignmentUuid }: PreparedAuthorization,
): Promise<string> {
  const person = requireConsenter(actor);
  const credential = await newCredential();
  const { redirectUri, state } = request;
  const scope = formatScopes(scopes);
  await deps.sql.begin(async (tx) => {
    if (assignmentUuid !== undefined && !await deleteOauthAssignment(tx, person.id, assignmentUuid)) {
      throw new AppError("insufficient_scope", "This authorization has been used already");
    }
    if (responseType === "code") {
      await insertOauthCode(tx, {
        applicationId: application.id,
        userId: person.id,
        codeName: credential.name,
        codeHash: credential.hash,
        scope,
        redirectUri,
        expiresAtMs: deps.now() + CODE_LIFETIME_S * 1000,
        data: JSON.stringify({ username: person.username }),
      });
      return;
    }
    await storeOauthToken({ sql: tx, now: deps.now }, credential, {
      applicationId: application.id,
      userId: person.id,
      scopes: [...scopes],
      lifetimeS: CONSENTED_TOKEN_LIFETIME_S,
    });
  });
  if (responseType === "code") return withQuery(redirectUri, { code: credential.text, state });
  return withFragment(redirectUri, {
    access_token: credential.text,
    token_type: "Bearer",
    expires_in: `${CONSENTED_TOKEN_LIFETIME_S}`,
    scope,
    state,
  });
}

/** Where the browser goes when the person says no. */
export function denyAuthorization({ request }: PreparedAuthorization): string {
  return withQuery(request.redirectUri, { error: "authorization_denied", state: request.state });
}

export interface CodeExchange {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri: string;
  readonly code: string;
  /** Must be what was agreed to, when it is given. */
  readonly scope: string | undefined;
}

/**
 * Gives an application the token for a code. A code works once, within two minutes, and only with the redirect address
 * that it was sent to.
 * @throws {AppError} `invalid_credentials`: not this client's secret; `invalid_token`: no such code; `insufficient_scope`:
 *   another scope than was agreed to
 */
export async function exchangeCode(
  deps: FlowDeps & Pick<Deps, "secrets">,
  exchange: CodeExchange,
): Promise<{ token: string; scope: string; lifetimeS: number }> {
  const application = await authenticateClient(deps, exchange);
  const parts = splitCredential(exchange.code);
  const nowMs = deps.now();
  const found = parts === undefined ? undefined : await selectOauthCode(deps.sql, {
    applicationId: application.id,
    codeName: parts.name,
    nowMs,
  });
  const noCode = new AppError("invalid_token", "The code is wrong, has been used or has expired");
  if (found === undefined || parts === undefined || !await verifyPassword(parts.proof, found.codeHash)) {
    throw noCode;
  }
  if (found.redirectUri !== exchange.redirectUri) throw noCode;
  const scopes = parseScopes(found.scope);
  if (exchange.scope && formatScopes(parseScopes(exchange.scope.slice(0, TEXT_MAX_CHARS))) !== found.scope) {
    throw new AppError("insufficient_scope", "The code was issued for another scope");
  }
  const credential = await newCredential();
  await deps.sql.begin(async (tx) => {
    if (!await deleteOauthCode(tx, found.id)) throw noCode;
    await storeOauthToken({ sql: tx, now: deps.now }, credential, {
      applicationId: application.id,
      userId: found.userId,
      scopes: [...scopes],
      lifetimeS: CONSENTED_TOKEN_LIFETIME_S,
    });
  });
  return { token: credential.text, scope: found.scope, lifetimeS: CONSENTED_TOKEN_LIFETIME_S };
}

async function authenticateClient(
  deps: Pick<Deps, "sql" | "secrets">,
  { clientId, clientSecret }: CodeExchange,
): Promise<OauthApplicationRow> {
  const application = await findApplication(deps, clientId).catch((error) => {
    if (error instanceof AppError && error.code === "not_found") return undefined;
    throw error;
  });
  const expected = application === undefined ? undefined : secretOf(deps, application);
  const matches = isSameSecret(clientSecret, expected ?? "");
  if (application === undefined || !matches) {
    throw new AppError("invalid_credentials", "The client is unknown, or its secret is wrong");
  }
  return application;
}

function administers(
  deps: FlowDeps,
  actor: Actor,
  { ownerId, ownerName, ownerIsOrganization }: OauthApplicationRow,
): Promise<boolean> {
  return canAdministerNamespace(deps, actor, {
    id: ownerId,
    username: ownerName,
    organization: ownerIsOrganization,
  });
}

function mismatch(application: OauthApplicationRow, { state }: AuthorizationRequest): string {
  if (!isPlace(application.redirectUri)) {
    throw new AppError("invalid_request", "The redirect address is not one of the application's");
  }
  return withQuery(application.redirectUri, { error: "redirect_uri_mismatch", state });
}
