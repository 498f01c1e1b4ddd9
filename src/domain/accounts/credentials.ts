import {
  selectAppToken,
  selectRobotCredential,
  updateAppTokenLastAccessed,
  updateLastAccessed,
} from "../../drivers/database/queries/credential.ts";
import { databaseLogin } from "./database_login.ts";
import type { AuthDriver } from "../../drivers/auth/driver.ts";
import { isSameSecret } from "../../lib/constant_time.ts";
import { AppError } from "../../lib/errors.ts";
import { successLabel } from "../../lib/metrics.ts";
import type { Actor } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { noteUse } from "./last_use.ts";
import { authenticateOauthToken } from "../oauth/tokens.ts";
import { decryptPassword } from "../secrets.ts";

export type CredentialDeps = Pick<Deps, "sql" | "config" | "secrets" | "metrics" | "log" | "now">;

const APP_TOKEN_NAME_LENGTH = 60;
const APP_TOKEN_LENGTH = 120;

/**
 * Who Basic credentials belong to, in all of Quay's forms: a person's name or e-mail address with the password (or its
 * encrypted form), `$oauthtoken`, `$app`, and `namespace+robot`.
 * @throws {AppError} `invalid_credentials`, whose message says which kind failed; `too_many_attempts` with
 *   `detail.retry_after` in seconds
 */
export async function authenticateBasic(
  deps: CredentialDeps,
  username: string,
  password: string,
): Promise<Actor> {
  const kind = username === "$oauthtoken" ? "oauth" : "credentials";
  let actor: Actor | undefined;
  try {
    actor = await recognize(deps, username, password);
    return actor;
  } finally {
    deps.metrics.authenticationAttempts.labels(kind, successLabel(actor !== undefined)).inc();
  }
}

function recognize(deps: CredentialDeps, username: string, password: string): Promise<Actor> {
  switch (username) {
    case "$oauthtoken":
      return byOauthToken(deps, password);
    case "$app":
      return byAppToken(deps, password);
    case "$token":
      throw refused("Access tokens of repositories are no longer supported; use a robot account");
  }
  return username.includes("+")
    ? byRobotToken(deps, username, password)
    : byPassword(deps, username, password);
}

/**
 * The person who signs in with a password, as in the browser's form.
 * @throws {AppError} as {@link authenticateBasic}
 */
export async function byPassword(
  deps: CredentialDeps,
  username: string,
  given: string,
  options: { plainAllowed?: boolean } = {},
): Promise<Actor & { kind: "user" }> {
  const { config } = deps;
  const decrypted = decryptPassword(config, given);
  if (decrypted === undefined && config.FEATURE_REQUIRE_ENCRYPTED_BASIC_AUTH && !options.plainAllowed) {
    throw refused(
      "Client login with unencrypted passwords is disabled. Please generate an encrypted password.",
    );
  }
  const result = await driverOf(deps).verify(username, decrypted ?? given);
  if (result.outcome === "locked") {
    const seconds = Math.ceil(result.retryAfterMs / 1000);
    throw new AppError(
      "too_many_attempts",
      "Too many login attempts have been made. Please try again later.",
      {
        retry_after: seconds,
      },
    );
  }
  if (result.outcome === "wrong") throw refused("Invalid Username or Password");
  const { person } = result;
  if (!person.enabled) throw refused("This user has been disabled. Please contact your administrator.");
  if (config.FEATURE_MAILING && !person.verified) {
    throw new AppError("invalid_credentials", "This username has not verified their email address.", {
      needs_email_verification: true,
    });
  }
  touch(deps, person);
  const { id, uuid, username: name } = person;
  return { kind: "user", id, uuid, username: name, scopes: "all", via: "password", freshLoginMs: deps.now() };
}

/** Other engines come with their own issues; until then passwords are in the database. */
function driverOf({ sql, now }: CredentialDeps): AuthDriver {
  return databaseLogin({ sql, now });
}

async function byOauthToken(deps: CredentialDeps, token: string): Promise<Actor> {
  try {
    return await authenticateOauthToken(deps, token);
  } catch (error) {
    if (error instanceof AppError && error.code === "invalid_token") throw refused(error.publicMessage);
    throw error;
  }
}

async function byAppToken(deps: CredentialDeps, token: string): Promise<Actor> {
  if (!deps.config.FEATURE_APP_SPECIFIC_TOKENS) throw refused("Application specific tokens are disabled");
  const row = /^[A-Za-z0-9]+$/.test(token) && token.length === APP_TOKEN_LENGTH
    ? await selectAppToken(deps.sql, token.slice(0, APP_TOKEN_NAME_LENGTH))
    : undefined;
  const secret = row === undefined ? "" : deps.secrets.decrypt(row.sealedSecret);
  const matches = isSameSecret(token.slice(APP_TOKEN_NAME_LENGTH), secret);
  if (row === undefined || !matches) throw refused("Invalid token");
  if (row.expiresAtMs !== null && row.expiresAtMs <= deps.now()) throw refused("Expired token");
  if (!row.enabled) throw refused("This user has been disabled. Please contact your administrator.");
  touch(deps, row);
  noteUse(deps, row.tokenLastAccessedMs, (nowMs) => updateAppTokenLastAccessed(deps.sql, row.tokenId, nowMs));
  const { id, uuid, username } = row;
  const credential = { kind: "apptoken", uuid: row.tokenUuid, title: row.title } as const;
  return { kind: "user", id, uuid, username, scopes: "all", via: "apptoken", credential };
}

/** Whether `password` can only be a token of a federated robot: a robot's own has no dots. */
function isFederatedToken(password: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(password);
}

/** Loaded by the first such robot: what it needs speaks to other sites. */
async function verifyFederated(
  deps: CredentialDeps,
  robot: { readonly id: number; readonly username: string },
  token: string,
): Promise<boolean> {
  const { verifyFederatedToken } = await import("./robot_federation.ts");
  return await verifyFederatedToken(deps, robot, token);
}

async function byRobotToken(deps: CredentialDeps, username: string, token: string): Promise<Actor> {
  const { config } = deps;
  const unknown = `Could not find robot with specified username`;
  const robot = /^[a-z0-9._-]{2,255}\+[a-z0-9._-]{2,255}$/.test(username)
    ? await selectRobotCredential(deps.sql, username)
    : undefined;
  const stored = robot?.sealedToken == null ? "" : deps.secrets.decrypt(robot.sealedToken);
  const matches = robot !== undefined && isFederatedToken(token)
    ? await verifyFederated(deps, robot, token)
    : isSameSecret(token, stored);
  if (robot === undefined) throw refused(unknown);
  if (!matches) throw refused("Could not find robot with specified username and supplied password.");
  // Only its holder learns more.
  if (config.ROBOTS_DISALLOW && !config.ROBOTS_WHITELIST.includes(username)) {
    throw refused("Robot accounts have been disabled. Please contact your administrator.");
  }
  if (!robot.ownerEnabled || !robot.enabled) throw refused("This robot's owner has been disabled.");
  touch(deps, robot);
  return { kind: "robot", id: robot.id, username: robot.username, ownerId: robot.ownerId };
}

const refused = (message: string) => new AppError("invalid_credentials", message);

/** Records that the account was used. */
function touch(deps: CredentialDeps, account: { id: number; lastAccessedMs: number | null }): void {
  if (!deps.config.FEATURE_USER_LAST_ACCESSED) return;
  noteUse(deps, account.lastAccessedMs, (nowMs) => updateLastAccessed(deps.sql, account.id, nowMs));
}
