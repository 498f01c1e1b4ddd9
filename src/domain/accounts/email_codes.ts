/**
 * Codes in mails: whoever has one can read the mailbox that it was sent to. A code is 20 characters to find it by and 20
 * that only the mail has; the table `emailconfirmation` keeps a hash of those. Each works once.
 */
import type { Sql } from "../../drivers/database/postgres.ts";
import {
  deleteEmailCode,
  deleteEmailCodesOf,
  type EmailCodeRow,
  hasEmailCodeSince,
  insertEmailCode,
  selectEmailCode,
} from "../../drivers/database/queries/email_confirmation.ts";
import { durationMs } from "../../config/duration.ts";
import { AppError } from "../../lib/errors.ts";
import { randomText } from "../../lib/random_text.ts";
import type { Deps } from "../deps.ts";
import { hashPassword, verifyPassword } from "./passwords.ts";

/** `confirm` proves an address, `recover` lets its owner set a new password. */
export type EmailCodePurpose = "confirm" | "recover";

const NAME_LENGTH = 20;
const CODE = /^[A-Z0-9]{40}$/;
/** 20 random characters carry 100 bits: stretching would only slow the holder down. */
const HASH_COST = 5;
/** For people who read their mail after the holidays. */
const CONFIRM_LIFETIME_MS = 30 * 86_400_000;

/** A fresh code, and what stores it. Made before the transaction that does: hashing takes its time. */
export async function makeEmailCode(): Promise<
  { code: string; store(deps: { sql: Sql } & Pick<Deps, "now">, row: StoredCode): Promise<void> }
> {
  const code = randomText(2 * NAME_LENGTH);
  const credential = await hashPassword(code.slice(NAME_LENGTH), HASH_COST);
  return {
    code,
    async store({ sql, now }, { userId, purpose, newEmail }) {
      // The mail that counts is the last one.
      await deleteEmailCodesOf(sql, userId, { pwReset: purpose === "recover" });
      await insertEmailCode(sql, {
        code: code.slice(0, NAME_LENGTH),
        credential,
        userId,
        pwReset: purpose === "recover",
        emailConfirm: purpose === "confirm",
        newEmail: newEmail ?? null,
        nowMs: now(),
      });
    },
  };
}

interface StoredCode {
  readonly userId: number;
  readonly purpose: EmailCodePurpose;
  readonly newEmail?: string;
}

/**
 * The code's row, still to be used ({@link spendEmailCode}).
 * @throws {AppError} `invalid_request`; nothing tells an unknown code from a used or an expired one
 */
export async function findEmailCode(
  { sql, config, now }: Pick<Deps, "sql" | "config" | "now">,
  code: string,
  purpose: EmailCodePurpose,
): Promise<EmailCodeRow> {
  const row = CODE.test(code) ? await selectEmailCode(sql, code.slice(0, NAME_LENGTH)) : undefined;
  const lifetimeMs = purpose === "recover"
    ? durationMs(config.USER_RECOVERY_TOKEN_LIFETIME)
    : CONFIRM_LIFETIME_MS;
  if (row === undefined || row.pwReset !== (purpose === "recover")) throw spentCode();
  if (now() >= row.createdMs + lifetimeMs) throw spentCode();
  if (!await verifyPassword(code.slice(NAME_LENGTH), row.credential)) throw spentCode();
  return row;
}

/** Uses the code up, in the transaction of what it allows. @throws {AppError} `invalid_request`: somebody was faster */
export async function spendEmailCode(sql: Sql, row: EmailCodeRow): Promise<void> {
  if (!await deleteEmailCode(sql, row.id)) throw spentCode();
}

/** Whether a code for that was mailed within `withinMs`. */
export function wasMailedLately(
  { sql, now }: Pick<Deps, "sql" | "now">,
  userId: number,
  { purpose, withinMs }: { purpose: EmailCodePurpose; withinMs: number },
): Promise<boolean> {
  return hasEmailCodeSince(sql, userId, { pwReset: purpose === "recover", sinceMs: now() - withinMs });
}

function spentCode(): AppError {
  return new AppError("invalid_request", "This code is invalid, or has been used, or is too old.");
}
