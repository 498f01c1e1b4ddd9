import {
  type RepositoryRole,
  selectRolesOfUser,
} from "../../drivers/database/queries/repository_permission.ts";
import type { RepositoryRef } from "../../drivers/database/queries/repository.ts";
import { selectAccount } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import type { Deps } from "../deps.ts";

/**
 * Every role that a user or robot has on the repository, of its own and by teams.
 * @param repository opened for `admin` by the caller
 * @throws {AppError} `not_found`: there is no such user, or it has none
 */
export async function listTransitiveRoles(
  { sql }: Pick<Deps, "sql">,
  repository: RepositoryRef,
  username: string,
): Promise<RepositoryRole[]> {
  const account = await selectAccount(sql, username);
  const roles = account === undefined || account.organization
    ? []
    : await selectRolesOfUser(sql, repository.id, account.id);
  if (roles.length === 0) throw new AppError("not_found", "The user has no permission on this repository");
  return roles;
}
