import { decodeProtectedHeader, errors as joseErrors, jwtVerify, SignJWT } from "jose";
import { AppError } from "../../lib/errors.ts";
import { successLabel } from "../../lib/metrics.ts";
import {
  type Actor,
  ANONYMOUS,
  type Credential,
  isSuperuser,
  type Origin,
  readsEveryRepository,
} from "./access.ts";
import type { Deps } from "../deps.ts";
import { perPool } from "../per_pool.ts";
import { findVerificationKey, instanceKey } from "../site/service_keys.ts";

export type RegistryAction = "pull" | "push" | "*";

/** What a bearer token of `/v2` says, once it has been verified. */
export interface RegistryToken {
  /** The name of the user or robot, or `(anonymous)`. */
  readonly subject: string;
  readonly kind: "anonymous" | "user" | "robot" | "oauth" | "apptoken";
  /** Row of the user or robot. */
  readonly userId?: number;
  /** By full repository name, as it was asked for and as it is called here. */
  readonly grants: ReadonlyMap<string, ReadonlySet<RegistryAction>>;
  readonly expiresAtMs: number;
  /** May be used as a superuser's. */
  readonly superuser: boolean;
  /** May read everything. */
  readonly globalReadonlySuperuser: boolean;
  /** The token that it was got with. */
  readonly credential?: Credential;
}

/**
 * Whom a token was issued to, for the questions that its grants leave open. `undefined` for nobody, and for credentials
 * with scopes of their own, which the token does not carry.
 */
export function bearerOf({ kind, userId, subject }: RegistryToken): Actor | undefined {
  if (userId === undefined) return undefined;
  switch (kind) {
    case "user":
    case "apptoken":
      return { kind: "user", id: userId, uuid: "", username: subject, scopes: "all", via: "password" };
    case "robot":
      return { kind: "robot", id: userId, username: subject, ownerId: 0 };
    default:
      return undefined;
  }
}

/** Whom the action log names for what is done with a token. It carries no rights: those are in the token's grants. */
export function performerOf(token: RegistryToken, origin: Origin): Actor {
  const { kind, userId: id, subject: username, credential } = token;
  if (id === undefined) return { ...ANONYMOUS, origin };
  if (kind === "robot") return { kind: "robot", id, username, ownerId: 0, origin };
  const via = kind === "oauth" || kind === "apptoken" ? kind : "password";
  const named = { kind: "user", id, uuid: "", username, scopes: NO_SCOPES, via, origin } as const;
  return credential === undefined ? named : { ...named, credential };
}

const NO_SCOPES: ReadonlySet<never> = new Set();

/** One entry of the token's `access`. */
export interface RegistryGrant {
  /** `namespace/name` as the client wrote it. */
  readonly name: string;
  readonly actions: readonly RegistryAction[];
}

/** Lifetime of a token. */
export const REGISTRY_TOKEN_LIFETIME_S = 3600;
const LEEWAY_S = 30;
const TOKEN_MAX_CHARS = 16 * 1024;
const CACHE_MAX = 4096;

const cacheOf = perPool(() => new Map<string, RegistryToken>());

/**
 * Signs a token for `/v2` with the instance's key. The caller has decided about `grants`.
 * @param service who it is for: what the client sent, which must be `SERVER_HOSTNAME` to be of any use
 */
export function issueRegistryToken(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  service: string,
  grants: readonly RegistryGrant[],
): Promise<string> {
  const { kid, privateKey, service: issuer } = instanceKey(deps);
  const nowS = Math.floor(deps.now() / 1000);
  return new SignJWT({
    access: grants.map(({ name, actions }) => ({ type: "repository", name, actions })),
    context: contextOf(deps, actor),
  })
    .setProtectedHeader({ typ: "JWT", alg: "RS256", kid })
    .setIssuer(issuer).setAudience(service).setSubject(subjectOf(actor))
    .setIssuedAt(nowS).setNotBefore(nowS).setExpirationTime(nowS + REGISTRY_TOKEN_LIFETIME_S)
    .sign(privateKey);
}

function subjectOf(actor: Actor): string {
  return actor.kind === "user" || actor.kind === "robot" ? actor.username : "(anonymous)";
}

function contextOf(deps: Pick<Deps, "config">, actor: Actor) {
  const named = actor.kind === "user" || actor.kind === "robot";
  const kind = kindOf(actor);
  return {
    version: 2,
    entity_kind: kind === "apptoken" ? "appspecifictoken" : kind,
    entity_reference: named ? actor.username : null,
    kind: named ? "user" : "anonymous",
    user: named ? actor.username : null,
    "com.apostille.roots": {},
    "com.apostille.root": "$disabled",
    quaylet: {
      kind,
      ...(named && { id: actor.id }),
      ...(actor.kind === "user" && actor.credential !== undefined && { credential: actor.credential }),
      ...(isSuperuser(deps.config, actor) && { superuser: true }),
      ...(readsEveryRepository(deps.config, actor) && { readonlySuperuser: true }),
    },
  };
}

function kindOf(actor: Actor): RegistryToken["kind"] {
  if (actor.kind === "robot") return "robot";
  if (actor.kind !== "user") return "anonymous";
  return actor.via === "oauth" || actor.via === "apptoken" ? actor.via : "user";
}

/**
 * Checks a bearer token: signed with RS256 by an approved, unexpired key of this registry, for this registry, in its
 * time. A token that held is remembered until it ends, whatever becomes of the key meanwhile.
 * @throws {AppError} `invalid_token`
 */
export async function verifyRegistryToken(
  deps: Pick<Deps, "sql" | "config" | "now" | "metrics">,
  jwt: string,
): Promise<RegistryToken> {
  const cache = cacheOf(deps.sql);
  const known = cache.get(jwt);
  if (known !== undefined) {
    if (known.expiresAtMs > deps.now()) return known;
    cache.delete(jwt);
  }
  let token: RegistryToken | undefined;
  try {
    token = await decode(deps, jwt);
  } finally {
    deps.metrics.bearerTokensDecoded.labels(successLabel(token !== undefined)).inc();
  }
  cache.set(jwt, token);
  if (cache.size > CACHE_MAX) {
    for (const oldest of cache.keys()) {
      cache.delete(oldest);
      break;
    }
  }
  return token;
}

async function decode(deps: Pick<Deps, "sql" | "config" | "now">, jwt: string): Promise<RegistryToken> {
  const { config, now } = deps;
  if (jwt.length > TOKEN_MAX_CHARS) throw invalid("it is too long");
  const key = await keyOf(deps, jwt);
  try {
    const { payload } = await jwtVerify(jwt, key.key, {
      algorithms: ["RS256"],
      issuer: config.INSTANCE_SERVICE_KEY_SERVICE,
      audience: config.SERVER_HOSTNAME,
      clockTolerance: LEEWAY_S,
      currentDate: new Date(now()),
      requiredClaims: ["exp", "iat", "nbf", "sub"],
    });
    const { exp = 0, iat = 0, sub = "" } = payload;
    // The issuer must own the key: another service's key signs for that service only.
    if (key.service !== payload.iss) throw invalid("its issuer does not own its key");
    if (exp - iat > config.REGISTRY_JWT_AUTH_MAX_FRESH_S) throw invalid("it is valid for too long");
    if (iat * 1000 > now() + LEEWAY_S * 1000) throw invalid("it was issued in the future");
    const context = ownClaims(payload.context);
    return {
      subject: sub,
      kind: context.kind,
      ...(context.id !== undefined && { userId: context.id }),
      grants: readAccess(payload.access),
      expiresAtMs: (exp + LEEWAY_S) * 1000,
      superuser: context.superuser,
      globalReadonlySuperuser: context.readonlySuperuser,
      ...(context.credential !== undefined && { credential: context.credential }),
    };
  } catch (error) {
    if (error instanceof joseErrors.JWTExpired) throw invalid("it has expired", error);
    if (error instanceof joseErrors.JOSEError) throw invalid("its signature or claims do not hold", error);
    throw error;
  }
}

async function keyOf(deps: Pick<Deps, "sql" | "now">, jwt: string) {
  let header;
  try {
    header = decodeProtectedHeader(jwt);
  } catch (error) {
    throw invalid("it is not a JSON Web Token", error);
  }
  if (header.alg !== "RS256" || typeof header.kid !== "string") throw invalid("it is not signed with RS256");
  const key = await findVerificationKey(deps, header.kid);
  if (key === undefined) throw invalid("its key is not known, not approved or has expired");
  return key;
}

const invalid = (why: string, cause?: unknown) =>
  new AppError("invalid_token", `the bearer token cannot be used: ${why}`, {}, { cause });

const KINDS: readonly RegistryToken["kind"][] = ["anonymous", "user", "robot", "oauth", "apptoken"];
const ACTIONS: readonly RegistryAction[] = ["pull", "push", "*"];

/** Signed by a key of ours, but a Quay that shares the database knows nothing of our own claims. */
function ownClaims(context: unknown) {
  const own = (context as { quaylet?: Record<string, unknown> } | undefined)?.quaylet ?? {};
  return {
    kind: KINDS.find((kind) => kind === own.kind) ?? "anonymous",
    id: typeof own.id === "number" ? own.id : undefined,
    superuser: own.superuser === true,
    readonlySuperuser: own.readonlySuperuser === true,
    // Of our own making: only an instance's key signs for this issuer.
    credential: own.credential as Credential | undefined,
  };
}

function readAccess(access: unknown): ReadonlyMap<string, ReadonlySet<RegistryAction>> {
  const grants = new Map<string, ReadonlySet<RegistryAction>>();
  if (!Array.isArray(access)) return grants;
  for (const { type, name, actions } of access as { type?: unknown; name?: unknown; actions?: unknown }[]) {
    if (type !== "repository" || typeof name !== "string" || !Array.isArray(actions)) continue;
    grants.set(name, new Set(ACTIONS.filter((action) => actions.includes(action))));
  }
  return grants;
}
