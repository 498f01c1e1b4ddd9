/** Accounts that people make for themselves, and what proves their e-mail addresses. */
import type { Config } from "../../config/schema.ts";
import { selectPersonByLogin } from "../../drivers/database/queries/credential.ts";
import { insertUserPrompts } from "../../drivers/database/queries/user_prompt.ts";
import {
  deleteUnverifiedAccount,
  selectAccount,
  selectUserById,
  updateVerified,
  type UserRow,
} from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import { claimEmail } from "./account_settings.ts";
import type { Actor } from "../access/access.ts";
import { checkNewUser, insertUser, type NewUser, visibleEmail } from "./accounts.ts";
import { logAction } from "../logs/action_log.ts";
import { byPassword, type CredentialDeps } from "./credentials.ts";
import type { Deps } from "../deps.ts";
import { requireHuman } from "./captcha.ts";
import { findEmailCode, makeEmailCode, spendEmailCode } from "./email_codes.ts";
import { sendConfirmationMail } from "./mails.ts";
import { hashPassword } from "./passwords.ts";
import {
  acceptInviteAs,
  confirmsAddressOf,
  findInvite,
  type TeamInviteRow,
} from "../organizations/team_invites.ts";

/** Whether people may make accounts for themselves here, invited or not. */
export function maySignUp(config: Config): boolean {
  return config.FEATURE_USER_CREATION && config.FEATURE_DIRECT_LOGIN &&
    config.AUTHENTICATION_TYPE === "Database";
}

type SignUpDeps = Pick<Deps, "sql" | "config" | "now" | "mail" | "authorities" | "log">;

/** What somebody asks for who wants an account. */
export interface WantedAccount extends NewUser {
  /** Of an invitation to a team, which is thereby accepted. */
  readonly inviteCode?: string | undefined;
  readonly captcha: {
    readonly solution: string | undefined;
    /** Who sits at the browser; most often nobody who is known. */
    readonly client: Actor;
  };
}

/**
 * Creates a person's account at that person's own wish. Where mails are sent, it works once the address is confirmed; when
 * the mail cannot be sent there is no account.
 * @returns the account; `awaitingVerification`: it cannot be used yet
 * @throws {AppError} `feature_disabled`, `already_exists`, `invalid_request`, `name_invalid`, `mail_failed`,
 *   `upstream_failed`: no captcha can be checked
 */
export async function signUp(
  deps: SignUpDeps,
  actor: Actor,
  wanted: WantedAccount,
): Promise<{ user: UserRow; awaitingVerification: boolean }> {
  const { sql, config } = deps;
  if (!maySignUp(config)) {
    throw new AppError("feature_disabled", "Not Found");
  }
  // Before anything that costs time or mail.
  checkNewUser(deps, wanted);
  if (await selectAccount(sql, wanted.username) !== undefined) {
    throw new AppError("already_exists", "The username already exists");
  }
  checkEmailDomain(deps, wanted.email);
  const invite = await checkInvited(deps, wanted);
  await requireHuman(deps, wanted.captcha.client, wanted.captcha.solution);
  const passwordHash = await hashPassword(wanted.password);
  const confirmed = invite !== undefined &&
    confirmsAddressOf(invite, wanted.email ? { email: wanted.email } : {});
  const awaitingVerification = config.FEATURE_MAILING && !confirmed;
  const confirmation = awaitingVerification ? await makeEmailCode() : undefined;
  const user = await sql.begin(async (tx) => {
    const inTx = { ...deps, sql: tx };
    const { username, email } = wanted;
    const made = await insertUser(deps, tx, actor, {
      username,
      email,
      passwordHash,
      verified: !awaitingVerification,
    });
    if (config.FEATURE_USER_METADATA) await insertUserPrompts(tx, made.id, ["enter_name", "enter_company"]);
    if (invite !== undefined) await acceptInviteAs(inTx, actor, made, invite.token);
    await confirmation?.store(inTx, { userId: made.id, purpose: "confirm" });
    return await selectUserById(tx, made.id) ?? made;
  });
  if (confirmation !== undefined) {
    try {
      await sendConfirmationMail(deps, user.email, user.username, confirmation.code);
    } catch (error) {
      // Nobody could ever use it, and its name would be taken.
      await deleteUnverifiedAccount(sql, user.id);
      throw error;
    }
  }
  return { user, awaitingVerification };
}

/** `FEATURE_BLACKLISTED_EMAILS`: domains, with all that is below them. */
function checkEmailDomain({ config }: Pick<Deps, "config">, email: string | undefined): void {
  if (!config.FEATURE_BLACKLISTED_EMAILS || !email) return;
  const domain = email.slice(email.lastIndexOf("@") + 1).toLowerCase().replace(/\.$/, "");
  const refused = config.BLACKLISTED_EMAIL_DOMAINS.map((name) => name.toLowerCase())
    .some((name) => domain === name || domain.endsWith(`.${name}`));
  if (refused) {
    throw new AppError(
      "invalid_request",
      "Creation of a user account for this e-mail is disabled; please contact an administrator",
    );
  }
}

async function checkInvited(
  deps: SignUpDeps,
  { email, inviteCode }: Pick<WantedAccount, "email" | "inviteCode">,
): Promise<TeamInviteRow | undefined> {
  const inviteOnly = deps.config.FEATURE_INVITE_ONLY_USER_CREATION;
  if (!inviteCode) {
    if (inviteOnly) throw new AppError("invalid_request", "Cannot create non-invited user");
    return undefined;
  }
  // An invitation of an account cannot be for one that is not there yet.
  const invite = await findInvite(deps, inviteCode, { id: -1 });
  if (inviteOnly && !confirmsAddressOf(invite, email ? { email } : {})) {
    throw new AppError("invalid_request", "The invitation is for another e-mail address");
  }
  return invite;
}

/**
 * Who signs in with a password, accepting an invitation on the way. One that was mailed to the account's own address
 * confirms it first.
 * @throws {AppError} as `byPassword`, and `invalid_request` for an invitation of somebody else
 */
export async function signInInvited(
  deps: CredentialDeps,
  login: { username: string; password: string; inviteCode: string | undefined },
  origin: Pick<Actor, "origin">,
): Promise<Actor & { kind: "user" }> {
  const { username, password, inviteCode } = login;
  const byForm = () => byPassword(deps, username, password, { plainAllowed: true });
  if (!inviteCode) return await byForm();
  const actor = await byForm().catch(async (error) => {
    // The password was right.
    if (!(error instanceof AppError) || error.detail.needs_email_verification !== true) throw error;
    const invite = await findInvite(deps, inviteCode, undefined);
    const person = await selectPersonByLogin(deps.sql, username);
    const account = person === undefined ? undefined : await selectUserById(deps.sql, person.id);
    if (account === undefined || !confirmsAddressOf(invite, account)) throw error;
    await updateVerified(deps.sql, account.id);
    return await byForm();
  });
  const account = await selectUserById(deps.sql, actor.id);
  if (account === undefined) throw new AppError("invalid_credentials", "Invalid Username or Password");
  await deps.sql.begin((tx) =>
    acceptInviteAs({ ...deps, sql: tx }, { ...actor, ...origin }, account, inviteCode)
  );
  return actor;
}

/**
 * What `/confirm?code=` does: the account's address, or the new one that it asked for, is its holder's. Once.
 * @returns the account, whose holder may be signed in
 * @throws {AppError} `invalid_request`, `already_exists` when somebody has the new address by now
 */
export async function confirmEmail(
  deps: Pick<Deps, "sql" | "config" | "now">,
  code: string,
  origin: Pick<Actor, "origin">,
): Promise<UserRow> {
  const row = await findEmailCode(deps, code, "confirm");
  return await deps.sql.begin(async (tx) => {
    await spendEmailCode(tx, row);
    const user = await selectUserById(tx, row.userId);
    if (user === undefined || !user.enabled) throw new AppError("invalid_request", "The account is disabled");
    if (row.newEmail === null) await updateVerified(tx, user.id);
    else {
      await claimEmail(tx, user, row.newEmail);
      const { id, uuid, username } = user;
      const actor: Actor = { kind: "user", id, uuid, username, scopes: "all", via: "session", ...origin };
      await logAction({ ...deps, sql: tx }, actor, {
        kind: "user_change_email",
        namespaceId: id,
        metadata: { email: row.newEmail, old_email: visibleEmail(user) },
      });
    }
    return user;
  });
}
