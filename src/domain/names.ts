import { AppError } from "../lib/errors.ts";

/** The rules for names that people choose, each in one place. Quay's rules (api.md §0), so that clients find no surprise. */

const ACCOUNT_NAME = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/;
const REPOSITORY_COMPONENT = /^[a-z0-9][.a-z0-9_-]*$/;
const EMAIL = /^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u;

/** Why `name` cannot be that of a user, organization, team or robot (its short name), or undefined when it can. */
export function accountNameProblem(name: string): string | undefined {
  if (name.length < 2 || name.length > 255) return "must be between 2 and 255 characters in length";
  if (!ACCOUNT_NAME.test(name)) {
    return "must be lower-case letters and digits, joined by single dots, dashes or underscores";
  }
  return undefined;
}

/** @throws {AppError} `name_invalid` */
export function checkAccountName(
  what: "Username" | "Organization name" | "Team name" | "Robot name",
  name: string,
): void {
  const problem = accountNameProblem(name);
  if (problem !== undefined) throw new AppError("name_invalid", `${what} ${problem}`);
}

/**
 * Whether `name` (without its namespace) can be a repository's.
 * @param extended `FEATURE_EXTENDED_REPOSITORY_NAMES`: names of several components
 */
export function isRepositoryName(name: string, extended: boolean): boolean {
  if (name.length === 0 || name.length > 255) return false;
  const components = name.split("/");
  return (extended || components.length === 1) && components.every((part) => REPOSITORY_COMPONENT.test(part));
}

/** Why `password` is refused, or undefined. bcrypt reads 72 bytes; longer ones are hashed first, so any length is good. */
export function passwordProblem(password: string): string | undefined {
  if (/\s/.test(password)) return "Password must not contain whitespace";
  if (password.length < 8) return "Password must be at least 8 characters";
  if (password.length > 4096) return "Password must be at most 4096 characters";
  if (password.includes("\0")) return "Password must not contain NUL";
  return undefined;
}

export function isEmail(text: string): boolean {
  return text.length <= 255 && EMAIL.test(text);
}
