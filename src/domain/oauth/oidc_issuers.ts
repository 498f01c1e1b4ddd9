/** Issuers of identity tokens that somebody here has named: their keys, fetched with care, and what those prove. */
import {
  createLocalJWKSet,
  errors as joseErrors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
} from "jose";
import { AppError } from "../../lib/errors.ts";
import { createWebClient, type WebClient, WebClientError } from "../../lib/web_client.ts";
import type { Deps } from "../deps.ts";
import { perPool } from "../per_pool.ts";

type IssuerDeps = Pick<Deps, "sql" | "config" | "authorities" | "now">;

const TIMEOUT_MS = 10_000;
const DOCUMENT_MAX_BYTES = 256 * 1024;
/** Keys are believed this long; an unknown key id makes us look again, not more often than {@link LOOK_AGAIN_MS}. */
const KEYS_MS = 3_600_000;
const LOOK_AGAIN_MS = 30_000;
const ISSUERS_MAX = 256;
const LEEWAY_S = 30;
/** Signatures with public keys only. */
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

interface KnownIssuer {
  readonly keys: Promise<JSONWebKeySet>;
  readonly askedMs: number;
  /** The answer was none. */
  failed: boolean;
}

interface IssuerState {
  client: WebClient | undefined;
  readonly issuers: Map<string, KnownIssuer>;
}

const stateOf = perPool<IssuerState>(() => ({ client: undefined, issuers: new Map() }));

/**
 * What a token says, once it is known to be the issuer's and of this moment. Whom it was made for (`aud`) is not looked at,
 * as in Quay.
 * @param issuer https address; the caller has made sure that somebody here trusts it
 * @throws {AppError} `invalid_request` in words: the issuer cannot be asked, or the token does not hold
 */
export async function verifyIssuedToken(deps: IssuerDeps, issuer: string, jwt: string): Promise<JWTPayload> {
  try {
    return await verify(deps, issuer, jwt, await keysOf(deps, issuer, KEYS_MS));
  } catch (error) {
    // The issuer may have begun to use another key.
    if (!(error instanceof joseErrors.JWKSNoMatchingKey)) throw inWords(error);
  }
  try {
    return await verify(deps, issuer, jwt, await keysOf(deps, issuer, LOOK_AGAIN_MS));
  } catch (error) {
    throw inWords(error);
  }
}

/** Ends the connections to issuers; for tests, whose servers wait for that. */
export async function forgetIssuers(deps: Pick<Deps, "sql">): Promise<void> {
  const state = stateOf(deps.sql);
  state.issuers.clear();
  await state.client?.close();
  state.client = undefined;
}

async function verify(
  { now }: IssuerDeps,
  issuer: string,
  jwt: string,
  keys: JSONWebKeySet,
): Promise<JWTPayload> {
  const { payload } = await jwtVerify(jwt, createLocalJWKSet(keys), {
    algorithms: ALGORITHMS,
    issuer,
    clockTolerance: LEEWAY_S,
    currentDate: new Date(now()),
    requiredClaims: ["sub", "exp", "iat"],
  });
  if ((payload.iat ?? 0) * 1000 > now() + LEEWAY_S * 1000) {
    throw new joseErrors.JWTInvalid("issued in the future");
  }
  return payload;
}

async function keysOf(deps: IssuerDeps, issuer: string, maxAgeMs: number): Promise<JSONWebKeySet> {
  const state = stateOf(deps.sql);
  const nowMs = deps.now();
  const known = state.issuers.get(issuer);
  const ageMs = known === undefined ? Infinity : nowMs - known.askedMs;
  if (known !== undefined && ageMs < (known.failed ? LOOK_AGAIN_MS : maxAgeMs)) return await known.keys;
  if (state.issuers.size >= ISSUERS_MAX) state.issuers.clear();
  const asked: KnownIssuer = { keys: fetchKeys(deps, issuer), askedMs: nowMs, failed: false };
  state.issuers.set(issuer, asked);
  try {
    return await asked.keys;
  } catch (error) {
    asked.failed = true;
    throw error;
  }
}

/** OpenID Connect Discovery 1.0 §4. */
async function fetchKeys(deps: IssuerDeps, issuer: string): Promise<JSONWebKeySet> {
  const client = stateOf(deps.sql).client ??= createWebClient({
    allowedHosts: deps.config.SSRF_ALLOWED_HOSTS,
    authorities: deps.authorities,
    timeoutMs: TIMEOUT_MS,
    maxBytes: DOCUMENT_MAX_BYTES,
  });
  const found = await client.getJson(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  const { issuer: named, jwks_uri } = (found ?? {}) as { issuer?: unknown; jwks_uri?: unknown };
  if (named !== issuer || typeof jwks_uri !== "string") {
    throw new WebClientError(`${new URL(issuer).host} does not describe itself as that issuer`);
  }
  const keys = await client.getJson(jwks_uri);
  if (!Array.isArray((keys as { keys?: unknown } | null)?.keys)) {
    throw new WebClientError(`${new URL(issuer).host} has no usable keys`);
  }
  return keys as JSONWebKeySet;
}

function inWords(error: unknown): unknown {
  if (error instanceof WebClientError) {
    return new AppError("invalid_request", error.message, {}, { cause: error });
  }
  if (error instanceof joseErrors.JWTExpired) {
    return new AppError("invalid_request", "The token has expired", {}, { cause: error });
  }
  if (error instanceof joseErrors.JOSEError || error instanceof TypeError) {
    const message = "The token's signature or claims do not hold";
    return new AppError("invalid_request", message, {}, { cause: error });
  }
  return error;
}
