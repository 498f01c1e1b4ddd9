import {
  insertOauthToken,
  selectOauthToken,
  updateOauthTokenLastAccessed,
} from "../../drivers/database/queries/oauth.ts";
import { insertOauthApplication } from "../../drivers/database/queries/oauth_application.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import { randomText } from "../../lib/random_text.ts";
import type { Actor, Scope } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { noteUse } from "../accounts/last_use.ts";
import { formatScopes, parseScopes } from "./scopes.ts";
import { hashPassword, verifyPassword } from "../accounts/passwords.ts";

/** A token or code is 40 letters and digits: 20 to find it by, which are stored, and 20 that only its holder knows. */
const NAME_LENGTH = 20;
/** 20 random characters carry 100 bits: stretching would only slow the holder down. */
const HASH_COST = 5;
const CREDENTIAL = /^[A-Za-z0-9]{40}$/;

/** Tokens that people consent to live for ten years, as in Quay. */
export const CONSENTED_TOKEN_LIFETIME_S = 315_576_000;

/** A token or code that is about to be stored. */
export interface NewCredential {
  /** What its holder is given; it cannot be read again. */
  readonly text: string;
  readonly name: string;
  readonly hash: string;
}

/** Creates the application `name` of that user or organization. The caller has checked permission. @returns its id */
export async function createOauthApplication(
  deps: Pick<Deps, "sql" | "secrets">,
  application: { ownerId: number; clientId: string; name: string; description: string },
): Promise<number> {
  return await insertOauthApplication(deps.sql, {
    clientId: application.clientId,
    sealedSecret: deps.secrets.encrypt(randomText(40)),
    organizationId: application.ownerId,
    name: application.name,
    description: application.description,
    applicationUri: "",
    redirectUri: "",
    avatarEmail: null,
  });
}

/** A random credential. Takes milliseconds off the event loop: to be made before a transaction, not inside. */
export async function newCredential(): Promise<NewCredential> {
  const text = randomText(2 * NAME_LENGTH);
  return {
    text,
    name: text.slice(0, NAME_LENGTH),
    hash: await hashPassword(text.slice(NAME_LENGTH), HASH_COST),
  };
}

/** The name by which a credential is found, and what proves it; undefined for what cannot be one. */
export function splitCredential(text: string): { name: string; proof: string } | undefined {
  if (!CREDENTIAL.test(text)) return undefined;
  return { name: text.slice(0, NAME_LENGTH), proof: text.slice(NAME_LENGTH) };
}

export interface TokenGrant {
  readonly applicationId: number;
  readonly userId: number;
  readonly scopes: readonly Scope[];
  readonly lifetimeS: number;
  /** Of a token that an administrator makes for the application. */
  readonly displayName?: string;
}

/** Stores a token that acts as the user within `scopes`. The caller has checked permission. @returns its public id */
export function storeOauthToken(
  { sql, now }: { readonly sql: Sql } & Pick<Deps, "now">,
  credential: NewCredential,
  grant: TokenGrant,
): Promise<string> {
  const nowMs = now();
  return insertOauthToken(sql, {
    applicationId: grant.applicationId,
    userId: grant.userId,
    scope: formatScopes(new Set(grant.scopes)),
    tokenName: credential.name,
    tokenHash: credential.hash,
    expiresAtMs: nowMs + grant.lifetimeS * 1000,
    nowMs,
    displayName: grant.displayName ?? null,
  });
}

/** Makes and stores a token. The caller has checked permission. @returns the token; it cannot be read again */
export async function issueOauthToken(deps: Pick<Deps, "sql" | "now">, grant: TokenGrant): Promise<string> {
  const credential = await newCredential();
  await storeOauthToken(deps, credential, grant);
  return credential.text;
}

/** Who a Bearer token acts for. @throws {AppError} `invalid_token`; nothing tells an unknown one from a wrong one */
export async function authenticateOauthToken(
  deps: Pick<Deps, "sql" | "config" | "log" | "now">,
  token: string,
): Promise<Actor> {
  const parts = splitCredential(token);
  const row = parts === undefined ? undefined : await selectOauthToken(deps.sql, parts.name);
  if (row === undefined || parts === undefined || !await verifyPassword(parts.proof, row.tokenHash)) {
    throw new AppError("invalid_token", "The OAuth token is not valid");
  }
  if (row.expiresAtMs <= deps.now()) throw new AppError("invalid_token", "The OAuth token has expired");
  if (!row.userEnabled) throw new AppError("invalid_token", "The token's user has been disabled");
  noteUse(deps, row.lastAccessedMs, (nowMs) => updateOauthTokenLastAccessed(deps.sql, row.id, nowMs));
  return {
    kind: "user",
    id: row.userId,
    uuid: row.userUuid,
    username: row.username,
    scopes: parseScopes(row.scope),
    via: "oauth",
    credential: { kind: "oauth", id: row.id, clientId: row.clientId, application: row.application },
  };
}
