import { randomInt } from "node:crypto";
import {
  insertOauthApplication,
  insertOauthToken,
  selectOauthToken,
} from "../drivers/database/queries/oauth.ts";
import { AppError } from "../lib/errors.ts";
import { type Actor, type Scope, SCOPES } from "./access.ts";
import type { Deps } from "./deps.ts";
import { hashPassword, verifyPassword } from "./passwords.ts";

/** A token is 40 letters and digits: 20 to find it by, which are stored, and 20 that only its holder knows. */
const NAME_LENGTH = 20;
/** 20 random characters carry 100 bits: stretching would only slow the holder down. */
const HASH_COST = 5;
const TOKEN = /^[A-Za-z0-9]{40}$/;

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
  });
}

/**
 * Issues a token that acts as the user within `scopes`. The caller has checked permission.
 * @returns the token; it cannot be read again
 */
export async function issueOauthToken(
  deps: Pick<Deps, "sql" | "now">,
  options: { applicationId: number; userId: number; scopes: readonly Scope[]; lifetimeS: number },
): Promise<string> {
  const token = randomText(2 * NAME_LENGTH);
  await insertOauthToken(deps.sql, {
    applicationId: options.applicationId,
    userId: options.userId,
    scope: options.scopes.join(" "),
    tokenName: token.slice(0, NAME_LENGTH),
    tokenHash: await hashPassword(token.slice(NAME_LENGTH), HASH_COST),
    expiresAtMs: deps.now() + options.lifetimeS * 1000,
  });
  return token;
}

/** Who a Bearer token acts for. @throws {AppError} `invalid_token`; nothing tells an unknown one from a wrong one */
export async function authenticateOauthToken(deps: Pick<Deps, "sql" | "now">, token: string): Promise<Actor> {
  const row = TOKEN.test(token) ? await selectOauthToken(deps.sql, token.slice(0, NAME_LENGTH)) : undefined;
  if (row === undefined || !await verifyPassword(token.slice(NAME_LENGTH), row.tokenHash)) {
    throw new AppError("invalid_token", "The OAuth token is not valid");
  }
  if (row.expiresAtMs <= deps.now()) throw new AppError("invalid_token", "The OAuth token has expired");
  if (!row.userEnabled) throw new AppError("invalid_token", "The token's user has been disabled");
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

/** Scopes separated by spaces or commas; one unknown scope voids them all, as in Quay. */
export function parseScopes(text: string): ReadonlySet<Scope> {
  const names = text.split(/[\s,]+/).filter((name) => name !== "");
  const known = names.filter((name): name is Scope => (SCOPES as readonly string[]).includes(name));
  return new Set(known.length === names.length ? known : []);
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

function randomText(length: number): string {
  return Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join("");
}
