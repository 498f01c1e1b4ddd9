import type { Sql } from "../postgres.ts";

/** An invitation that has not been answered: of an account, or of whoever reads that e-mail address. */
export interface TeamInviteRow {
  readonly id: number;
  readonly token: string;
  readonly userId: number | null;
  readonly email: string | null;
  readonly teamId: number;
  readonly team: string;
  readonly organizationId: number;
  readonly organization: string;
  readonly inviter: string;
}

export async function selectTeamInvite(sql: Sql, token: string): Promise<TeamInviteRow | undefined> {
  const [row] = await sql<TeamInviteRow[]>`
    select i.id, i.invite_token as token, i.user_id as "userId", i.email, t.id as "teamId", t.name as team,
      o.id as "organizationId", o.username as organization, inviter.username as inviter
    from teammemberinvite i join team t on t.id = i.team_id join "user" o on o.id = t.organization_id
      join "user" inviter on inviter.id = i.inviter_id
    where i.invite_token = ${token}`;
  return row;
}

/** Whom a team has invited, as its page shows them: `name` is null for mere addresses. */
export interface PendingInvite {
  readonly name: string | null;
  readonly email: string;
}

/** Accounts by name, then addresses. */
export function selectPendingInvites(sql: Sql, teamId: number): Promise<PendingInvite[]> {
  return sql<PendingInvite[]>`
    select u.username as name, coalesce(u.email, i.email) as email
    from teammemberinvite i left join "user" u on u.id = i.user_id
    where i.team_id = ${teamId} order by u.username nulls last, i.email`;
}

/**
 * Invites, or finds the invitation that there is. The caller holds a lock on the organization.
 * @returns its token
 */
export async function findOrInsertTeamInvite(
  sql: Sql,
  invite: { teamId: number; inviterId: number; userId: number | null; email: string | null },
): Promise<string> {
  const { teamId, inviterId, userId, email } = invite;
  const [found] = await sql<{ token: string }[]>`
    select invite_token as token from teammemberinvite
    where team_id = ${teamId} and user_id is not distinct from ${userId}::integer
      and lower(email) is not distinct from lower(${email}::text)`;
  if (found !== undefined) return found.token;
  const token = crypto.randomUUID();
  await sql`
    insert into teammemberinvite (user_id, email, team_id, inviter_id, invite_token)
    values (${userId}, ${email}, ${teamId}, ${inviterId}, ${token})`;
  return token;
}

/** @returns false when it was answered meanwhile */
export async function deleteTeamInvite(sql: Sql, id: number): Promise<boolean> {
  return (await sql`delete from teammemberinvite where id = ${id}`).count === 1;
}

/** Takes back the invitation of an account or of an address. @returns its token, or undefined when there was none */
export async function deleteTeamInviteOf(
  sql: Sql,
  teamId: number,
  invited: { userId: number } | { email: string },
): Promise<string | undefined> {
  const whose = "userId" in invited
    ? sql`user_id = ${invited.userId}`
    : sql`lower(email) = lower(${invited.email})`;
  const [row] = await sql<{ token: string }[]>`
    delete from teammemberinvite where team_id = ${teamId} and ${whose} returning invite_token as token`;
  return row?.token;
}

/** Ends invitations to the team, or to every team of the organization. @returns the accounts among the invited */
export async function deleteTeamInvitesTo(
  sql: Sql,
  target: { teamId: number } | { organizationId: number },
): Promise<{ userId: number; token: string }[]> {
  const teams = "teamId" in target
    ? sql`(${target.teamId}::integer)`
    : sql`(select id from team where organization_id = ${target.organizationId})`;
  const rows = await sql<{ userId: number | null; token: string }[]>`
    delete from teammemberinvite where team_id in ${teams}
    returning user_id as "userId", invite_token as token`;
  return rows.flatMap(({ userId, token }) => userId === null ? [] : [{ userId, token }]);
}

/** Ends the invitations that an account has got, and those that it has sent. */
export async function deleteTeamInvitesWith(sql: Sql, accountId: number): Promise<void> {
  await sql`delete from teammemberinvite where user_id = ${accountId} or inviter_id = ${accountId}`;
}
