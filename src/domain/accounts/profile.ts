/** What people change of their own account. */
import { isUniqueViolation, type Sql } from "../../drivers/database/postgres.ts";
import {
  renameRobots,
  selectLongestRobotSuffix,
  updateUsername,
} from "../../drivers/database/queries/managed_account.ts";
import {
  type FederatedLogin,
  selectFederatedLogins,
} from "../../drivers/database/queries/federated_login.ts";
import {
  deleteUserPrompts,
  selectUserPrompts,
  type UserPrompt,
} from "../../drivers/database/queries/user_prompt.ts";
import {
  selectAccount,
  selectAccountByEmail,
  updateAccountSettings,
  updatePassword,
  type UserRow,
} from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import {
  changedSettings,
  checkOptionalEmail,
  checkTagExpiration,
  claimEmail,
  logSharedSettings,
  type SharedSettings,
} from "./account_settings.ts";
import type { Actor } from "../access/access.ts";
import { checkEmail, checkPassword, findUser, visibleEmail } from "./accounts.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { makeEmailCode } from "./email_codes.ts";
import type { LogKind } from "../logs/log_kinds.ts";
import { sendAddressChangeMail, sendPasswordChangedMail } from "./mails.ts";
import { checkAccountName } from "../names.ts";
import { hashPassword } from "./passwords.ts";
import { requirePerson } from "../access/rights.ts";

type ProfileDeps = Pick<Deps, "sql" | "config" | "now" | "mail" | "log" | "changes">;

/** A person's own account with what only that person is shown. */
export interface Profile {
  readonly user: UserRow;
  readonly prompts: readonly UserPrompt[];
  readonly logins: readonly FederatedLogin[];
}

/** @param actor the person, with `user:read` @throws {AppError} `unauthenticated`, `insufficient_scope` */
export async function viewProfile(deps: Pick<Deps, "sql">, actor: Actor): Promise<Profile> {
  const user = await findUser(deps, requirePerson(actor, "user:read").username);
  const [prompts, logins] = await Promise.all([
    selectUserPrompts(deps.sql, user.id),
    selectFederatedLogins(deps.sql, user.id),
  ]);
  return { user, prompts, logins };
}

/** What is absent stays as it is; an empty text empties the field. */
export interface ProfileChange extends SharedSettings {
  readonly password?: string | undefined;
  readonly email?: string | undefined;
  /** Heard with `FEATURE_USER_RENAME`, or while the person is asked to confirm a name that was made up. */
  readonly username?: string | undefined;
  /** These four with `FEATURE_USER_METADATA`. */
  readonly givenName?: string | undefined;
  readonly familyName?: string | undefined;
  readonly company?: string | undefined;
  readonly location?: string | undefined;
}

/**
 * Changes the person's own account, all of it or nothing. A new e-mail address counts once it is confirmed, where mails are
 * sent; a new password ends all sessions.
 * @returns the name from now on, and the uuid for a new session when the password changed
 * @throws {AppError} `invalid_request`, `name_invalid`, `already_exists` (e-mail, name), `mail_failed`, `unauthenticated`,
 *   `insufficient_scope`
 */
export async function changeProfile(
  deps: ProfileDeps,
  actor: Actor,
  change: ProfileChange,
): Promise<{ username: string; newUuid: string | undefined }> {
  const { sql, config } = deps;
  const user = await findUser(deps, requirePerson(actor, "user:admin").username);
  const prompts = await selectUserPrompts(sql, user.id);
  const { password } = change;
  if (password !== undefined) {
    requireDatabaseLogin(deps, "password");
    checkPassword(password);
  }
  checkOptionalEmail(change.invoiceEmailAddress);
  const newEmail = change.email === undefined || change.email === visibleEmail(user)
    ? undefined
    : change.email;
  if (newEmail !== undefined) checkEmail(deps, newEmail);
  const newName = wantedName(deps, user, prompts, change.username);
  const { invoiceEmail, invoiceEmailAddress, givenName, familyName, company, location } = change;
  const metadata = config.FEATURE_USER_METADATA ? { givenName, familyName, company, location } : {};
  const settings = changedSettings(user, {
    invoiceEmail,
    invoiceEmailAddress,
    tagExpirationS: checkTagExpiration(config, change.tagExpirationS),
    ...metadata,
  });
  const confirmation = newEmail !== undefined && config.FEATURE_MAILING
    ? await mailAddressChange(deps, user, newEmail)
    : undefined;
  const passwordHash = password === undefined ? undefined : await hashPassword(password);

  const newUuid = await sql.begin(async (tx) => {
    const log = (kind: LogKind, about: Record<string, unknown>) =>
      logAction({ ...deps, sql: tx }, actor, { kind, namespaceId: user.id, metadata: about });
    await updateAccountSettings(tx, user.id, settings);
    await logSharedSettings(log, "user", settings, settings);
    const changedMetadata = metadataOf(settings);
    if (Object.keys(changedMetadata).length > 0) await log("user_change_metadata", changedMetadata);
    if (config.FEATURE_USER_METADATA) await deleteUserPrompts(tx, user.id, answered(metadata));
    if (newEmail !== undefined && confirmation === undefined) {
      await claimEmail(tx, user, newEmail);
      await log("user_change_email", { email: newEmail, old_email: visibleEmail(user) });
    }
    await confirmation?.store({ ...deps, sql: tx });
    if (newName !== undefined) {
      await rename(tx, user, newName);
      await log("user_change_name", { old_username: user.username, username: newName });
    }
    if (change.username !== undefined) await deleteUserPrompts(tx, user.id, ["confirm_username"]);
    if (passwordHash === undefined) return undefined;
    await log("account_change_password", { username: user.username });
    return await updatePassword(tx, user.id, passwordHash);
  });
  if (newName !== undefined) deps.changes?.allChanged();
  if (newUuid !== undefined) await tellOfNewPassword(deps, user);
  return { username: newName ?? user.username, newUuid };
}

/** @throws {AppError} `invalid_request` where another system knows the passwords */
export function requireDatabaseLogin({ config }: Pick<Deps, "config">, what: string): void {
  if (config.AUTHENTICATION_TYPE !== "Database") {
    throw new AppError("invalid_request", `The ${what} is not kept in this registry`);
  }
}

/** The name to change to; undefined when there is nothing to change, or nobody may (ignored, as in Quay). */
function wantedName(
  { config }: Pick<Deps, "config">,
  user: UserRow,
  prompts: readonly UserPrompt[],
  name: string | undefined,
): string | undefined {
  const asked = config.FEATURE_USERNAME_CONFIRMATION && prompts.includes("confirm_username");
  if (!name || name === user.username || !config.FEATURE_USER_RENAME && !asked) return undefined;
  checkAccountName("Username", name);
  // Such a name comes with rights that the configuration gives.
  const privileged = [
    ...config.SUPER_USERS,
    ...config.GLOBAL_READONLY_SUPER_USERS,
    ...config.RESTRICTED_USERS_WHITELIST ?? [],
  ];
  if (privileged.includes(name)) throw nameTaken();
  return name;
}

async function rename(tx: Sql, user: UserRow, newName: string): Promise<void> {
  if (await selectAccount(tx, newName) !== undefined) throw nameTaken();
  if (newName.length + await selectLongestRobotSuffix(tx, user.username) > 255) {
    throw new AppError("name_invalid", "With that name the names of your robots would be longer than 255");
  }
  try {
    await updateUsername(tx, user.id, newName);
    await renameRobots(tx, user.username, newName);
  } catch (error) {
    throw isUniqueViolation(error) ? nameTaken() : error;
  }
}

/** Mails the code before anything changes: a failure leaves everything as it was. @returns what stores the code */
async function mailAddressChange(
  deps: ProfileDeps,
  user: UserRow,
  newEmail: string,
): Promise<{ store(inTx: { sql: Sql } & Pick<Deps, "now">): Promise<void> }> {
  const other = await selectAccountByEmail(deps.sql, newEmail);
  if (other !== undefined && other.id !== user.id) {
    throw new AppError("already_exists", "E-mail address already used");
  }
  const { code, store } = await makeEmailCode();
  await sendAddressChangeMail(deps, newEmail, user.username, code);
  return { store: (inTx) => store(inTx, { userId: user.id, purpose: "confirm", newEmail }) };
}

/** The change has been made: a mail that cannot be sent does not undo it. */
async function tellOfNewPassword(deps: ProfileDeps, user: UserRow): Promise<void> {
  const to = visibleEmail(user);
  if (!deps.config.FEATURE_MAILING || to === "") return;
  await sendPasswordChangedMail(deps, to, user.username)
    .catch((error) => deps.log.warn("a mail about a new password could not be sent", { error }));
}

function metadataOf(settings: ReturnType<typeof changedSettings>): Record<string, unknown> {
  const named = {
    given_name: settings.givenName,
    family_name: settings.familyName,
    company: settings.company,
    location: settings.location,
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}

/** The prompts that the change answers, also with an empty text. */
function answered(given: Pick<ProfileChange, "givenName" | "familyName" | "company">): UserPrompt[] {
  const prompts: UserPrompt[] = [];
  if (given.givenName !== undefined || given.familyName !== undefined) prompts.push("enter_name");
  if (given.company !== undefined) prompts.push("enter_company");
  return prompts;
}

function nameTaken(): AppError {
  return new AppError(
    "already_exists",
    "Username is already in use: a user or organization with it already exists",
  );
}
