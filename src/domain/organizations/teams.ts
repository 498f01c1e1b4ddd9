import {
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
} from "../../drivers/database/queries/team.ts";
import { selectGrantsOfTeam } from "../../drivers/database/queries/repository_permission.ts";
import { type PendingInvite, selectPendingInvites } from "../../drivers/database/queries/team_invite.ts";
import { selectAccount, type UserRow } from "../../drivers/database/queries/user.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, canAdministerOrganization, isGlobalReadonlySuperuser } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import type { LogKind } from "../logs/log_kinds.ts";
import { checkAccountName } from "../names.ts";
import { keepingAnAdmin } from "./organization_admins.ts";
import { findOrganization, openOrganization, openOrganizationForReading } from "./organizations.ts";
import { hasScope, refusal } from "../access/rights.ts";
import { cancelInvitesTo } from "./team_invite_removal.ts";
import { cancelInviteOf, inviteAccount, needsInvite } from "./team_invites.ts";
import { describeTeamSync, refuseSynced, type TeamSyncRow } from "./team_sync.ts";

export type { MemberRow, TeamRole, TeamRow };

type TeamDeps = Pick<Deps, "sql" | "config" | "now">;
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
    const log = logOf({ ...deps, sql: tx }, actor, organization);
    if (existing === undefined) {
      await insertTeam(tx, {
        organizationId: organization.id,
        name: path.team,
        role: wanted.role,
        description: wanted.description ?? "",
      });
      await log("org_create_team", { team: path.team });
    } else {
      await keepingAnAdmin(tx, organization, () => updateTeam(tx, existing.id, wanted));
      const { role, description } = wanted;
      if (description !== undefined && description !== existing.description) {
        await log("org_set_team_description", { team: path.team, description });
      }
      if (role !== existing.role) await log("org_set_team_role", { team: path.team, role });
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
    await cancelInvitesTo({ sql: tx }, { teamId: team.id });
    await keepingAnAdmin(tx, organization, async () => {
      await deleteTeamReferences(tx, team.id);
      await deleteTeamRow(tx, team.id);
    });
    await logOf({ ...deps, sql: tx }, actor, organization)("org_delete_team", { team: path.team });
  });
}

export interface TeamView {
  readonly team: TeamRow;
  readonly members: MemberRow[];
  /** Unanswered invitations, where they were asked for and the actor may see them. */
  readonly invites: PendingInvite[];
  readonly isAdmin: boolean;
  readonly sync: TeamSyncRow | undefined;
}

/**
 * @param actor administrator of the organization, member of the team, or global read-only superuser
 * @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function viewTeam(
  deps: TeamDeps,
  actor: Actor,
  path: TeamPath,
  options: { includePending: boolean },
): Promise<TeamView> {
  const { sql, config } = deps;
  const isAdmin = await canAdministerOrganization(deps, actor, path.organization);
  // Before the permission, a missing team and a foreign one look alike.
  if (!isAdmin && !isGlobalReadonlySuperuser(config, actor) && !await isInTeam(deps, actor, path)) {
    throw refusal(actor);
  }
  const organization = await findOrganization(deps, path.organization);
  const team = await requireTeam(sql, organization, path.team);
  const members = await selectTeamMembers(sql, team.id);
  const invites = options.includePending && isAdmin ? await selectPendingInvites(sql, team.id) : [];
  return { team, members, invites, isAdmin, sync: await describeTeamSync(deps, team) };
}

/** By a credential that may say so: other people's teams are nobody's business. */
async function isInTeam({ sql }: Pick<Deps, "sql">, actor: Actor, path: TeamPath): Promise<boolean> {
  return actor.kind === "user" && hasScope(actor, "org:admin") &&
    await isTeamMember(sql, path.organization, path.team, actor.id);
}

/** Repositories that the team has a permission on. @param actor administrator, or global read-only superuser */
export async function listTeamPermissions(deps: TeamDeps, actor: Actor, path: TeamPath) {
  const organization = await openOrganizationForReading(deps, actor, path.organization);
  const team = await requireTeam(deps.sql, organization, path.team);
  return await selectGrantsOfTeam(deps.sql, team.id);
}

/**
 * Puts a user, or a robot of this organization, into the team; somebody who is in none of its teams yet is invited
 * instead where `FEATURE_REQUIRE_TEAM_INVITE` says so and mails can be sent.
 * @throws {AppError} `invalid_request`: unknown user, foreign robot, member already, team that follows a group;
 *   `not_found`, `insufficient_scope`
 */
export async function addTeamMember(
  deps: TeamDeps & Pick<Deps, "mail" | "log">,
  actor: Actor,
  path: TeamPath,
  username: string,
): Promise<{ account: UserRow; invited: boolean }> {
  const organization = await openOrganization(deps, actor, path.organization);
  const added = await deps.sql.begin(async (tx) => {
    await lockOrganization(tx, organization.id);
    const team = await requireTeam(tx, organization, path.team);
    const account = await selectAccount(tx, username);
    if (account === undefined || account.organization) throw new AppError("invalid_request", "Unknown user");
    if (account.robot && !username.startsWith(`${organization.username}+`)) {
      throw new AppError("invalid_request", "Cannot add a robot of another organization to this team");
    }
    if (!account.robot) await refuseSynced(tx, deps.config, team);
    const inTx = { ...deps, sql: tx };
    if (!account.robot && await needsInvite(inTx, actor, organization, account)) {
      return { account, invitation: await inviteAccount(inTx, actor, { organization, team, account }) };
    }
    if (!await insertTeamMember(tx, team.id, account.id)) {
      throw new AppError("invalid_request", "User is already in the team");
    }
    await cancelInviteOf(inTx, team, account);
    const log = logOf(inTx, actor, organization);
    await log("org_add_team_member", { member: username, team: path.team });
    return { account, invitation: undefined };
  });
  const { account, invitation } = added;
  // The invited also see it in the application.
  await invitation?.send().catch((error) => deps.log.warn("an invitation could not be mailed", { error }));
  return { account, invited: invitation !== undefined };
}

/**
 * Takes somebody out of the team, or takes an invitation back.
 * @throws {AppError} `invalid_request`: not a member, the last administrator, team that follows a group; `not_found`,
 *   `insufficient_scope`
 */
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
    const inTx = { ...deps, sql: tx };
    const log = logOf(inTx, actor, organization);
    if (!member.robot) await refuseSynced(tx, deps.config, team);
    if (await cancelInviteOf(inTx, team, member)) {
      await log("org_delete_team_member_invite", { user: username, member: username, team: path.team });
      return;
    }
    await keepingAnAdmin(tx, organization, async () => {
      if (!await deleteTeamMember(tx, team.id, member.id)) {
        throw new AppError("invalid_request", "User is not in the team");
      }
    });
    await log("org_remove_team_member", { member: username, team: path.team });
  });
}

/** The team of that name. @throws {AppError} `not_found` */
export async function requireTeam(sql: Sql, organization: UserRow, name: string): Promise<TeamRow> {
  const team = await selectTeam(sql, organization.id, name);
  if (team === undefined) throw new AppError("not_found", "Team not found");
  return team;
}

/** Writes into the organization's log. */
function logOf(deps: { readonly sql: Sql } & Pick<Deps, "now">, actor: Actor, organization: UserRow) {
  return (kind: LogKind, metadata: Record<string, unknown>) =>
    logAction(deps, actor, { kind, namespaceId: organization.id, metadata });
}
