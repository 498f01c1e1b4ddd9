/** Service keys as superusers manage them; signing and checking with them is in `service_keys.ts`. */
import { generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { calculateJwkThumbprint, type JWK } from "jose";
import {
  deleteKey,
  deleteStaleKeys,
  insertApproval,
  lockKey,
  type ManagedKeyRow,
  selectManagedKey,
  selectManagedKeys,
  updateKey,
  updateKeyApproval,
} from "../../drivers/database/queries/managed_service_key.ts";
import { insertServiceKey } from "../../drivers/database/queries/service_key.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { requireSuperuser, requireSuperuserOrReader } from "../access/rights.ts";
import { forgetSubmissions } from "./service_key_submissions.ts";
import { forgetVerificationKey, isInstanceKey } from "./service_keys.ts";

export type { ManagedKeyRow };

type KeyDeps = Pick<Deps, "sql" | "config" | "now">;

const KEY_BITS = 2048;
/** Quay's name for "a superuser said so". */
const BY_SUPERUSER = "Super User API";
const KEY_NAME = /^[\s a-zA-Z0-9\-_:/]*$/;
/** A registry has a handful. */
const MOST_KEYS = 1000;

/** @param actor a superuser, a global read-only superuser or the operator */
export function listKeys(deps: KeyDeps, actor: Actor): Promise<ManagedKeyRow[]> {
  requireSuperuserOrReader(deps.config, actor);
  return selectManagedKeys(deps.sql, MOST_KEYS);
}

/** @param actor as {@link listKeys} @throws {AppError} `not_found` */
export async function getKey(deps: KeyDeps, actor: Actor, kid: string): Promise<ManagedKeyRow> {
  requireSuperuserOrReader(deps.config, actor);
  return await requireKey(deps, kid);
}

/** A key whose private half only its reader has. */
export interface NewKey {
  readonly kid: string;
  readonly name: string;
  readonly service: string;
  /** PEM, SubjectPublicKeyInfo. */
  readonly publicPem: string;
  /** PEM, PKCS #1; it is not kept. */
  readonly privatePem: string;
}

/**
 * Makes a key for a service and approves it.
 * @param actor a superuser or the operator
 * @param wanted.expiresAtMs epoch milliseconds; null: never
 * @throws {AppError} `invalid_request`
 */
export async function createKey(
  deps: KeyDeps,
  actor: Actor,
  wanted: {
    service: string;
    name: string;
    expiresAtMs: number | null;
    metadata: Readonly<Record<string, unknown>>;
    notes: string;
  },
): Promise<NewKey> {
  requireSuperuser(deps.config, actor);
  const { service, name, expiresAtMs, notes } = wanted;
  checkName(name);
  checkText("service", service);
  if (service === "") throw new AppError("invalid_request", "service must not be empty");
  checkEnd(deps, expiresAtMs);
  const { publicKey, privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: KEY_BITS });
  const jwk = publicKey.export({ format: "jwk" }) as JWK;
  const kid = await calculateJwkThumbprint(jwk);
  const metadata = {
    ...wanted.metadata,
    created_by: "Quay Superuser Panel",
    creator: actor.kind === "user" ? actor.username : null,
    ip: actor.origin?.ip ?? null,
  };
  const nowMs = deps.now();
  await deps.sql.begin(async (tx) => {
    const approvalId = await insertApproval(tx, { ...approvalBy(actor), notes, nowMs });
    const row = { name, kid, service, jwk: JSON.stringify({ ...jwk, kid }), nowMs, expiresAtMs, approvalId };
    await insertServiceKey(tx, { ...row, metadata: JSON.stringify(metadata) });
    const told = {
      kid,
      preshared: true,
      service,
      name,
      expiration_date: isoDate(expiresAtMs),
      auto_approved: true,
    };
    await logAction({ ...deps, sql: tx }, actor, { kind: "service_key_create", metadata: told });
    await logAction({ ...deps, sql: tx }, actor, { kind: "service_key_approve", metadata: told });
  });
  return { kid, name, service, publicPem: pem(publicKey), privatePem: pem(privateKey) };
}

/** What may be changed of a key; what is absent stays. */
export interface KeyChange {
  readonly name?: string | undefined;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** Epoch milliseconds; null: never. */
  readonly expiresAtMs?: number | null | undefined;
}

/** @param actor a superuser or the operator @throws {AppError} `not_found`, `invalid_request` */
export async function changeKey(
  deps: KeyDeps,
  actor: Actor,
  kid: string,
  change: KeyChange,
): Promise<ManagedKeyRow> {
  requireSuperuser(deps.config, actor);
  const { name, metadata, expiresAtMs } = change;
  await deps.sql.begin(async (tx) => {
    if (!isKid(kid) || !await lockKey(tx, kid)) throw notFound();
    const key = await requireKey({ sql: tx }, kid);
    if (name !== undefined) checkName(name);
    if (expiresAtMs !== undefined) checkEnd(deps, expiresAtMs);
    await updateKey(tx, kid, {
      name,
      expiresAtMs,
      metadata: metadata === undefined ? undefined : JSON.stringify(metadata),
    });
    const told = {
      kid,
      service: key.service,
      name: name ?? key.name,
      expiration_date: isoDate(expiresAtMs === undefined ? key.expiresAtMs : expiresAtMs),
    };
    if (expiresAtMs !== undefined) {
      const extended = { ...told, old_expiration_date: isoDate(key.expiresAtMs) };
      await logAction({ ...deps, sql: tx }, actor, { kind: "service_key_extend", metadata: extended });
    }
    if (name !== undefined || metadata !== undefined) {
      await logAction({ ...deps, sql: tx }, actor, { kind: "service_key_modify", metadata: told });
    }
  });
  forgetVerificationKey(deps, kid);
  return await requireKey(deps, kid);
}

/** Lets a key be used. Again changes nothing. @param actor a superuser or the operator @throws {AppError} `not_found` */
export async function approveKey(deps: KeyDeps, actor: Actor, kid: string, notes: string): Promise<void> {
  requireSuperuser(deps.config, actor);
  await deps.sql.begin(async (tx) => {
    if (!isKid(kid) || !await lockKey(tx, kid)) throw notFound();
    const key = await requireKey({ sql: tx }, kid);
    if (key.approval !== null) return;
    const approvalId = await insertApproval(tx, { ...approvalBy(actor), notes, nowMs: deps.now() });
    await updateKeyApproval(tx, kid, approvalId);
    await forgetSubmissions(tx, [kid]);
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "service_key_approve",
      metadata: { kid, service: key.service, name: key.name, expiration_date: isoDate(key.expiresAtMs) },
    });
  });
  forgetVerificationKey(deps, kid);
}

/**
 * What the key has signed is no longer believed: here at once, by other threads and nodes within half a minute.
 * @param actor a superuser or the operator
 * @throws {AppError} `not_found`; `invalid_request` for the key that this registry signs its tokens with
 */
export async function removeKey(deps: KeyDeps, actor: Actor, kid: string): Promise<void> {
  requireSuperuser(deps.config, actor);
  await deps.sql.begin(async (tx) => {
    if (!isKid(kid) || !await lockKey(tx, kid)) throw notFound();
    const key = await requireKey({ sql: tx }, kid);
    if (isInstanceKey(deps, kid)) {
      throw new AppError("invalid_request", "The registry signs its own tokens with this key: it must stay");
    }
    await deleteKey(tx, kid);
    await forgetSubmissions(tx, [kid]);
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "service_key_delete",
      metadata: {
        kid,
        service: key.service,
        name: key.name,
        created_date: isoDate(key.createdMs),
        expiration_date: isoDate(key.expiresAtMs),
      },
    });
  });
  forgetVerificationKey(deps, kid);
}

/** Removes keys that nobody approved in time, and those that ended long ago. For a worker. @returns how many */
export async function cleanServiceKeys({ sql, config, now }: KeyDeps): Promise<number> {
  const nowMs = now();
  const gone = await deleteStaleKeys(sql, {
    unapprovedBeforeMs: nowMs - config.UNAPPROVED_SERVICE_KEY_TTL_SEC * 1000,
    expiredBeforeMs: nowMs - config.EXPIRED_SERVICE_KEY_TTL_SEC * 1000,
  });
  await forgetSubmissions(sql, gone);
  return gone.length;
}

async function requireKey({ sql }: { readonly sql: Sql }, kid: string): Promise<ManagedKeyRow> {
  const key = isKid(kid) ? await selectManagedKey(sql, kid) : undefined;
  if (key === undefined) throw notFound();
  return key;
}

/** Longer ones fit into no row. */
function isKid(kid: string): boolean {
  return kid.length <= 255;
}

function approvalBy(actor: Actor): { approverId: number | null; type: string } {
  return { approverId: actor.kind === "user" ? actor.id : null, type: BY_SUPERUSER };
}

function checkName(name: string): void {
  checkText("name", name);
  if (!KEY_NAME.test(name)) {
    throw new AppError("invalid_request", `Invalid service key friendly name: ${name}`);
  }
}

function checkText(field: string, text: string): void {
  if (text.length > 255) throw new AppError("invalid_request", `${field} must be at most 255 characters`);
}

/** The furthest that a timestamp of the database and a Date can both tell. */
const LAST_MS = Date.UTC(9999, 0);

function checkEnd({ now }: Pick<Deps, "now">, expiresAtMs: number | null): void {
  if (expiresAtMs === null) return;
  if (!Number.isFinite(expiresAtMs) || expiresAtMs >= LAST_MS) {
    throw new AppError("invalid_request", "Invalid expiration date");
  }
  if (expiresAtMs <= now()) throw new AppError("invalid_request", "Expiration date cannot be in the past");
}

function isoDate(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

function pem(key: KeyObject): string {
  const text = key.type === "private"
    ? key.export({ type: "pkcs1", format: "pem" })
    : key.export({ type: "spki", format: "pem" });
  return text.toString();
}

function notFound(): AppError {
  return new AppError("not_found", "Not Found");
}
