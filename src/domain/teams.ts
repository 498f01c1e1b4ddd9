import {
  countOrganizationAdmins,
  deleteTeamMember,
  deleteTeamReferences,
  deleteTeamRow,
  insertTeam,
  insertTeamMember,
  isTeamMember,
  lockOrganization,
  type MemberRow,
  selectTeam,
  selectTeamMembers,
  type TeamRole,
  type TeamRow,
  updateTeam,
} from "../drivers/database/queries/team.ts";
import { selectAccount, type UserRow } from "../drivers/database/queries/user.ts";
import type { Sql } from "../drivers/database/postgres.ts";
import { AppError } from "../lib/errors.ts";
import { type Actor, isGlobalReadonlySuperuser } from "./access.ts";
import type { Deps } from "./deps.ts";
import { checkAccountName } from "./names.ts";
import { findOrganization, openOrganization } from "./organizations.ts";
import { canAdministerNamespace, hasScope, refusal } from "./rights.ts";

export type { TeamRole, TeamRow };

type TeamDeps = Pick<Deps, "sql" | "config">;
export interface TeamPath {
  readonly organization: string;
  readonly team: string;
}

/**
 * Creates the team, or changes the one that is there.
 * @throws {AppError} `name_invalid`, `insufficient_scope`, `invalid_request` when nobody would administer the organization
 */
export async function putTeam(
  deps: TeamDeps,
  actor: Actor,
  path: TeamPath,
  wanted: { role: TeamRole; description?: string | undefined },
): Promise<{ team: TeamRow; created: boolean }> {
  const organization = await openOrganization(deps, actor, path.organization);
  checkAccountName("Team name", path.team);
  return await deps.sql.begin(async (tx) => {
    await lockOrganization(tx, organization.id);
    const existing = await selectTeam(tx, organization.id, path.team);
    if (existing === undefined) {
      await insertTeam(tx, {
        organizationId: organization.id,
        name: path.team,
        role: wanted.role,
        description: wanted.description ?? "",
      });
    } else {
      await keepingAnAdmin(tx, organization, () => updateTeam(tx, existing.id, wanted));
    }
    const team = await selectTeam(tx, organization.id, path.team);
    if (team === undefined) throw new Error("the team was gone inside its own transaction");
    return { team, created: existing === undefined };
  });
}

/** @throws {AppError} `not_found`, `insufficient_scope`, `invalid_request` for the last team of administrators */
export async function deleteTeam(deps: TeamDeps, actor: Actor, path: TeamPath): Promise<void> {
  const organization = await openOrganization(deps, actor, path.organization);
  await deps.sql.begin(async (tx) => {
    await lockOrganization(tx, organization.id);
    const team = await requireTeam(tx, organization, path.team);
    await keepingAnAdmin(tx, organization, async () => {
      await deleteTeamReferences(tx, team.id);
      await deleteTeamRow(tx, team.id);
    });
  });
}

/**
 * @param actor administrator of the organization, somebody in the team, or a global read-only superuser
 * @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function listTeamMembers(
  deps: TeamDeps,
  actor: Actor,
  path: TeamPath,
): Promise<{ team: TeamRow; members: MemberRow[]; canEdit: boolean }> {
  const canEdit = await canAdministerNamespace(deps, actor, namespaceOf(path));
  if (!canEdit && !isGlobalReadonlySuperuser(deps.config, actor) && !await isInTeam(deps, actor, path)) {
    throw refusal(actor);
  }
  const organization = await findOrganization(deps, path.organization);
  const team = await requireTeam(deps.sql, organization, path.team);
  return { team, members: await selectTeamMembers(deps.sql, team.id), canEdit };
}

/** By a credential that may say so: other people's teams are nobody's business. */
async function isInTeam(deps: TeamDeps, actor: Actor, path: TeamPath): Promise<boolean> {
  return actor.kind === "user" && hasScope(actor, "org:admin") &&
    await isTeamMember(deps.sql, path.organization, path.team, actor.id);
}

function namespaceOf({ organization }: TeamPath) {
  return { id: -1, username: organization, organization: true };
}

/**
 * Puts a user, or a robot of this organization, into the team at once.
 * @throws {AppError} `invalid_request`: unknown user, foreign robot, member already; `not_found`, `insufficient_scope`
 */
export async function addTeamMember(
  deps: TeamDeps,
  actor: Actor,
  path: TeamPath,
  username: string,
): Promise<UserRow> {
  const organization = await openOrganization(deps, actor, path.organization);
  const team = await requireTeam(deps.sql, organization, path.team);
  const member = await selectAccount(deps.sql, username);
  if (member === undefined || member.organization) throw new AppError("invalid_request", "Unknown user");
  if (member.robot && !username.startsWith(`${organization.username}+`)) {
    throw new AppError("invalid_request", "Cannot add a robot of another organization to this team");
  }
  if (!await insertTeamMember(deps.sql, team.id, member.id)) {
    throw new AppError("invalid_request", "User is already in the team");
  }
  return member;
}

/** @throws {AppError} `invalid_request`: not a member, or the last administrator; `not_found`, `insufficient_scope` */
export async function removeTeamMember(
  deps: TeamDeps,
  actor: Actor,
  path: TeamPath,
  username: string,
): Promise<void> {
  const organization = await openOrganization(deps, actor, path.organization);
  await deps.sql.begin(async (tx) => {
    await lockOrganization(tx, organization.id);
    const team = await requireTeam(tx, organization, path.team);
    const member = await selectAccount(tx, username);
    if (member === undefined) throw new AppError("not_found", "User not found");
    await keepingAnAdmin(tx, organization, async () => {
      if (!await deleteTeamMember(tx, team.id, member.id)) {
        throw new AppError("invalid_request", "User is not in the team");
      }
    });
  });
}

async function requireTeam(sql: Sql, organization: UserRow, name: string): Promise<TeamRow> {
  const team = await selectTeam(sql, organization.id, name);
  if (team === undefined) throw new AppError("not_found", "Team not found");
  return team;
}

/**
 * Undoes `change`, by throwing inside the caller's transaction, when it leaves an organization that had administrators
 * without one. The caller holds {@link lockOrganization}.
 */
async function keepingAnAdmin(tx: Sql, organization: UserRow, change: () => Promise<void>): Promise<void> {
  const before = await countOrganizationAdmins(tx, organization.id);
  await change();
  if (before > 0 && await countOrganizationAdmins(tx, organization.id) === 0) {
    throw new AppError("invalid_request", "An organization must keep at least one administrator");
  }
}
