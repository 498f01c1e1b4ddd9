/**
 * Keys that services sign with (Quay's `servicekey`). This instance has one: `quay.kid` and `quay.pem` in the config
 * folder when the operator put them there, else in `<data>/keys/`, made once. Every thread and node reads the public
 * halves from the table, so any of them can check what another has signed.
 */
import {
  calculateJwkThumbprint,
  type CryptoKey as WebKey,
  exportPKCS8,
  generateKeyPair,
  importJWK,
  importPKCS8,
  type JWK,
} from "jose";
import { createPrivateKey, createPublicKey } from "node:crypto";
import {
  extendServiceKey,
  insertAutomaticApproval,
  insertServiceKey,
  selectServiceKey,
  selectUsableServiceKeys,
  type ServiceKeyRow,
} from "../../drivers/database/queries/service_key.ts";
import { AppError } from "../../lib/errors.ts";
import { successLabel } from "../../lib/metrics.ts";
import type { Deps } from "../deps.ts";
import { perPool } from "../per_pool.ts";

/** Where the key's files may be. */
export interface KeyPlace {
  readonly configDir?: string | undefined;
  readonly dataDir: string;
}

export interface InstanceKey {
  readonly kid: string;
  readonly service: string;
  readonly privateKey: WebKey;
  readonly publicJwk: JWK;
}

const KEY_BITS = 2048;
/** A key that was revoked elsewhere is believed this much longer here. */
const LOOKUP_MS = 30_000;
const LOOKUPS_MAX = 256;

interface KeyState {
  instance: InstanceKey | undefined;
  readonly lookups: Map<string, { key: VerificationKey | undefined; untilMs: number }>;
}

const stateOf = perPool<KeyState>(() => ({ instance: undefined, lookups: new Map() }));

type KeyDeps = Pick<Deps, "sql" | "config" | "now">;

/**
 * Reads this instance's key, making it first when there is none, enters it in the table, and signs with it from now on.
 * Any number of threads and starts at once agree on one key.
 * @throws {Error} with words for the operator when the files cannot be used
 */
export async function ensureInstanceKey(deps: KeyDeps, place: KeyPlace): Promise<InstanceKey> {
  const key = await readKeyFiles(deps, place);
  await enterKey(deps, key);
  stateOf(deps.sql).instance = key;
  return key;
}

/** The key that {@link ensureInstanceKey} has read for this service. */
export function instanceKey(deps: Pick<Deps, "sql">): InstanceKey {
  const key = stateOf(deps.sql).instance;
  if (key === undefined) throw new Error("the instance's service key has not been loaded");
  return key;
}

/** Moves the key's end on; to be called every `INSTANCE_SERVICE_KEY_REFRESH` minutes on each node. */
export async function refreshInstanceKey(deps: KeyDeps & Pick<Deps, "metrics">): Promise<void> {
  let renewed = false;
  try {
    await enterKey(deps, instanceKey(deps));
    renewed = true;
  } finally {
    deps.metrics.instanceKeyRenewals.labels(successLabel(renewed)).inc();
  }
}

/** Whether what this instance signs is believed by every node: its row is there, approved and has not ended. */
export async function isInstanceKeyUsable(deps: KeyDeps): Promise<boolean> {
  const key = stateOf(deps.sql).instance;
  if (key === undefined) return false;
  const row = await selectServiceKey(deps.sql, key.kid);
  return row !== undefined && isUsable(row, deps.now());
}

/** A public key that signatures may be checked with. */
export interface VerificationKey {
  readonly service: string;
  readonly key: WebKey;
  readonly expiresAtMs: number | null;
}

/** The approved, unexpired key of that id; undefined when there is none. Known for half a minute. */
export async function findVerificationKey(
  deps: Pick<Deps, "sql" | "now">,
  kid: string,
): Promise<VerificationKey | undefined> {
  const { lookups } = stateOf(deps.sql);
  const nowMs = deps.now();
  const known = lookups.get(kid);
  if (known !== undefined && nowMs < known.untilMs && !hasEnded(known.key, nowMs)) return known.key;
  const row = isText(kid) ? await selectServiceKey(deps.sql, kid) : undefined;
  const key = row !== undefined && isUsable(row, nowMs) ? await readRow(row) : undefined;
  // Only what exists is kept: ids that somebody makes up would push the real ones out.
  if (key !== undefined) {
    if (lookups.size >= LOOKUPS_MAX) lookups.clear();
    lookups.set(kid, { key, untilMs: nowMs + LOOKUP_MS });
  } else {
    lookups.delete(kid);
  }
  return key;
}

/** Looks the key up anew when it is needed next; to be called when it was changed. */
export function forgetVerificationKey(deps: Pick<Deps, "sql">, kid: string): void {
  stateOf(deps.sql).lookups.delete(kid);
}

/** Whether this instance signs with that key. */
export function isInstanceKey(deps: Pick<Deps, "sql">, kid: string): boolean {
  return stateOf(deps.sql).instance?.kid === kid;
}

/** The public keys of a service as JWKs with their ids. */
export async function listServiceKeys(deps: Pick<Deps, "sql" | "now">, service: string): Promise<JWK[]> {
  const rows = isText(service) ? await selectUsableServiceKeys(deps.sql, service, deps.now()) : [];
  return rows.map((row) => ({ ...JSON.parse(row.jwk) as JWK, kid: row.kid }));
}

export type ServiceKeyState = "usable" | "not approved" | "expired";

/** @throws {AppError} `not_found` */
export async function getServiceKey(
  deps: Pick<Deps, "sql" | "now">,
  service: string,
  kid: string,
): Promise<{ state: ServiceKeyState; jwk: JWK; expiresAtMs: number | null }> {
  const row = isText(kid) ? await selectServiceKey(deps.sql, kid) : undefined;
  if (row === undefined || row.service !== service) throw new AppError("not_found", "no such service key");
  const state = !row.approved ? "not approved" : isUsable(row, deps.now()) ? "usable" : "expired";
  return { state, jwk: JSON.parse(row.jwk) as JWK, expiresAtMs: row.expiresAtMs };
}

/** Whether the column can hold it: PostgreSQL takes no NUL. */
function isText(text: string): boolean {
  return text.length <= 255 && !text.includes("\0");
}

function isUsable(row: ServiceKeyRow, nowMs: number): boolean {
  return row.approved && (row.expiresAtMs === null || row.expiresAtMs > nowMs);
}

function hasEnded(key: VerificationKey | undefined, nowMs: number): boolean {
  return key !== undefined && key.expiresAtMs !== null && key.expiresAtMs <= nowMs;
}

/** The key, if it is one that RS256 can be checked with. */
async function readRow(row: ServiceKeyRow): Promise<VerificationKey | undefined> {
  const { kty, n, e } = JSON.parse(row.jwk) as JWK;
  if (kty !== "RSA" || n === undefined || e === undefined) return undefined;
  const key = await importJWK({ kty, n, e }, "RS256");
  return key instanceof CryptoKey ? { service: row.service, key, expiresAtMs: row.expiresAtMs } : undefined;
}

/** Enters the key, or moves its end on. A registry that is read-only keeps what the operator prepared. */
async function enterKey(deps: KeyDeps, key: InstanceKey): Promise<void> {
  const { config, now } = deps;
  if (config.REGISTRY_STATE === "readonly" && await isUsableById(deps, key.kid)) return;
  const nowMs = now();
  const expiresAtMs = nowMs + config.INSTANCE_SERVICE_KEY_EXPIRATION * 60_000;
  if (await extendServiceKey(deps.sql, key.kid, expiresAtMs)) return;
  await deps.sql.begin(async (tx) => {
    const approvalId = await insertAutomaticApproval(tx, nowMs);
    const metadata = JSON.stringify({ created_by: "CLI tool", created_on: new Date(nowMs).toISOString() });
    const { kid, service } = key;
    const jwk = JSON.stringify(key.publicJwk);
    const name = `${service} instance key`;
    await insertServiceKey(tx, { name, kid, service, jwk, metadata, nowMs, expiresAtMs, approvalId });
  });
}

async function isUsableById(deps: Pick<Deps, "sql" | "now">, kid: string): Promise<boolean> {
  const row = await selectServiceKey(deps.sql, kid);
  return row !== undefined && isUsable(row, deps.now());
}

async function readKeyFiles({ config }: Pick<Deps, "config">, place: KeyPlace): Promise<InstanceKey> {
  const service = config.INSTANCE_SERVICE_KEY_SERVICE;
  const shared = place.configDir === undefined
    ? undefined
    : await readIfThere(resolved(place.configDir, config.INSTANCE_SERVICE_KEY_LOCATION));
  if (shared !== undefined && place.configDir !== undefined) {
    const kid = await readIfThere(resolved(place.configDir, config.INSTANCE_SERVICE_KEY_KID_LOCATION));
    return await parseKey(service, shared, kid?.trim());
  }
  const path = `${place.dataDir}/keys/quay.pem`;
  const kept = await readIfThere(path);
  if (kept !== undefined) return await parseKey(service, kept, undefined);
  await makeKeyFile(`${place.dataDir}/keys`, path);
  // Of several that made one at the same time, the one that is there now counts for all.
  return await parseKey(service, await Deno.readTextFile(path), undefined);
}

function resolved(folder: string, path: string): string {
  return path.startsWith("/") ? path : `${folder}/${path}`;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function makeKeyFile(folder: string, path: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const { privateKey } = await generateKeyPair("RS256", { modulusLength: KEY_BITS, extractable: true });
  const draft = `${path}.${crypto.randomUUID()}`;
  try {
    const file = await Deno.open(draft, { write: true, createNew: true, mode: 0o600 });
    try {
      const bytes = new TextEncoder().encode(await exportPKCS8(privateKey));
      for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
      await file.syncData();
    } finally {
      file.close();
    }
    await Deno.link(draft, path).catch((error) => {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    });
  } finally {
    await Deno.remove(draft).catch(() => {});
  }
}

/** @param kid as Quay's file names it; without one, the key's RFC 7638 thumbprint */
async function parseKey(service: string, pem: string, kid: string | undefined): Promise<InstanceKey> {
  try {
    // Quay writes PKCS #1, which only Node's crypto reads.
    const node = createPrivateKey(pem);
    const privateKey = await importPKCS8(node.export({ type: "pkcs8", format: "pem" }) as string, "RS256");
    const { kty, n, e } = createPublicKey(node).export({ format: "jwk" }) as JWK;
    const publicJwk = { kty, n, e } as JWK;
    return { kid: kid || await calculateJwkThumbprint(publicJwk), service, privateKey, publicJwk };
  } catch (cause) {
    throw new Error("quay.pem is not an RSA private key in PEM form that can be used", { cause });
  }
}
