/** Invitations to teams: of accounts, and of whoever reads an e-mail address. */
import {
  deleteTeamInvite,
  deleteTeamInviteOf,
  findOrInsertTeamInvite,
  selectTeamInvite,
  type TeamInviteRow,
} from "../../drivers/database/queries/team_invite.ts";
import {
  insertTeamMember,
  isOrganizationMember,
  lockOrganization,
  selectTeam,
  type TeamRow,
} from "../../drivers/database/queries/team.ts";
import { updateVerified, type UserRow } from "../../drivers/database/queries/user.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { sendTeamInviteMail } from "../accounts/mails.ts";
import { isEmail } from "../names.ts";
import { notifyUsers, withdrawNotifications } from "../notifications/notifications.ts";
import { openOrganization } from "./organizations.ts";
import { refusal, requirePerson } from "../access/rights.ts";
import { refuseSynced } from "./team_sync.ts";

export type { TeamInviteRow };

type InTransaction = { readonly sql: Sql } & Pick<Deps, "config" | "now">;

interface Invitation {
  /** Mails it; after the transaction. */
  send(): Promise<void>;
}

/**
 * Whether being added must be accepted: by people who are in no team of the organization yet, where mails can be sent
 * (`FEATURE_REQUIRE_TEAM_INVITE`). The operator invites nobody: an invitation names who sent it.
 */
export async function needsInvite(
  { sql, config }: InTransaction,
  actor: Actor,
  organization: UserRow,
  account: UserRow,
): Promise<boolean> {
  return config.FEATURE_MAILING && config.FEATURE_REQUIRE_TEAM_INVITE && actor.kind === "user" &&
    !await isOrganizationMember(sql, organization.id, account.id);
}

/** Invites an account, in the caller's transaction that holds a lock on the organization. */
export async function inviteAccount(
  deps: InTransaction & Pick<Deps, "mail">,
  actor: Actor,
  { organization, team, account }: { organization: UserRow; team: TeamRow; account: UserRow },
): Promise<Invitation> {
  if (actor.kind !== "user") throw new Error("an invitation names who sent it");
  const code = await findOrInsertTeamInvite(deps.sql, {
    teamId: team.id,
    inviterId: actor.id,
    userId: account.id,
    email: null,
  });
  const metadata = { code, inviter: actor.username, org: organization.username, team: team.name };
  // Invited again: the newest notification is the one that stands.
  await withdrawNotifications(deps, { kind: "org_team_invite", targetId: account.id, matching: { code } });
  await notifyUsers(deps, { kind: "org_team_invite", targetIds: [account.id], metadata });
  await logAction(deps, actor, {
    kind: "org_invite_team_member",
    namespaceId: organization.id,
    metadata: { user: account.username, member: account.username, team: team.name },
  });
  const invite = { inviter: actor.username, organization: organization.username, team: team.name, code };
  return { send: () => sendTeamInviteMail(deps, account.email, invite) };
}

/** Takes back the invitation of that account to the team, if there is one, in the caller's transaction. */
export async function cancelInviteOf(
  deps: { readonly sql: Sql },
  team: TeamRow,
  account: UserRow,
): Promise<boolean> {
  const code = await deleteTeamInviteOf(deps.sql, team.id, { userId: account.id });
  if (code === undefined) return false;
  await withdrawNotifications(deps, { kind: "org_team_invite", targetId: account.id, matching: { code } });
  return true;
}

interface EmailInvitePath {
  readonly organization: string;
  readonly team: string;
  readonly email: string;
}

/**
 * Invites whoever reads that address; they may have no account yet. When the mail cannot be sent nobody is invited.
 * @throws {AppError} `feature_disabled` without mails, `invalid_request`, `not_found`, `insufficient_scope`, `mail_failed`
 */
export async function inviteEmail(
  deps: Pick<Deps, "sql" | "config" | "now" | "mail">,
  actor: Actor,
  { organization: orgname, team: teamname, email }: EmailInvitePath,
): Promise<void> {
  const organization = await openForInvites(deps, actor, orgname);
  if (!isEmail(email)) throw new AppError("invalid_request", "Invalid email address");
  // An invitation names who sent it.
  if (actor.kind !== "user") throw refusal(actor);
  const { id: inviterId, username: inviter } = actor;
  const { code, team } = await deps.sql.begin(async (tx) => {
    await lockOrganization(tx, organization.id);
    const team = await selectTeam(tx, organization.id, teamname);
    if (team === undefined) throw new AppError("not_found", "Team not found");
    await refuseSynced(tx, deps.config, team);
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "org_invite_team_member",
      namespaceId: organization.id,
      metadata: { email, member: email, team: teamname },
    });
    const code = await findOrInsertTeamInvite(tx, { teamId: team.id, inviterId, userId: null, email });
    return { code, team };
  });
  try {
    await sendTeamInviteMail(deps, email, { inviter, organization: orgname, team: teamname, code });
  } catch (error) {
    await deleteTeamInviteOf(deps.sql, team.id, { email });
    throw error;
  }
}

/** @throws {AppError} `feature_disabled`, `not_found`, `insufficient_scope`, `unauthenticated` */
export async function cancelEmailInvite(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  { organization: orgname, team: teamname, email }: EmailInvitePath,
): Promise<void> {
  const organization = await openForInvites(deps, actor, orgname);
  await deps.sql.begin(async (tx) => {
    const team = await selectTeam(tx, organization.id, teamname);
    if (team === undefined || await deleteTeamInviteOf(tx, team.id, { email }) === undefined) {
      throw new AppError("not_found", "There is no such invitation");
    }
    await logAction({ ...deps, sql: tx }, actor, {
      kind: "org_delete_team_member_invite",
      namespaceId: organization.id,
      metadata: { email, member: email, team: teamname },
    });
  });
}

async function openForInvites(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  organization: string,
): Promise<UserRow> {
  requireMailing(deps);
  return await openOrganization(deps, actor, organization);
}

function requireMailing({ config }: Pick<Deps, "config">): void {
  if (!config.FEATURE_MAILING) throw new AppError("feature_disabled", "Not Found");
}

/**
 * The invitation that a code stands for, as the one who holds it sees it.
 * @throws {AppError} `invalid_request`; nothing tells an unknown code from one that is meant for somebody else
 */
export async function findInvite(
  { sql }: { readonly sql: Sql },
  code: string,
  user: { id: number } | undefined,
): Promise<TeamInviteRow> {
  const invite = /^[0-9A-Za-z-]{1,255}$/.test(code) ? await selectTeamInvite(sql, code) : undefined;
  if (invite === undefined || user !== undefined && invite.userId !== null && invite.userId !== user.id) {
    throw new AppError("invalid_request", "This invitation does not exist, or is not meant for this account");
  }
  return invite;
}

/** Joins the team. @throws {AppError} `feature_disabled`, `invalid_request`, `insufficient_scope`, `unauthenticated` */
export async function acceptInvite(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  code: string,
): Promise<TeamInviteRow> {
  requireMailing(deps);
  const person = requirePerson(actor, "user:admin");
  return await deps.sql.begin((tx) => acceptInviteAs({ ...deps, sql: tx }, actor, person, code));
}

/**
 * As {@link acceptInvite} for somebody who has just proved to be `person`, in the caller's transaction. The invitation was
 * mailed: an account of that very address has thereby confirmed it.
 */
export async function acceptInviteAs(
  deps: InTransaction,
  actor: Actor,
  person: { id: number; username: string; email?: string },
  code: string,
): Promise<TeamInviteRow> {
  const invite = await findInvite(deps, code, person);
  if (!await deleteTeamInvite(deps.sql, invite.id)) return await findInvite(deps, code, person);
  await insertTeamMember(deps.sql, invite.teamId, person.id);
  if (confirmsAddressOf(invite, person)) await updateVerified(deps.sql, person.id);
  await withdrawNotifications(deps, { kind: "org_team_invite", targetId: person.id, matching: { code } });
  await logAction(deps, actor, {
    kind: "org_team_member_invite_accepted",
    namespaceId: invite.organizationId,
    metadata: { member: person.username, team: invite.team, inviter: invite.inviter },
  });
  return invite;
}

/** Whether having the code proves that the account's address is its holder's. */
export function confirmsAddressOf(invite: TeamInviteRow, { email }: { email?: string }): boolean {
  return invite.email !== null && email !== undefined && invite.email.toLowerCase() === email.toLowerCase();
}

/** @throws {AppError} as {@link acceptInvite} */
export async function declineInvite(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  code: string,
): Promise<void> {
  requireMailing(deps);
  const person = requirePerson(actor, "user:admin");
  await deps.sql.begin(async (tx) => {
    const inTx = { ...deps, sql: tx };
    const invite = await findInvite(inTx, code, person);
    if (!await deleteTeamInvite(tx, invite.id)) await findInvite(inTx, code, person);
    await withdrawNotifications(inTx, { kind: "org_team_invite", targetId: person.id, matching: { code } });
    await logAction(inTx, actor, {
      kind: "org_team_member_invite_declined",
      namespaceId: invite.organizationId,
      metadata: { member: person.username, team: invite.team, inviter: invite.inviter },
    });
  });
}
