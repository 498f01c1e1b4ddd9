/** Accounts as superusers and the operator manage them. What people do to their own is in `accounts.ts`. */
import { randomInt } from "node:crypto";
import { selectManagedAccounts, updateEmail } from "../../drivers/database/queries/managed_account.ts";
import {
  selectAccountByEmail,
  selectUserById,
  updateAccountEnabled,
  updatePassword,
  type UserRow,
} from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, isNamedSuperuser } from "../access/access.ts";
import { checkEmail, checkPassword, claimAccount, deleteUser, findUser, visibleEmail } from "./accounts.ts";
import { mailRecovery } from "./account_recovery.ts";
import { bySuperuser, logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { makeEmailCode } from "./email_codes.ts";
import { sendConfirmationMail } from "./mails.ts";
import { checkAccountName } from "../names.ts";
import { hashPassword } from "./passwords.ts";
import { isOperator, requireSuperuser, requireSuperuserOrReader } from "../access/rights.ts";

type ManageDeps = Pick<Deps, "sql" | "config" | "changes" | "now">;

const PASSWORD_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const PASSWORD_LENGTH = 32;

export interface AccountPage {
  readonly accounts: UserRow[];
  /** Where the next page starts; undefined on the last one. */
  readonly next: string | undefined;
}

/**
 * People or organizations by name.
 * @param actor a superuser, a global read-only superuser or the operator
 * @param options.after the last name of the page before, or `""`
 */
export async function listManagedAccounts(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  options: { kind: "user" | "organization"; after: string; limit: number; enabledOnly?: boolean },
): Promise<AccountPage> {
  requireSuperuserOrReader(deps.config, actor);
  const rows = await selectManagedAccounts(deps.sql, {
    kind: options.kind,
    afterName: options.after,
    limit: options.limit + 1,
    enabledOnly: options.enabledOnly === true,
  });
  const accounts = rows.slice(0, options.limit);
  return { accounts, next: rows.length > options.limit ? accounts.at(-1)?.username : undefined };
}

/** @param actor a superuser, a global read-only superuser or the operator @throws {AppError} `not_found` */
export async function findManagedUser(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  username: string,
): Promise<UserRow> {
  requireSuperuserOrReader(deps.config, actor);
  return await findUser(deps, username);
}

/**
 * Creates a person with a password that is made up, unless one is given. With `FEATURE_MAILING` the address has to be
 * confirmed with a mail that is sent to it.
 * @param actor a superuser or the operator
 * @returns the password, which cannot be read again
 * @throws {AppError} `name_invalid`, `invalid_request` (e-mail; passwords are kept elsewhere), `already_exists`
 */
export async function createManagedUser(
  deps: ManageDeps & Pick<Deps, "mail" | "log">,
  actor: Actor,
  wanted: { username: string; email?: string | undefined; password?: string | undefined },
): Promise<{ user: UserRow; password: string }> {
  requireSuperuser(deps.config, actor);
  requireOwnPasswords(deps, actor, "create a user");
  checkAccountName("Username", wanted.username);
  // The operator at the shell may have no address at hand: it can follow.
  if (!isOperator(actor) || wanted.email !== undefined) checkEmail(deps, wanted.email);
  const password = wanted.password ??
    Array.from({ length: PASSWORD_LENGTH }, () => PASSWORD_LETTERS[randomInt(PASSWORD_LETTERS.length)]).join(
      "",
    );
  checkPassword(password);
  const passwordHash = await hashPassword(password);
  const { username, email } = wanted;
  // Whoever is at the shell answers for the address.
  const confirmation = deps.config.FEATURE_MAILING && !isOperator(actor) ? await makeEmailCode() : undefined;
  const verified = confirmation === undefined;
  const user = await deps.sql.begin(async (tx) => {
    const id = await claimAccount(deps, tx, { username, email, passwordHash, verified, kind: "user" });
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "user_create",
      namespaceId: id,
      metadata: { email: email ?? null, username, ...bySuperuser(actor) },
    });
    await confirmation?.store({ ...deps, sql: tx }, { userId: id, purpose: "confirm" });
    return await selectUserById(tx, id);
  });
  if (user === undefined) throw new AppError("not_found", "The account was deleted meanwhile");
  if (confirmation !== undefined) {
    // The account is there: a recovery mail can take the place of this one.
    await sendConfirmationMail(deps, user.email, username, confirmation.code).catch((error) =>
      deps.log.warn("a confirmation mail could not be sent", { error })
    );
  }
  return { user, password };
}

/** What may be changed of somebody else's account; what is absent stays as it is. */
export interface AccountChange {
  readonly password?: string | undefined;
  readonly email?: string | undefined;
  /** A disabled person cannot sign in, push or pull; nothing is deleted. */
  readonly enabled?: boolean | undefined;
}

/**
 * Changes a person's account, all of it or nothing. A new password ends their sessions.
 * @param actor a superuser or the operator; superusers do not touch each other's accounts
 * @throws {AppError} `not_found`, `invalid_request`, `already_exists` for an address that is somebody's
 */
export async function changeManagedUser(
  deps: ManageDeps,
  actor: Actor,
  username: string,
  change: AccountChange,
): Promise<UserRow> {
  requireSuperuser(deps.config, actor);
  const user = await findUser(deps, username);
  refuseSuperuser(deps, actor, user.username, "update");
  const { password, email, enabled } = change;
  if (password !== undefined) {
    requireOwnPasswords(deps, actor, "change a password");
    checkPassword(password);
  }
  if (email !== undefined) checkEmail(deps, email);
  const passwordHash = password === undefined ? undefined : await hashPassword(password);
  await deps.sql.begin(async (tx) => {
    const log = (
      kind: "user_change_password" | "user_change_email" | "user_enable" | "user_disable",
      more = {},
    ) =>
      logAction({ ...deps, sql: tx }, actor, {
        kind,
        namespaceId: user.id,
        metadata: { username, ...more, ...bySuperuser(actor) },
      });
    if (passwordHash !== undefined) {
      await updatePassword(tx, user.id, passwordHash);
      await log("user_change_password");
    }
    if (email !== undefined) {
      const other = email === "" ? undefined : await selectAccountByEmail(tx, email);
      if (other !== undefined && other.id !== user.id) {
        throw new AppError("already_exists", "Email has already been used");
      }
      await updateEmail(tx, user.id, email === "" ? crypto.randomUUID() : email);
      await log("user_change_email", { old_email: visibleEmail(user), email });
    }
    if (enabled !== undefined) {
      await updateAccountEnabled(tx, user.id, enabled);
      await log(enabled ? "user_enable" : "user_disable");
    }
  });
  deps.changes?.allChanged();
  return await findUser(deps, username);
}

/** As `deleteUser`, for somebody else's account. @param actor a superuser or the operator */
export async function deleteManagedUser(deps: ManageDeps, actor: Actor, username: string): Promise<void> {
  requireSuperuser(deps.config, actor);
  const user = await findUser(deps, username);
  refuseSuperuser(deps, actor, user.username, "delete");
  await deleteUser(deps, actor, username);
}

/**
 * Mails a person who cannot sign in how to set a new password.
 * @param actor a superuser
 * @returns the address
 * @throws {AppError} `feature_disabled` without `FEATURE_MAILING`; `not_found`; `invalid_request` for superusers, for people
 *   without an address, and where another system knows the passwords; `mail_failed`
 */
export async function sendRecoveryTo(
  deps: ManageDeps & Pick<Deps, "mail">,
  actor: Actor,
  username: string,
): Promise<string> {
  if (!deps.config.FEATURE_MAILING) throw new AppError("feature_disabled", "Not Found");
  requireSuperuser(deps.config, actor);
  requireOwnPasswords(deps, actor, "send a recovery e-mail");
  const user = await findUser(deps, username);
  if (isNamedSuperuser(deps.config, username)) {
    throw new AppError("invalid_request", "Cannot send a recovery email for a superuser");
  }
  const email = visibleEmail(user);
  if (email === "") throw new AppError("invalid_request", `${username} has no e-mail address`);
  await mailRecovery(deps, user);
  return email;
}

/** Superusers do not touch each other's accounts; the operator may. */
function refuseSuperuser(
  deps: Pick<Deps, "config">,
  actor: Actor,
  username: string,
  verb: "update" | "delete",
): void {
  if (!isOperator(actor) && isNamedSuperuser(deps.config, username)) {
    throw new AppError("invalid_request", `Cannot ${verb} a superuser`);
  }
}

/** @throws {AppError} `invalid_request` where another system knows the passwords */
function requireOwnPasswords({ config }: Pick<Deps, "config">, actor: Actor, what: string): void {
  const { AUTHENTICATION_TYPE: type } = config;
  if (type === "Database" || type === "AppToken" && isOperator(actor)) return;
  throw new AppError("invalid_request", `Cannot ${what} in a non-database auth system`);
}
