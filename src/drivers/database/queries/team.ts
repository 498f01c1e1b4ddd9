import type { Sql } from "../postgres.ts";

export type TeamRole = "admin" | "creator" | "member";

export interface TeamRow {
  readonly id: number;
  readonly organizationId: number;
  readonly name: string;
  readonly role: TeamRole;
  readonly description: string;
}

export interface TeamListing extends TeamRow {
  readonly memberCount: number;
  readonly repositoryCount: number;
  readonly isSynced: boolean;
  /** The user that was asked about is in it. */
  readonly isMember: boolean;
}

export interface MemberRow {
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly isRobot: boolean;
}

export async function selectTeam(
  sql: Sql,
  organizationId: number,
  name: string,
): Promise<TeamRow | undefined> {
  const [row] = await sql<TeamRow[]>`
    select t.id, t.organization_id as "organizationId", t.name, teamrole.name as role, t.description
    from team t join teamrole on teamrole.id = t.role_id
    where t.organization_id = ${organizationId} and t.name = ${name}`;
  return row;
}

/** The teams of an organization by name, with what its page shows of each. */
export function selectTeams(sql: Sql, organizationId: number, userId: number | null): Promise<TeamListing[]> {
  return sql<TeamListing[]>`
    select t.id, t.organization_id as "organizationId", t.name, teamrole.name as role, t.description,
      (select count(*)::integer from teammember m where m.team_id = t.id) as "memberCount",
      (select count(*)::integer from repositorypermission p where p.team_id = t.id) as "repositoryCount",
      exists (select from teamsync s where s.team_id = t.id) as "isSynced",
      exists (select from teammember m where m.team_id = t.id and m.user_id = ${userId}::integer) as "isMember"
    from team t join teamrole on teamrole.id = t.role_id
    where t.organization_id = ${organizationId} order by t.name`;
}

/** Creates the team unless the name is taken. @returns its id, or undefined when it was */
export async function insertTeam(
  sql: Sql,
  team: { organizationId: number; name: string; role: TeamRole; description: string },
): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`
    insert into team (name, organization_id, role_id, description)
    values (${team.name}, ${team.organizationId}, (select id from teamrole where name = ${team.role}),
      ${team.description})
    on conflict do nothing returning id`;
  return row?.id;
}

/** Changes what is given. */
export async function updateTeam(
  sql: Sql,
  id: number,
  change: { role?: TeamRole | undefined; description?: string | undefined },
): Promise<void> {
  await sql`
    update team set
      role_id = coalesce((select id from teamrole where name = ${change.role ?? null}::text), role_id),
      description = coalesce(${change.description ?? null}::text, description)
    where id = ${id}`;
}

/** Takes the team out of everything that names it, in one statement; {@link deleteTeamRow} is next. */
export async function deleteTeamReferences(sql: Sql, id: number): Promise<void> {
  await sql`
    with members as (delete from teammember where team_id = ${id}),
      invites as (delete from teammemberinvite where team_id = ${id}),
      syncs as (delete from teamsync where team_id = ${id}),
      prototypes as (delete from permissionprototype where delegate_team_id = ${id})
    delete from repositorypermission where team_id = ${id}`;
}

export async function deleteTeamRow(sql: Sql, id: number): Promise<void> {
  await sql`delete from team where id = ${id}`;
}

/** @returns false when the user was in the team already */
export async function insertTeamMember(sql: Sql, teamId: number, userId: number): Promise<boolean> {
  const rows = await sql`
    insert into teammember (team_id, user_id) values (${teamId}, ${userId})
    on conflict (user_id, team_id) do nothing returning id`;
  return rows.length > 0;
}

/** @returns false when the user was not in the team */
export async function deleteTeamMember(sql: Sql, teamId: number, userId: number): Promise<boolean> {
  const rows = await sql`
    delete from teammember where team_id = ${teamId} and user_id = ${userId} returning id`;
  return rows.length > 0;
}

export function selectTeamMembers(sql: Sql, teamId: number): Promise<MemberRow[]> {
  return sql<MemberRow[]>`
    select u.id, u.username as name, u.email, u.robot as "isRobot"
    from teammember m join "user" u on u.id = m.user_id where m.team_id = ${teamId} order by u.username`;
}

/** Locks the organization's row, so that two removals cannot each take one of the last two administrators. */
export async function lockOrganization(sql: Sql, organizationId: number): Promise<void> {
  await sql`select id from "user" where id = ${organizationId} for no key update`;
}

/** How many enabled people are in an admin team of the organization. */
export async function countOrganizationAdmins(sql: Sql, organizationId: number): Promise<number> {
  const [row] = await sql<{ admins: number }[]>`
    select count(distinct u.id)::integer as admins
    from team t join teamrole on teamrole.id = t.role_id and teamrole.name = 'admin'
      join teammember m on m.team_id = t.id join "user" u on u.id = m.user_id and u.enabled and not u.robot
    where t.organization_id = ${organizationId}`;
  return row?.admins ?? 0;
}

/** Names of the enabled people in its admin teams. */
export async function selectOrganizationAdmins(sql: Sql, organizationId: number): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select distinct u.username as name
    from team t join teamrole on teamrole.id = t.role_id and teamrole.name = 'admin'
      join teammember m on m.team_id = t.id join "user" u on u.id = m.user_id and u.enabled and not u.robot
    where t.organization_id = ${organizationId} order by u.username`;
  return rows.map((row) => row.name);
}

/** Whether the user is in an admin team of the organization. */
export async function isOrganizationAdmin(
  sql: Sql,
  organizationId: number,
  userId: number,
): Promise<boolean> {
  const [row] = await sql<{ admin: boolean }[]>`
    select exists (
      select from teammember m join team t on t.id = m.team_id join teamrole on teamrole.id = t.role_id
      where m.user_id = ${userId} and t.organization_id = ${organizationId} and teamrole.name = 'admin') as admin`;
  return row?.admin === true;
}

/** Whether the user is in any team of the organization. */
export async function isOrganizationMember(
  sql: Sql,
  organizationId: number,
  userId: number,
): Promise<boolean> {
  const [row] = await sql<{ member: boolean }[]>`
    select exists (
      select from teammember m join team t on t.id = m.team_id
      where m.user_id = ${userId} and t.organization_id = ${organizationId}) as member`;
  return row?.member === true;
}

/** Whether the user is in that team of that organization. */
export async function isTeamMember(
  sql: Sql,
  organization: string,
  team: string,
  userId: number,
): Promise<boolean> {
  const [row] = await sql<{ member: boolean }[]>`
    select exists (
      select from "user" o join team t on t.organization_id = o.id and t.name = ${team}
        join teammember m on m.team_id = t.id and m.user_id = ${userId}
      where o.username = ${organization} and o.organization) as member`;
  return row?.member === true;
}

/** Of `userIds`, those in any team of the organization. */
export async function selectMembersAmong(
  sql: Sql,
  organizationId: number,
  userIds: readonly number[],
): Promise<ReadonlySet<number>> {
  const rows = await sql<{ id: number }[]>`
    select distinct m.user_id as id from teammember m join team t on t.id = m.team_id
    where t.organization_id = ${organizationId} and m.user_id = any(${[...userIds]}::integer[])`;
  return new Set(rows.map((row) => row.id));
}

/** As {@link lockOrganization} for every organization in whose teams the user is, in one order for everybody. */
export async function lockOrganizationsOf(sql: Sql, userId: number): Promise<void> {
  await sql`
    select id from "user" where id in (
      select t.organization_id from teammember m join team t on t.id = m.team_id where m.user_id = ${userId})
    order by id for no key update`;
}

/** Names of the organizations whose only administrator the user is. */
export async function selectSolelyAdministered(sql: Sql, userId: number): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select o.username as name
    from "user" o join team t on t.organization_id = o.id
      join teamrole on teamrole.id = t.role_id and teamrole.name = 'admin'
      join teammember m on m.team_id = t.id join "user" u on u.id = m.user_id and u.enabled and not u.robot
    where o.enabled and o.id in (
      select mine.organization_id from teammember member join team mine on mine.id = member.team_id
      where member.user_id = ${userId})
    group by o.id, o.username
    having count(distinct u.id) = 1 and bool_or(u.id = ${userId}) order by o.username`;
  return rows.map((row) => row.name);
}

/** Empties every team of the organization and every team that the user was in. */
export async function deleteMembershipsOf(sql: Sql, accountId: number): Promise<void> {
  await sql`
    delete from teammember
    where user_id = ${accountId} or team_id in (select id from team where organization_id = ${accountId})`;
}
