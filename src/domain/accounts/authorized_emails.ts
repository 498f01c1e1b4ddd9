/** Addresses whose owners allowed notifications of a repository. */
import {
  type AuthorizedEmail,
  confirmAuthorizedEmailByCode,
  insertAuthorizedEmail,
  selectAuthorizedEmail,
} from "../../drivers/database/queries/authorized_email.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { sendRepositoryMailAuthorization } from "./mails.ts";
import { isEmail } from "../names.ts";
import { openRepository } from "../repositories/repositories.ts";

export type { AuthorizedEmail };

/**
 * @param actor administrator of the repository
 * @throws {AppError} `feature_disabled`, `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function getAuthorizedEmail(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  path: { namespace: string; name: string },
  email: string,
): Promise<AuthorizedEmail> {
  requireMailing(deps);
  const repository = await openRepository(deps, actor, path, "admin");
  const found = await selectAuthorizedEmail(deps.sql, repository.id, email);
  if (found === undefined) throw new AppError("not_found", "Nobody asked the owner of this address");
  return found;
}

/**
 * Asks the owner of the address with a mail, again if there was no answer; nothing happens when it is allowed already.
 * @param actor administrator of the repository
 * @throws {AppError} `feature_disabled`, `invalid_request`, `mail_failed`, `not_found`, `insufficient_scope`,
 *   `unauthenticated`
 */
export async function requestAuthorizedEmail(
  deps: Pick<Deps, "sql" | "config" | "mail">,
  actor: Actor,
  path: { namespace: string; name: string },
  email: string,
): Promise<AuthorizedEmail> {
  requireMailing(deps);
  const repository = await openRepository(deps, actor, path, "admin");
  if (!isEmail(email)) throw new AppError("invalid_request", "Invalid email address");
  await insertAuthorizedEmail(deps.sql, repository.id, email);
  const found = await selectAuthorizedEmail(deps.sql, repository.id, email);
  if (found === undefined) throw new AppError("not_found", "Repository not found");
  if (!found.confirmed) await sendRepositoryMailAuthorization(deps, email, path, found.code);
  return found;
}

/** What `/authrepoemail?code=` does; again: the same. @throws {AppError} `invalid_request` */
export async function confirmAuthorizedEmail(
  { sql }: Pick<Deps, "sql">,
  code: string,
): Promise<{ email: string; namespace: string; repository: string }> {
  const confirmed = /^[0-9A-Za-z-]{1,255}$/.test(code)
    ? await confirmAuthorizedEmailByCode(sql, code)
    : undefined;
  if (confirmed === undefined) throw new AppError("invalid_request", "This code is invalid.");
  return confirmed;
}

function requireMailing({ config }: Pick<Deps, "config">): void {
  if (!config.FEATURE_MAILING) throw new AppError("feature_disabled", "Not Found");
}
