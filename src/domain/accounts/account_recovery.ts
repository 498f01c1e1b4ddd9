/** Getting into an account whose password is lost, with a mail to its address. */
import { selectOrganizationsByContact } from "../../drivers/database/queries/contact_email.ts";
import { selectOrganizationAdmins } from "../../drivers/database/queries/team.ts";
import {
  selectAccountByEmail,
  selectUserById,
  updatePassword,
  updateVerified,
} from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import { checkPassword } from "./accounts.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { requireHuman } from "./captcha.ts";
import { findEmailCode, makeEmailCode, spendEmailCode, wasMailedLately } from "./email_codes.ts";
import { sendOrganizationRecoveryMail, sendRecoveryMail } from "./mails.ts";
import { hashPassword } from "./passwords.ts";

/** One mail a minute: nobody's mailbox is filled from here. */
const RESEND_MS = 60_000;

/** Organizations whose administrators one mail each names, where they share an address. */
const CONTACTS_MAX = 10;

export type RecoveryAnswer =
  | { readonly status: "sent" }
  /** Nobody signs in as an organization; its administrators are named in the mail. */
  | { readonly status: "org"; readonly orgemail: string; readonly orgname: string };

/**
 * Mails a code to the owner of the address, if there is one. Nothing tells whether there is a person: the answer is the
 * same, and does not wait for the mail.
 * @param captcha what it gave the browser
 * @returns `done` settles when the mail is on its way
 * @throws {AppError} `feature_disabled`; `invalid_request`, `upstream_failed` for the captcha
 */
export async function startRecovery(
  deps: Pick<Deps, "sql" | "config" | "now" | "mail" | "log" | "authorities">,
  actor: Actor,
  email: string,
  captcha: string | undefined,
): Promise<{ answer: RecoveryAnswer; done: Promise<void> }> {
  if (!deps.config.FEATURE_MAILING) throw new AppError("feature_disabled", "Not Found");
  await requireHuman(deps, actor, captcha);
  // Filler of accounts without an address is not one.
  const account = email.includes("@") ? await selectAccountByEmail(deps.sql, email) : undefined;
  const failed = (error: unknown) => deps.log.warn("a recovery mail could not be sent", { error });
  if (account?.organization) {
    return {
      answer: { status: "org", orgemail: email, orgname: redactName(account.username) },
      done: mailAdministrators(deps, account).catch(failed),
    };
  }
  const reached = account === undefined && email.includes("@")
    ? await selectOrganizationsByContact(deps.sql, email, CONTACTS_MAX)
    : [];
  if (reached[0] !== undefined) {
    const mailed = reached.map((organization) => mailAdministrators(deps, organization).catch(failed));
    return {
      answer: { status: "org", orgemail: email, orgname: redactName(reached[0].username) },
      done: Promise.all(mailed).then(() => undefined),
    };
  }
  const done = account === undefined || account.robot || !account.enabled
    ? Promise.resolve()
    : mailRecovery(deps, account).catch(failed);
  return { answer: { status: "sent" }, done };
}

/** Mails a code to a person, unless that was done a moment ago. The caller has checked who asks. @throws {AppError} `mail_failed` */
export async function mailRecovery(
  deps: Pick<Deps, "sql" | "now" | "config" | "mail">,
  account: { id: number; email: string; username: string },
): Promise<void> {
  if (await wasMailedLately(deps, account.id, { purpose: "recover", withinMs: RESEND_MS })) return;
  const { code, store } = await makeEmailCode();
  await deps.sql.begin((tx) => store({ ...deps, sql: tx }, { userId: account.id, purpose: "recover" }));
  await sendRecoveryMail(deps, account.email, account.username, code);
}

async function mailAdministrators(
  deps: Pick<Deps, "sql" | "now" | "config" | "mail">,
  account: { id: number; email: string; username: string },
): Promise<void> {
  if (await wasMailedLately(deps, account.id, { purpose: "recover", withinMs: RESEND_MS })) return;
  // Only for the moment that is written with it: nobody is told the code.
  const { store } = await makeEmailCode();
  await deps.sql.begin((tx) => store({ ...deps, sql: tx }, { userId: account.id, purpose: "recover" }));
  const administrators = await selectOrganizationAdmins(deps.sql, account.id);
  await sendOrganizationRecoveryMail(deps, account.email, account.username, administrators);
}

/** Enough to recognise one's own organization by. */
function redactName(name: string): string {
  return name.length <= 2
    ? name.replace(/./g, "*")
    : `${name[0]}${"*".repeat(name.length - 2)}${name.at(-1)}`;
}

/** Whose account the code of a recovery mail is good for; it stays good. @throws {AppError} `invalid_request` */
export async function findRecovery(
  deps: Pick<Deps, "sql" | "config" | "now">,
  code: string,
): Promise<{ username: string }> {
  const user = await selectUserById(deps.sql, (await findEmailCode(deps, code, "recover")).userId);
  if (user === undefined || !user.enabled) throw new AppError("invalid_request", "The account is disabled");
  return user;
}

/**
 * Sets a new password with the code of a recovery mail, once; ends all sessions and every lock-out. Who can read the mail
 * has also confirmed the address.
 * @returns the uuid for a new session
 * @throws {AppError} `invalid_request`: code or password
 */
export async function finishRecovery(
  deps: Pick<Deps, "sql" | "config" | "now">,
  code: string,
  password: string,
  origin: Pick<Actor, "origin">,
): Promise<string> {
  const row = await findEmailCode(deps, code, "recover");
  checkPassword(password);
  const passwordHash = await hashPassword(password);
  return await deps.sql.begin(async (tx) => {
    await spendEmailCode(tx, row);
    const user = await selectUserById(tx, row.userId);
    if (user === undefined || !user.enabled) throw new AppError("invalid_request", "The account is disabled");
    const { id, username } = user;
    await updateVerified(tx, id);
    const uuid = await updatePassword(tx, id, passwordHash);
    const actor: Actor = { kind: "user", id, uuid, username, scopes: "all", via: "session", ...origin };
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "account_change_password",
      namespaceId: id,
      metadata: { username },
    });
    return uuid;
  });
}
