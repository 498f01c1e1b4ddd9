/** Addresses that a repository's notifications may go to, once whoever reads them has agreed (api.md §7). */
import {
  type AuthorizedEmailRow,
  confirmAuthorizedEmail,
  insertAuthorizedEmail,
  selectAuthorizedEmail,
} from "../drivers/database/queries/authorized_email.ts";
import { AppError } from "../lib/errors.ts";
import type { Deps } from "./deps.ts";
import { isEmail } from "./names.ts";
import type { RepositoryRef } from "./repositories.ts";

export type { AuthorizedEmailRow };

/**
 * @param repository opened by the caller for `admin`
 * @throws {AppError} `not_found` for an address that nobody asked
 */
export async function findAuthorizedEmail(
  { sql }: Pick<Deps, "sql">,
  repository: RepositoryRef,
  email: string,
): Promise<AuthorizedEmailRow> {
  const row = await selectAuthorizedEmail(sql, repository.id, email);
  if (row === undefined) throw new AppError("not_found", "Not Found");
  return row;
}

/**
 * Asks the address whether it wants the repository's notifications; asked again it gets the same link again, unless it has
 * agreed already.
 * @param repository opened by the caller for `admin`
 * @throws {AppError} `invalid_request` for what is no address; `mail_failed`
 */
export async function askForAuthorization(
  deps: Pick<Deps, "sql" | "config" | "mail">,
  repository: RepositoryRef,
  email: string,
): Promise<AuthorizedEmailRow> {
  const { sql, config, mail } = deps;
  if (!isEmail(email) || email.length > 255) {
    throw new AppError("invalid_request", "That is no e-mail address");
  }
  await insertAuthorizedEmail(sql, { repositoryId: repository.id, email, code: crypto.randomUUID() });
  const row = await findAuthorizedEmail(deps, repository, email);
  if (row.confirmed) return row;
  const path = `${row.namespace}/${row.repository}`;
  const link = `${config.PREFERRED_URL_SCHEME}://${config.SERVER_HOSTNAME}/authrepoemail?code=${row.code}`;
  await mail.send({
    to: email,
    subject: `Please agree to the notifications of the repository ${path}`,
    text: [
      `Somebody who administers the repository ${path} of ${config.REGISTRY_TITLE} wants its notifications to be sent ` +
      "to this address.",
      "Follow this link to agree:",
      link,
      "If you do not want them, there is nothing to do: without the link nothing is sent.",
    ].join("\n\n") + "\n",
  });
  return row;
}

/** The link of the mail was followed. Done again it changes nothing. @throws {AppError} `not_found` for an unknown code */
export async function confirmAuthorization(
  { sql }: Pick<Deps, "sql">,
  code: string,
): Promise<AuthorizedEmailRow> {
  const row = code === "" ? undefined : await confirmAuthorizedEmail(sql, code);
  if (row === undefined) {
    throw new AppError("not_found", "This link is not known: it may have been cut short.");
  }
  return row;
}

/** @throws {AppError} `feature_disabled` without `FEATURE_MAILING` */
export function requireMailing({ config }: Pick<Deps, "config">): void {
  if (!config.FEATURE_MAILING) throw new AppError("feature_disabled", "Not Found");
}
