/** Application-specific tokens: what people use at the registry in place of their password (user name `$app`). */
import { durationMs } from "../../config/duration.ts";
import {
  type AppTokenListing,
  deleteAppToken,
  insertAppToken,
  selectAppTokenByUuid,
  selectAppTokens,
} from "../../drivers/database/queries/app_token.ts";
import { AppError } from "../../lib/errors.ts";
import { randomText } from "../../lib/random_text.ts";
import type { Actor } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { type Person, requirePerson } from "../access/rights.ts";

export type { AppTokenListing };

/** Half of it is stored readable, to find the row by; half is sealed. */
const HALF_LENGTH = 60;
/** What "soon" is a tenth of, when tokens have no end of their own (Quay's). */
const DEFAULT_WINDOW = "4w";
/** No id is larger. */
const LARGEST_ID = 2 ** 31 - 1;

type AppTokenDeps = Pick<Deps, "sql" | "config" | "secrets" | "now">;

/**
 * The person's tokens, newest first.
 * @param options.expiring only those that end soon: within a tenth of `APP_SPECIFIC_TOKEN_EXPIRATION`
 * @throws {AppError} `feature_disabled`, `insufficient_scope`, `unauthenticated`
 */
export async function listAppTokens(
  deps: AppTokenDeps,
  actor: Actor,
  options: { expiring: boolean; after: string; limit: number },
): Promise<{ tokens: AppTokenListing[]; next: string | undefined }> {
  const person = openTokens(deps, actor);
  const nowMs = deps.now();
  const soonMs = expiringSoonMs(deps);
  const beforeId = Number(options.after || LARGEST_ID);
  const rows = await selectAppTokens(deps.sql, {
    userId: person.id,
    beforeId: Number.isSafeInteger(beforeId) ? beforeId : LARGEST_ID,
    limit: options.limit + 1,
    expiring: options.expiring ? { nowMs, untilMs: nowMs + soonMs } : undefined,
  });
  const tokens = rows.slice(0, options.limit);
  return { tokens, next: rows.length > options.limit ? `${tokens.at(-1)?.id}` : undefined };
}

/** The token with its code. The caller has asked for a fresh sign-in. @throws {AppError} `not_found`, and as the list */
export async function getAppToken(
  deps: AppTokenDeps,
  actor: Actor,
  uuid: string,
): Promise<{ token: AppTokenListing; code: string }> {
  const person = openTokens(deps, actor);
  const token = await selectAppTokenByUuid(deps.sql, person.id, uuid);
  if (token === undefined) throw noToken();
  return { token, code: token.tokenName + deps.secrets.decrypt(token.sealedSecret) };
}

/** Makes a token that lives for `APP_SPECIFIC_TOKEN_EXPIRATION`. The caller has asked for a fresh sign-in. */
export async function createAppToken(
  deps: AppTokenDeps,
  actor: Actor,
  title: string,
): Promise<{ token: AppTokenListing; code: string }> {
  return await makeAppToken(deps, actor, openTokens(deps, actor).id, title);
}

/** As {@link createAppToken}, for the person of that id. `actor`: who does it; the caller has checked permission. */
export async function makeAppToken(
  deps: AppTokenDeps,
  actor: Actor,
  userId: number,
  title: string,
): Promise<{ token: AppTokenListing; code: string }> {
  const { APP_SPECIFIC_TOKEN_EXPIRATION: lifetime } = deps.config;
  const nowMs = deps.now();
  const code = randomText(2 * HALF_LENGTH);
  return await deps.sql.begin(async (tx) => {
    const token = await insertAppToken(tx, {
      userId,
      title,
      tokenName: code.slice(0, HALF_LENGTH),
      sealedSecret: deps.secrets.encrypt(code.slice(HALF_LENGTH)),
      nowMs,
      expiresAtMs: lifetime === null ? null : nowMs + durationMs(lifetime),
    });
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "create_app_specific_token",
      namespaceId: userId,
      metadata: { app_specific_token_title: title, app_specific_token: token.uuid },
    });
    return { token, code };
  });
}

/** The token is void at once. The caller has asked for a fresh sign-in. @throws {AppError} `not_found`, and as the list */
export async function revokeAppToken(deps: AppTokenDeps, actor: Actor, uuid: string): Promise<void> {
  await dropAppToken(deps, actor, openTokens(deps, actor).id, uuid);
}

/** As {@link revokeAppToken}, of the person of that id. `actor`: who does it; the caller has checked permission. */
export async function dropAppToken(
  deps: AppTokenDeps,
  actor: Actor,
  userId: number,
  uuid: string,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    const title = await deleteAppToken(tx, userId, uuid);
    if (title === undefined) throw noToken();
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "revoke_app_specific_token",
      namespaceId: userId,
      metadata: { app_specific_token_title: title, app_specific_token: uuid },
    });
  });
}

/** Milliseconds before its end from which on a token counts as expiring. */
export function expiringSoonMs({ config }: Pick<Deps, "config">): number {
  return Math.max(1000, durationMs(config.APP_SPECIFIC_TOKEN_EXPIRATION ?? DEFAULT_WINDOW) / 10);
}

function openTokens(deps: Pick<Deps, "config">, actor: Actor): Person {
  if (!deps.config.FEATURE_APP_SPECIFIC_TOKENS) throw new AppError("feature_disabled", "Not Found");
  return requirePerson(actor, "user:admin");
}

function noToken(): AppError {
  return new AppError("not_found", "There is no such token");
}
