/** Who belongs to an organization, and who works on its repositories from outside. */
import {
  deleteOrganizationMember,
  type OrganizationPerson,
  selectCollaborators,
  selectOrganizationMembers,
  selectOrganizationPerson,
} from "../../drivers/database/queries/organization_member.ts";
import { lockOrganization } from "../../drivers/database/queries/team.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import { findUser } from "../accounts/accounts.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { keepingAnAdmin } from "./organization_admins.ts";
import { openOrganization, openOrganizationForReading } from "./organizations.ts";

export type { OrganizationPerson };

type MemberDeps = Pick<Deps, "sql" | "config">;

// Readers: administrators of the organization and global read-only superusers.
// @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated`

/** The people in its teams. */
export async function listMembers(
  deps: MemberDeps,
  actor: Actor,
  name: string,
): Promise<OrganizationPerson[]> {
  const organization = await openOrganizationForReading(deps, actor, name);
  return await selectOrganizationMembers(deps.sql, organization.id);
}

/** Those who are in no team and have a permission on a repository, robots with them. */
export async function listCollaborators(
  deps: MemberDeps,
  actor: Actor,
  name: string,
): Promise<OrganizationPerson[]> {
  const organization = await openOrganizationForReading(deps, actor, name);
  return await selectCollaborators(deps.sql, organization.id);
}

/** Somebody who is in a team, or a robot of the organization; others are `not_found`, whether they exist or not. */
export async function getMember(
  deps: MemberDeps,
  actor: Actor,
  name: string,
  member: string,
): Promise<OrganizationPerson> {
  const organization = await openOrganizationForReading(deps, actor, name);
  const person = await selectOrganizationPerson(deps.sql, organization.id, member);
  const own = person?.isRobot === true && person.name.startsWith(`${organization.username}+`);
  if (person === undefined || person.teams.length === 0 && !own) {
    throw new AppError("not_found", "There is no such member");
  }
  return person;
}

/**
 * Takes a person out of all teams and off all repositories of the organization; one who was in none is no failure.
 * @param actor administrator of the organization
 * @throws {AppError} `invalid_request` for the last administrator, `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function removeMember(
  deps: Pick<Deps, "sql" | "config" | "changes" | "now">,
  actor: Actor,
  name: string,
  member: string,
): Promise<void> {
  const organization = await openOrganization(deps, actor, name);
  const user = await findUser(deps, member);
  await deps.sql.begin(async (tx) => {
    await lockOrganization(tx, organization.id);
    await keepingAnAdmin(tx, organization, async () => {
      for (const team of await deleteOrganizationMember(tx, organization.id, user.id)) {
        await logAction({ ...deps, sql: tx }, actor, {
          kind: "org_remove_team_member",
          namespaceId: organization.id,
          metadata: { member, team },
        });
      }
    });
  });
}
