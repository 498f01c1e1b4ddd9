/** Tokens of people as the operator at the machine's own shell handles them. */
import { selectAppTokens } from "../../drivers/database/queries/app_token.ts";
import {
  deleteAuthorization,
  selectAuthorization,
  selectAuthorizations,
} from "../../drivers/database/queries/oauth.ts";
import {
  type OauthApplicationRow,
  selectOauthApplications,
} from "../../drivers/database/queries/oauth_application.ts";
import { AppError } from "../../lib/errors.ts";
import { randomText } from "../../lib/random_text.ts";
import type { Actor } from "../access/access.ts";
import { findUser } from "../accounts/accounts.ts";
import { logAction } from "../logs/action_log.ts";
import { dropAppToken, makeAppToken } from "../accounts/app_tokens.ts";
import type { Deps } from "../deps.ts";
import { applicationMetadata } from "./applications.ts";
import { formatScopes, parseRequestedScopes } from "./scopes.ts";
import {
  CONSENTED_TOKEN_LIFETIME_S,
  createOauthApplication,
  newCredential,
  storeOauthToken,
} from "./tokens.ts";
import { isOperator, refusal } from "../access/rights.ts";

type TokenDeps = Pick<Deps, "sql" | "config" | "secrets" | "now">;

/** OAuth tokens belong to an application: of those made at the shell it is this one, of the person's own. */
const APPLICATION = "command line";
const CLIENT_ID_LENGTH = 20;
const PAGE = 500;
/** No id is larger. */
const LARGEST_ID = 2 ** 31 - 1;

/**
 * Makes an OAuth token that acts as the person within the scopes.
 * @param wanted.scope scopes with spaces or commas between them
 * @returns the token, which cannot be read again, and its id
 * @throws {AppError} `not_found`; `invalid_request` for unknown scopes
 */
export async function createOauthTokenFor(
  deps: TokenDeps,
  actor: Actor,
  username: string,
  wanted: { scope: string; lifetimeS?: number | undefined; name: string },
): Promise<{ token: string; uuid: string; expiresAtMs: number; scope: string }> {
  const user = await openPerson(deps, actor, username);
  const scopes = parseRequestedScopes(deps.config, wanted.scope);
  if (scopes.size === 0) {
    throw new AppError("invalid_request", `"${wanted.scope}" names no scope, or an unknown one`);
  }
  const lifetimeS = Math.min(wanted.lifetimeS ?? CONSENTED_TOKEN_LIFETIME_S, CONSENTED_TOKEN_LIFETIME_S);
  const application = await commandLineOf(deps, user);
  const credential = await newCredential();
  const scope = formatScopes(scopes);
  const uuid = await deps.sql.begin(async (tx) => {
    const uuid = await storeOauthToken({ sql: tx, now: deps.now }, credential, {
      applicationId: application.id,
      userId: user.id,
      scopes: [...scopes],
      lifetimeS,
      displayName: wanted.name,
    });
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "create_oauth_api_token",
      namespaceId: user.id,
      metadata: {
        ...applicationMetadata(application),
        oauth_token_uuid: uuid,
        token_display_name: wanted.name,
        scope,
      },
    });
    return uuid;
  });
  return { token: credential.text, uuid, expiresAtMs: deps.now() + lifetimeS * 1000, scope };
}

/** Makes an app-specific token, which takes the place of the person's password at the registry. */
export async function createAppTokenFor(deps: TokenDeps, actor: Actor, username: string, title: string) {
  if (!deps.config.FEATURE_APP_SPECIFIC_TOKENS) {
    throw new AppError("feature_disabled", "FEATURE_APP_SPECIFIC_TOKENS is off");
  }
  const user = await openPerson(deps, actor, username);
  return await makeAppToken(deps, actor, user.id, title);
}

/** A token without what would let somebody use it. */
export interface PersonToken {
  readonly uuid: string;
  readonly kind: "oauth" | "app";
  /** The application that it was made for, or the token's title. */
  readonly name: string;
  /** Separated by spaces; empty: everything that the password may do at the registry. */
  readonly scope: string;
}

/** The person's tokens: those of applications, then app-specific ones, the newest first. @throws {AppError} `not_found` */
export async function listTokensOf(deps: TokenDeps, actor: Actor, username: string): Promise<PersonToken[]> {
  const { id: userId } = await openPerson(deps, actor, username);
  const all: PersonToken[] = [];
  for (let beforeId = LARGEST_ID;;) {
    const rows = await selectAuthorizations(deps.sql, { userId, beforeId, limit: PAGE });
    all.push(
      ...rows.map(({ uuid, scope, application }) => ({
        uuid,
        kind: "oauth" as const,
        name: application.name,
        scope,
      })),
    );
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) break;
    beforeId = last.tokenId;
  }
  for (let beforeId = LARGEST_ID;;) {
    const rows = await selectAppTokens(deps.sql, { userId, beforeId, limit: PAGE });
    all.push(...rows.map(({ uuid, title }) => ({ uuid, kind: "app" as const, name: title, scope: "" })));
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) break;
    beforeId = last.id;
  }
  return all;
}

/** The token is void at once, of whichever kind it is. @throws {AppError} `not_found` */
export async function revokeTokenOf(
  deps: TokenDeps,
  actor: Actor,
  username: string,
  uuid: string,
): Promise<void> {
  const user = await openPerson(deps, actor, username);
  const found = uuid.length <= 255 ? await selectAuthorization(deps.sql, user.id, uuid) : undefined;
  if (found === undefined) return await dropAppToken(deps, actor, user.id, uuid);
  await deps.sql.begin(async (tx) => {
    if (!await deleteAuthorization(tx, user.id, uuid)) {
      throw new AppError("not_found", "There is no such token");
    }
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "oauth_token_revoked",
      namespaceId: found.application.ownerId,
      metadata: { ...applicationMetadata(found.application), oauth_token_uuid: uuid, scope: found.scope },
    });
  });
}

/** @throws {AppError} `insufficient_scope`: only the operator handles other people's tokens */
async function openPerson(deps: TokenDeps, actor: Actor, username: string) {
  if (!isOperator(actor)) throw refusal(actor);
  return await findUser(deps, username);
}

async function commandLineOf(deps: TokenDeps, user: { id: number }): Promise<OauthApplicationRow> {
  const find = async () =>
    (await selectOauthApplications(deps.sql, user.id)).find(({ name }) => name === APPLICATION);
  const known = await find();
  if (known !== undefined) return known;
  await createOauthApplication(deps, {
    ownerId: user.id,
    clientId: randomText(CLIENT_ID_LENGTH),
    name: APPLICATION,
    description: "Tokens that the operator made at the shell",
  });
  const made = await find();
  if (made === undefined) throw new AppError("not_found", "The account was deleted meanwhile");
  return made;
}
