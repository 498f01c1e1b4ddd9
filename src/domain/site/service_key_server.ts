/**
 * Where services leave the keys that they sign with, without signing in: a token signed by the key itself, or by one of the
 * service's that is approved, says who asks (Quay: auth.md §11).
 */
import { decodeProtectedHeader, errors as joseErrors, importJWK, type JWK, jwtVerify } from "jose";
import {
  deleteKey,
  insertApproval,
  lockKey,
  type ManagedKeyRow,
  selectManagedKey,
} from "../../drivers/database/queries/managed_service_key.ts";
import { countUnapprovedKeys, insertServiceKey } from "../../drivers/database/queries/service_key.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { forgetSubmissions, tellOfSubmission } from "./service_key_submissions.ts";
import { forgetVerificationKey, isInstanceKey } from "./service_keys.ts";

type ServerDeps = Pick<Deps, "sql" | "config" | "now">;

export interface KeyPath {
  readonly service: string;
  readonly kid: string;
}

export interface SubmittedKey {
  /** As it was sent. */
  readonly jwk: unknown;
  /** Epoch milliseconds; null: never. */
  readonly expiresAtMs: number | null;
  readonly rotationDurationS: number | null;
}

const NAME = /^[\x21-\x7e]{1,255}$/;
/** Anybody may leave a key: so many wait for approval at most, of one service and in all. */
const WAITING_MAX = { own: 100, all: 1000 };
/** The furthest that a timestamp of the database and a Date can both tell. */
const LAST_MS = Date.UTC(9999, 0);
const LEEWAY_S = 30;

/**
 * Takes a key in: signed by itself it waits for approval, signed by an approved one of the service it takes that one's place.
 * The same key again changes nothing.
 * @param jwt what the request's bearer token is
 * @returns whether it may be used already
 * @throws {AppError} `invalid_request`: the key or the token is no good; `insufficient_scope`: the signer is not known or not
 *   approved; `already_exists`: another key of that id; `too_many_attempts`: too many wait; `registry_readonly`
 */
export async function putKey(
  deps: ServerDeps,
  actor: Actor,
  path: KeyPath,
  jwt: string,
  submitted: SubmittedKey,
): Promise<"waiting" | "approved"> {
  refuseReadonly(deps);
  checkPath(path);
  checkTimes(deps, submitted);
  const jwk = readJwk(submitted.jwk);
  const signerKid = kidOf(jwt);
  if (signerKid === undefined || signerKid === path.kid) {
    await verify(deps, path.service, jwt, jwk);
    return await submitKey(deps, actor, path, { ...submitted, jwk });
  }
  const signer = await liveKey(deps, path.service, signerKid);
  if (signer?.approval == null || isInstanceKey(deps, signerKid)) throw unknownSigner();
  await verify(deps, path.service, jwt, JSON.parse(signer.jwk));
  await rotateKey(deps, actor, path, signer, { ...submitted, jwk });
  return "approved";
}

/**
 * Takes a key of the service away, as its holder or as that of an approved key of the service.
 * @throws {AppError} `invalid_request`, `insufficient_scope`, `not_found`, `registry_readonly`
 */
export async function withdrawKey(deps: ServerDeps, actor: Actor, path: KeyPath, jwt: string): Promise<void> {
  refuseReadonly(deps);
  checkPath(path);
  const signerKid = kidOf(jwt);
  if (signerKid === undefined) {
    throw new AppError("invalid_request", "The token does not say which key signed it");
  }
  const signer = await liveKey(deps, path.service, signerKid);
  if (signer === undefined || (signerKid !== path.kid && signer.approval === null)) throw unknownSigner();
  await verify(deps, path.service, jwt, JSON.parse(signer.jwk));
  await deps.sql.begin(async (tx) => {
    const locked = await lockKey(tx, path.kid);
    const key = locked ? await selectManagedKey(tx, path.kid) : undefined;
    if (key === undefined || key.service !== path.service) {
      throw new AppError("not_found", "no such service key");
    }
    if (isInstanceKey(deps, path.kid)) {
      throw new AppError("insufficient_scope", "The registry signs its own tokens with this key");
    }
    await deleteKey(tx, path.kid);
    await forgetSubmissions(tx, [path.kid]);
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "service_key_delete",
      metadata: { ...path, signer_kid: signerKid, name: key.name, ...originMetadata(actor) },
    });
  });
  forgetVerificationKey(deps, path.kid);
}

type ReadKey = Omit<SubmittedKey, "jwk"> & { readonly jwk: JWK };

async function submitKey(
  deps: ServerDeps,
  actor: Actor,
  path: KeyPath,
  key: ReadKey,
): Promise<"waiting" | "approved"> {
  const known = await selectManagedKey(deps.sql, path.kid);
  if (known !== undefined) return sameKey(known, path, key.jwk);
  await deps.sql.begin(async (tx) => {
    const waiting = await countUnapprovedKeys(tx, path.service);
    if (waiting.own >= WAITING_MAX.own || waiting.all >= WAITING_MAX.all) {
      throw new AppError("too_many_attempts", "Too many keys wait for approval", { retry_after: 3600 });
    }
    const inserted = await insertServiceKey(tx, {
      ...rowOf(deps, path, key),
      name: "",
      metadata: JSON.stringify({ ip: actor.origin?.ip ?? null }),
      approvalId: null,
      rotationDurationS: key.rotationDurationS,
    });
    if (!inserted) throw taken();
    const expirationDate = isoDate(key.expiresAtMs);
    await tellOfSubmission({ ...deps, sql: tx }, { ...path, jwk: key.jwk, expirationDate });
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "service_key_create",
      metadata: {
        ...path,
        preshared: false,
        name: "",
        expiration_date: expirationDate,
        ...originMetadata(actor),
      },
    });
  });
  return "waiting";
}

async function rotateKey(
  deps: ServerDeps,
  actor: Actor,
  path: KeyPath,
  signer: ManagedKeyRow,
  key: ReadKey,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    // Of two that take its place at once, one comes first.
    if (!await lockKey(tx, signer.kid)) throw unknownSigner();
    const approvalId = await insertApproval(tx, {
      approverId: null,
      type: "Key Rotation",
      notes: "",
      nowMs: deps.now(),
    });
    const inserted = await insertServiceKey(tx, {
      ...rowOf(deps, path, key),
      name: signer.name,
      metadata: JSON.stringify({
        ...JSON.parse(signer.metadata || "{}"),
        ip: actor.origin?.ip ?? null,
        created_by: "Key Rotation",
      }),
      approvalId,
      rotationDurationS: key.rotationDurationS ?? signer.rotationDurationS,
    });
    if (!inserted) throw taken();
    await deleteKey(tx, signer.kid);
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "service_key_rotate",
      metadata: {
        ...path,
        signer_kid: signer.kid,
        name: signer.name,
        expiration_date: isoDate(key.expiresAtMs),
        ...originMetadata(actor),
      },
    });
  });
  forgetVerificationKey(deps, signer.kid);
}

/** @throws {AppError} `already_exists` for another key of that id, or of another service */
function sameKey(known: ManagedKeyRow, path: KeyPath, jwk: JWK): "waiting" | "approved" {
  const { kid: _, ...stored } = JSON.parse(known.jwk) as JWK;
  const fields = (key: JWK) => JSON.stringify([key.kty, key.n, key.e, key.crv, key.x, key.y]);
  if (known.service !== path.service || fields(stored) !== fields(jwk)) throw taken();
  return known.approval === null ? "waiting" : "approved";
}

function rowOf({ now }: ServerDeps, { kid, service }: KeyPath, { jwk, expiresAtMs }: ReadKey) {
  return { kid, service, jwk: JSON.stringify(jwk), nowMs: now(), expiresAtMs };
}

async function liveKey(
  { sql, now }: ServerDeps,
  service: string,
  kid: string,
): Promise<ManagedKeyRow | undefined> {
  const key = NAME.test(kid) ? await selectManagedKey(sql, kid) : undefined;
  if (key === undefined || key.service !== service) return undefined;
  return key.expiresAtMs === null || key.expiresAtMs > now() ? key : undefined;
}

/** The public half of a key that signatures can be checked with: whatever else was sent is left out. */
function readJwk(sent: unknown): JWK {
  const { kty, n, e, crv, x, y } = (sent ?? {}) as Record<string, unknown>;
  const isNumber = (value: unknown): value is string =>
    typeof value === "string" && /^[\w-]{1,2048}$/.test(value);
  if (kty === "RSA" && isNumber(n) && isNumber(e)) return { kty, n, e };
  if (kty === "EC" && isNumber(x) && isNumber(y) && typeof crv === "string" && EC_ALGORITHMS.has(crv)) {
    return { kty, crv, x, y };
  }
  throw new AppError("invalid_request", "The body must be the public half of an RSA or EC key as a JWK");
}

const EC_ALGORITHMS = new Map([["P-256", "ES256"], ["P-384", "ES384"], ["P-521", "ES512"]]);

/** @throws {AppError} `invalid_request` unless `jwk`'s holder has signed the token for this registry, as the service */
async function verify({ config, now }: ServerDeps, service: string, jwt: string, jwk: JWK): Promise<void> {
  const algorithm = jwk.kty === "RSA" ? "RS256" : EC_ALGORITHMS.get(jwk.crv ?? "") ?? "ES256";
  try {
    await jwtVerify(jwt, await importJWK(jwk, algorithm), {
      algorithms: [algorithm],
      issuer: service,
      audience: `${config.PREFERRED_URL_SCHEME}://${config.SERVER_HOSTNAME}`,
      clockTolerance: LEEWAY_S,
      currentDate: new Date(now()),
      requiredClaims: ["exp"],
    });
  } catch (cause) {
    const refused = cause instanceof joseErrors.JOSEError || cause instanceof TypeError ||
      cause instanceof DOMException;
    if (!refused) throw cause;
    throw new AppError("invalid_request", "The token is not signed by that key, for this registry", {}, {
      cause,
    });
  }
}

function kidOf(jwt: string): string | undefined {
  try {
    const { kid } = decodeProtectedHeader(jwt);
    return kid === undefined || kid === "" ? undefined : String(kid);
  } catch (cause) {
    throw new AppError("invalid_request", "The bearer token is not a JSON Web Token", {}, { cause });
  }
}

function checkPath({ service, kid }: KeyPath): void {
  if (!NAME.test(service) || !NAME.test(kid)) {
    throw new AppError("invalid_request", "Service and key id are 1 to 255 printable characters");
  }
}

function checkTimes({ now }: ServerDeps, { expiresAtMs, rotationDurationS }: SubmittedKey): void {
  if (expiresAtMs !== null && !(expiresAtMs > now() && expiresAtMs < LAST_MS)) {
    throw new AppError("invalid_request", "The expiration must be a time to come, in seconds of the epoch");
  }
  if (
    rotationDurationS !== null &&
    !(Number.isInteger(rotationDurationS) && rotationDurationS >= 0 && rotationDurationS < 2 ** 31)
  ) {
    throw new AppError("invalid_request", "The rotation must be a number of seconds");
  }
}

function refuseReadonly({ config }: ServerDeps): void {
  if (config.REGISTRY_STATE !== "readonly") return;
  throw new AppError("registry_readonly", "The registry is read-only at the moment");
}

function originMetadata({ origin }: Actor) {
  return { user_agent: origin?.userAgent ?? null, ip: origin?.ip ?? null };
}

function isoDate(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

function unknownSigner(): AppError {
  return new AppError("insufficient_scope", "The key that signed this is not known, or not approved");
}

function taken(): AppError {
  return new AppError("already_exists", "There is another key of that id");
}
