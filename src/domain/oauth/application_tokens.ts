/** Tokens that an administrator makes for an application, without anybody's consent page (Quay 3.18). */
import {
  countLiveApplicationTokens,
  deleteApplicationToken,
  type OauthTokenListing,
  selectApplicationTokens,
} from "../../drivers/database/queries/oauth.ts";
import { lockOauthApplication } from "../../drivers/database/queries/oauth_application.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, isGlobalReadonlySuperuser, isSuperuser, type Scope } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import {
  applicationMetadata,
  type ApplicationPath,
  findOrganizationApplication,
  openApplication,
} from "./applications.ts";
import { formatScopes, parseRequestedScopes } from "./scopes.ts";
import { CONSENTED_TOKEN_LIFETIME_S, newCredential, storeOauthToken } from "./tokens.ts";
import { hasScope, refusal } from "../access/rights.ts";

export type { OauthTokenListing };

type TokenDeps = Pick<Deps, "sql" | "config" | "now">;

/**
 * The application's tokens, oldest first, never the tokens themselves.
 * @param actor administrator of the organization, or a global read-only superuser
 * @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function listApplicationTokens(
  deps: TokenDeps,
  actor: Actor,
  path: ApplicationPath,
  options: { after: string; limit: number },
): Promise<{ tokens: OauthTokenListing[]; next: string | undefined }> {
  const application = isGlobalReadonlySuperuser(deps.config, actor)
    ? await findOrganizationApplication(deps, path)
    : (await openApplication(deps, actor, path)).application;
  const afterId = Number(options.after || 0);
  const rows = await selectApplicationTokens(deps.sql, {
    applicationId: application.id,
    afterId: Number.isSafeInteger(afterId) ? afterId : 0,
    limit: options.limit + 1,
  });
  const tokens = rows.slice(0, options.limit);
  return { tokens, next: rows.length > options.limit ? `${tokens.at(-1)?.id}` : undefined };
}

export interface NewApplicationToken {
  readonly name: string;
  /** Separated by spaces or commas. */
  readonly scope: string;
  /** Absent: as long as one that somebody consented to; never longer. */
  readonly lifetimeS?: number | undefined;
}

/**
 * Makes a token that acts as `actor`.
 * @param actor administrator of the organization; what it may not do itself, the token may not either
 * @returns the token, which cannot be read again, and what is listed of it
 * @throws {AppError} `invalid_request`: unknown scope, or as many live tokens as `OAUTH_APPLICATION_MAXIMUM_TOKEN_COUNT`;
 *   `insufficient_scope`: a scope beyond the actor's rights; `not_found`, `unauthenticated`
 */
export async function createApplicationToken(
  deps: TokenDeps,
  actor: Actor,
  path: ApplicationPath,
  wanted: NewApplicationToken,
): Promise<{ token: string; listing: OauthTokenListing }> {
  const { application } = await openApplication(deps, actor, path);
  const scopes = parseRequestedScopes(deps.config, wanted.scope);
  if (scopes.size === 0) throw new AppError("invalid_request", "Invalid scope");
  if (actor.kind !== "user" || ![...scopes].every((scope) => mayHandOut(deps, actor, scope))) {
    throw refusal(actor);
  }
  const lifetimeS = Math.min(wanted.lifetimeS ?? CONSENTED_TOKEN_LIFETIME_S, CONSENTED_TOKEN_LIFETIME_S);
  const credential = await newCredential();
  return await deps.sql.begin(async (tx) => {
    if (!await lockOauthApplication(tx, application.id)) {
      throw new AppError("not_found", "There is no such application");
    }
    await checkCount({ ...deps, sql: tx }, application.id);
    const uuid = await storeOauthToken({ sql: tx, now: deps.now }, credential, {
      applicationId: application.id,
      userId: actor.id,
      scopes: [...scopes],
      lifetimeS,
      displayName: wanted.name,
    });
    const scope = formatScopes(scopes);
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "create_oauth_api_token",
      namespaceId: application.ownerId,
      metadata: {
        ...applicationMetadata(application),
        oauth_token_uuid: uuid,
        token_display_name: wanted.name,
        scope,
        auth_method: "OAuth",
      },
    });
    const nowMs = deps.now();
    const listing = {
      id: 0,
      uuid,
      displayName: wanted.name,
      scope,
      expiresAtMs: nowMs + lifetimeS * 1000,
      createdMs: nowMs,
      lastAccessedMs: null,
      username: actor.username,
    };
    return { token: credential.text, listing };
  });
}

/** The token is void at once. @param actor administrator of the organization @throws {AppError} `not_found` and so on */
export async function revokeApplicationToken(
  deps: TokenDeps,
  actor: Actor,
  path: ApplicationPath,
  uuid: string,
): Promise<void> {
  const { application } = await openApplication(deps, actor, path);
  await deps.sql.begin(async (tx) => {
    const gone = await deleteApplicationToken(tx, application.id, uuid);
    if (gone === undefined) throw new AppError("not_found", "There is no such token");
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "revoke_oauth_api_token",
      namespaceId: application.ownerId,
      metadata: { ...applicationMetadata(application), oauth_token_uuid: uuid },
    });
  });
}

/** A token hands out what it has itself; the rest of an administrator's scopes come with administering. */
function mayHandOut({ config }: Pick<Deps, "config">, actor: Actor, scope: Scope): boolean {
  return hasScope(actor, scope) && (scope !== "super:user" || isSuperuser(config, actor));
}

async function checkCount(
  { sql, config, now }:
    & { readonly sql: Parameters<typeof countLiveApplicationTokens>[0] }
    & Omit<TokenDeps, "sql">,
  applicationId: number,
): Promise<void> {
  const most = config.OAUTH_APPLICATION_MAXIMUM_TOKEN_COUNT;
  if (most === null || await countLiveApplicationTokens(sql, applicationId, now()) < most) return;
  throw new AppError(
    "invalid_request",
    `Token limit reached: maximum ${most} non-expired tokens per application`,
  );
}
