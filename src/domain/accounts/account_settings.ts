/** Settings that people and organizations have alike: e-mail, invoices, how long deleted tags are kept. */
import { durationMs } from "../../config/duration.ts";
import type { Config } from "../../config/schema.ts";
import { isUniqueViolation, type Sql } from "../../drivers/database/postgres.ts";
import {
  type AccountSettings,
  selectAccountByEmail,
  updateAccountEmail,
  type UserRow,
} from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import type { LogKind } from "../logs/log_kinds.ts";
import { isEmail } from "../names.ts";

/** Of these, what is absent stays as it is. */
export interface SharedSettings {
  readonly invoiceEmail?: boolean | undefined;
  /** `""` takes it away. */
  readonly invoiceEmailAddress?: string | undefined;
  /** One of `TAG_EXPIRATION_OPTIONS`. */
  readonly tagExpirationS?: number | undefined;
}

/**
 * Writes an entry into the action log for each of them that has changed.
 * @param whose `user` or `org`, as the kinds of the entries begin
 * @param told what the entries say
 */
export async function logSharedSettings(
  log: (kind: LogKind, metadata: Record<string, unknown>) => Promise<void>,
  whose: "user" | "org",
  changed: AccountSettings,
  told: Pick<AccountSettings, keyof SharedSettings>,
): Promise<void> {
  if (changed.invoiceEmail !== undefined) {
    await log(`${whose}_change_invoicing`, { invoice_email: told.invoiceEmail });
  }
  if (changed.invoiceEmailAddress !== undefined) {
    await log(`${whose}_change_invoicing`, { invoice_email_address: told.invoiceEmailAddress });
  }
  if (changed.tagExpirationS !== undefined) {
    await log(`${whose}_change_tag_expiration`, { tag_expiration: told.tagExpirationS });
  }
}

/**
 * The wanted time, or undefined where nobody may set it (`FEATURE_CHANGE_TAG_EXPIRATION: false`; ignored, as in Quay).
 * @throws {AppError} `invalid_request` for one that is not in `TAG_EXPIRATION_OPTIONS`
 */
export function checkTagExpiration(config: Config, seconds: number | undefined): number | undefined {
  if (seconds === undefined || !config.FEATURE_CHANGE_TAG_EXPIRATION) return undefined;
  if (!config.TAG_EXPIRATION_OPTIONS.some((option) => durationMs(option) === seconds * 1000)) {
    throw new AppError(
      "invalid_request",
      `tag_expiration_s must be one of ${config.TAG_EXPIRATION_OPTIONS.join(", ")}, in seconds`,
    );
  }
  return seconds;
}

/** @throws {AppError} `invalid_request` for something that is neither empty nor an address */
export function checkOptionalEmail(email: string | undefined): void {
  if (email && !isEmail(email)) throw new AppError("invalid_request", "Invalid email address");
}

/** Of `wanted`, what is not so already; an empty text empties the field. */
export function changedSettings(
  account: UserRow,
  wanted: { [Key in keyof AccountSettings]: Exclude<AccountSettings[Key], null> },
): AccountSettings {
  const changed = Object.entries(wanted)
    .map(([key, value]) => [key, value === "" ? null : value] as const)
    .filter(([key, value]) => value !== undefined && value !== account[key as keyof UserRow]);
  return Object.fromEntries(changed) as AccountSettings;
}

/**
 * Gives the account that address, in the caller's transaction; `""` takes it away.
 * @throws {AppError} `already_exists`, also when somebody takes it at the same time
 */
export async function claimEmail(
  tx: Sql,
  account: { id: number },
  email: string,
  verified = true,
): Promise<void> {
  const other = email === "" ? undefined : await selectAccountByEmail(tx, email);
  if (other !== undefined && other.id !== account.id) throw emailTaken();
  try {
    // Accounts without an address carry filler, since the column is unique.
    await updateAccountEmail(tx, account.id, email === "" ? crypto.randomUUID() : email, verified);
  } catch (error) {
    throw isUniqueViolation(error) ? emailTaken() : error;
  }
}

function emailTaken(): AppError {
  return new AppError("already_exists", "E-mail address already used");
}
