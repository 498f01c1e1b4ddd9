/** Which registry an organization is to stand for as a cache. What is kept here; pulls do not go through it yet. */
import {
  deleteProxyCache,
  insertProxyCache,
  type ProxyCacheRow,
  selectProxyCache,
} from "../../drivers/database/queries/proxy_cache.ts";
import { isOrganizationMember } from "../../drivers/database/queries/team.ts";
import { selectNamespace, type UserRow } from "../../drivers/database/queries/user.ts";
import { UpstreamError } from "../../drivers/upstream/driver.ts";
import { AppError } from "../../lib/errors.ts";
import { createHostGuard } from "../../lib/ssrf.ts";
import { type Actor, isGlobalReadonlySuperuser } from "../access/access.ts";
import { hasFullAccess, hasScope, refusal } from "../access/rights.ts";
import type { Deps } from "../deps.ts";
import { logAction } from "../logs/action_log.ts";
import { parseExternalReference } from "../mirroring/external_reference.ts";

type ProxyCacheDeps = Pick<Deps, "sql" | "config">;

/** What people set. */
export interface ProxyCacheSettings {
  /** `host[:port]`, or with a namespace there: `docker.io/library`. */
  readonly upstreamRegistry: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** How long a cached image is served before the other registry is asked again. */
  readonly expirationS: number;
  /** Any certificate will do, and plain HTTP. */
  readonly insecure: boolean;
}

const LONGEST = { registry: 270, credential: 2048, expirationS: 0x7fffffff };
const CHECK_MS = 10_000;

/** @throws {AppError} `feature_disabled` */
export function requireProxyCache({ config }: Pick<Deps, "config">): void {
  if (!config.FEATURE_PROXY_CACHE) throw new AppError("feature_disabled", "Not Found");
}

/**
 * The organization, for its members, global read-only superusers and superusers with full access (api.md §3).
 * @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function openForProxyCache(deps: ProxyCacheDeps, actor: Actor, name: string): Promise<UserRow> {
  const account = await selectNamespace(deps.sql, name);
  const organization = account?.organization ? account : undefined;
  const seesAll = hasFullAccess(deps.config, actor) || isGlobalReadonlySuperuser(deps.config, actor);
  const isMember = organization !== undefined && actor.kind === "user" && hasScope(actor, "org:admin") &&
    await isOrganizationMember(deps.sql, organization.id, actor.id);
  if (!seesAll && !isMember) throw refusal(actor);
  if (organization === undefined) throw new AppError("not_found", "Not Found");
  return organization;
}

/** @param organization opened by the caller */
export async function findProxyCache(
  { sql }: Pick<Deps, "sql">,
  organization: UserRow,
): Promise<ProxyCacheRow | undefined> {
  return await selectProxyCache(sql, organization.id);
}

/**
 * @param organization opened by the caller for change
 * @throws {AppError} `invalid_request`: a registry that cannot be or must not be gone to, or there is one already
 */
export async function createProxyCache(
  deps: ProxyCacheDeps & Pick<Deps, "now" | "secrets">,
  actor: Actor,
  organization: UserRow,
  settings: ProxyCacheSettings,
): Promise<void> {
  await checkSettings(deps, settings);
  const { username, password, upstreamRegistry, expirationS, insecure } = settings;
  const row = {
    upstreamRegistry,
    sealedUsername: username === undefined ? null : deps.secrets.encrypt(username),
    sealedPassword: username === undefined || password === undefined ? null : deps.secrets.encrypt(password),
    expirationS,
    insecure,
  };
  await deps.sql.begin(async (tx) => {
    if (!await insertProxyCache(tx, organization.id, row)) {
      throw new AppError("invalid_request", "Proxy cache configuration already exists for this organization");
    }
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "create_proxy_cache_config",
      namespaceId: organization.id,
      metadata: { namespace: organization.username, upstream_registry: upstreamRegistry },
    });
  });
}

/** @param organization opened by the caller for change @throws {AppError} `not_found` */
export async function removeProxyCache(
  deps: ProxyCacheDeps & Pick<Deps, "now">,
  actor: Actor,
  organization: UserRow,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    const removed = await deleteProxyCache(tx, organization.id);
    if (removed === undefined) throw new AppError("not_found", "Proxy cache is not set up");
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "delete_proxy_cache_config",
      namespaceId: organization.id,
      metadata: { namespace: organization.username, upstream_registry: removed.upstreamRegistry },
    });
  });
}

/**
 * Asks the other registry whether it takes these credentials, and without any whether it knows strangers. Changes nothing.
 * The caller has opened the organization for change: its administrators may have this machine ask.
 * @throws {AppError} `invalid_request`, in words
 */
export async function validateProxyCache(
  deps: ProxyCacheDeps & Pick<Deps, "upstream">,
  settings: ProxyCacheSettings,
): Promise<"Valid" | "Anonymous"> {
  const { registry, repository } = await checkSettings(deps, settings);
  const { username, password, insecure } = settings;
  try {
    const upstream = await deps.upstream({
      registry,
      repository,
      ...(username === undefined ? {} : { credentials: { username, password: password ?? "" } }),
      verifyTls: !insecure,
      proxy: { httpProxy: null, httpsProxy: null, noProxy: null },
      timeoutMs: CHECK_MS,
    });
    try {
      return await upstream.greets(AbortSignal.timeout(2 * CHECK_MS)) ? "Valid" : "Anonymous";
    } finally {
      await upstream.close();
    }
  } catch (cause) {
    const isSlow = cause instanceof DOMException && cause.name === "TimeoutError";
    if (!(cause instanceof UpstreamError) && !isSlow) throw cause;
    const words = isSlow ? `${registry} does not answer in time` : (cause as UpstreamError).message;
    throw new AppError("invalid_request", words, {}, { cause });
  }
}

/** @returns the registry, and a name in it that tokens may be asked for @throws {AppError} `invalid_request` */
async function checkSettings(
  { config }: Pick<Deps, "config">,
  { upstreamRegistry, username, password, expirationS }: ProxyCacheSettings,
): Promise<{ registry: string; repository: string }> {
  if (upstreamRegistry.length > LONGEST.registry) throw invalidRegistry();
  let reference: { registry: string; repository: string };
  try {
    reference = parseExternalReference(`${upstreamRegistry}/any`);
  } catch {
    throw invalidRegistry();
  }
  for (const text of [username, password]) {
    if (text !== undefined && (text.length > LONGEST.credential || text.includes("\0"))) {
      throw new AppError("invalid_request", `credentials have at most ${LONGEST.credential} characters`);
    }
  }
  if (password !== undefined && username === undefined) {
    throw new AppError(
      "invalid_request",
      "upstream_registry_password needs upstream_registry_username beside it",
    );
  }
  if (!Number.isSafeInteger(expirationS) || expirationS < 0 || expirationS > LONGEST.expirationS) {
    throw new AppError("invalid_request", `expiration_s is a whole number from 0 to ${LONGEST.expirationS}`);
  }
  const { hostname } = new URL(`https://${reference.registry}`);
  await createHostGuard(config.SSRF_ALLOWED_HOSTS).assertPublicIfKnown(hostname);
  return reference;
}

function invalidRegistry(): AppError {
  return new AppError(
    "invalid_request",
    "upstream_registry is host[:port], or with a namespace there, such as docker.io/library",
  );
}
