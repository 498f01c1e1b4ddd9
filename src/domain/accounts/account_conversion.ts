import { turnIntoOrganization } from "../../drivers/database/queries/managed_account.ts";
import { insertTeam, insertTeamMember } from "../../drivers/database/queries/team.ts";
import { selectOrganizationsOf } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import { findUser } from "./accounts.ts";
import { logAction } from "../logs/action_log.ts";
import { type Actor, isNamedSuperuser } from "../access/access.ts";
import { byPassword, type CredentialDeps } from "./credentials.ts";
import type { Deps } from "../deps.ts";
import { requirePerson } from "../access/rights.ts";

/**
 * Makes the person's own account an organization, whose owner is another person who gives a password here. Nobody signs in
 * to it any more; its repositories and robots stay.
 * @returns the owner, who may be signed in
 * @throws {AppError} `invalid_request` (with `detail.reason` `invaliduser` for the owner), `too_many_attempts`,
 *   `feature_disabled`, `unauthenticated`, `insufficient_scope`
 */
export async function convertToOrganization(
  deps: CredentialDeps & Pick<Deps, "changes">,
  actor: Actor,
  owner: { username: string; password: string },
): Promise<Actor & { kind: "user" }> {
  const { sql, config } = deps;
  if (config.AUTHENTICATION_TYPE !== "Database") throw new AppError("feature_disabled", "Not Found");
  const user = await findUser(deps, requirePerson(actor, "user:admin").username);
  if (isNamedSuperuser(deps.config, user.username)) {
    throw new AppError("invalid_request", "A superuser's account cannot become an organization");
  }
  const admin = await byPassword(deps, owner.username, owner.password, { plainAllowed: true }).catch(
    (error) => {
      if (!(error instanceof AppError) || error.code !== "invalid_credentials") throw error;
      throw invalidOwner("The admin user credentials are not valid");
    },
  );
  if (admin.id === user.id) throw invalidOwner("The admin user is not valid: it is the account itself");
  await sql.begin(async (tx) => {
    const [member] = await selectOrganizationsOf(tx, user.id);
    if (member !== undefined) {
      throw new AppError(
        "invalid_request",
        `The account is in teams of ${member.name}: an organization cannot be; leave them first`,
      );
    }
    await turnIntoOrganization(tx, user.id);
    const teamId = await insertTeam(tx, {
      organizationId: user.id,
      name: "owners",
      role: "admin",
      description: "",
    });
    if (teamId === undefined) throw new Error("an account of a person had a team");
    await insertTeamMember(tx, teamId, admin.id);
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "account_convert",
      namespaceId: user.id,
      metadata: { username: user.username, admin: admin.username },
    });
  });
  deps.changes?.allChanged();
  return admin;
}

function invalidOwner(message: string): AppError {
  return new AppError("invalid_request", message, { reason: "invaliduser" });
}
