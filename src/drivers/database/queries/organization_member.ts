import { freshlyPlanned, type Sql } from "../postgres.ts";

/** Somebody who has to do with an organization, and where. */
export interface OrganizationPerson {
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly isRobot: boolean;
  /** Names of its teams, sorted. */
  readonly teams: string[];
  /** Names of its repositories on which the account has a permission of its own, sorted. */
  readonly repositories: string[];
}

function reach(sql: Sql, organizationId: number) {
  return sql`
    u.id, u.username as name, u.email, u.robot as "isRobot",
    array(select t.name from teammember m join team t on t.id = m.team_id
      where m.user_id = u.id and t.organization_id = ${organizationId} order by t.name) as teams,
    array(select r.name from repositorypermission p join repository r on r.id = p.repository_id
      where p.user_id = u.id and r.namespace_user_id = ${organizationId} and r.state <> 3
      order by r.name) as repositories`;
}

/**
 * The people in its teams, by name. Read set by set: thousands of members make an organization. `offset 0` keeps who may
 * do what apart from who is a member: two indexes are merged then, instead of a look-up for each permission of a member.
 */
export function selectOrganizationMembers(sql: Sql, organizationId: number): Promise<OrganizationPerson[]> {
  return freshlyPlanned(sql<OrganizationPerson[]>`
    with people as (
      select m.user_id as id, array_agg(t.name order by t.name) as teams
      from team t join teammember m on m.team_id = t.id where t.organization_id = ${organizationId}
      group by m.user_id
    ), reach as (
      select p.user_id as id, r.name from repository r join repositorypermission p on p.repository_id = r.id
      where r.namespace_user_id = ${organizationId} and r.state <> 3 and p.user_id is not null offset 0
    ), granted as (
      select reach.id, array_agg(reach.name order by reach.name) as repositories
      from people join reach on reach.id = people.id group by reach.id
    )
    select u.id, u.username as name, u.email, u.robot as "isRobot", people.teams,
      coalesce(granted.repositories, '{}') as repositories
    from people join "user" u on u.id = people.id left join granted on granted.id = people.id
    where not u.robot order by u.username`);
}

/** People and robots who are in none of its teams and have a permission on one of its repositories, by name. */
export function selectCollaborators(sql: Sql, organizationId: number): Promise<OrganizationPerson[]> {
  return freshlyPlanned(sql<OrganizationPerson[]>`
    with granted as (
      select p.user_id as id, array_agg(r.name order by r.name) as repositories
      from repository r join repositorypermission p on p.repository_id = r.id
      where r.namespace_user_id = ${organizationId} and r.state <> 3 and p.user_id is not null
        and not exists (
          select from teammember m join team t on t.id = m.team_id
          where m.user_id = p.user_id and t.organization_id = ${organizationId})
      group by p.user_id
    )
    select u.id, u.username as name, u.email, u.robot as "isRobot", '{}'::text[] as teams, granted.repositories
    from granted join "user" u on u.id = granted.id order by u.username`);
}

/** One account, whether it has anything there or not. */
export async function selectOrganizationPerson(
  sql: Sql,
  organizationId: number,
  username: string,
): Promise<OrganizationPerson | undefined> {
  const [row] = await sql<OrganizationPerson[]>`
    select ${reach(sql, organizationId)} from "user" u where u.username = ${username} and not u.organization`;
  return row;
}

/** What each of these accounts has in that namespace. */
export function selectReachOf(
  sql: Sql,
  namespaceId: number,
  accountIds: readonly number[],
): Promise<OrganizationPerson[]> {
  return sql<OrganizationPerson[]>`
    select ${reach(sql, namespaceId)} from "user" u where u.id = any(${[...accountIds]}::integer[])`;
}

/** Takes the person out of the organization's teams and repositories. @returns the teams that it was in */
export async function deleteOrganizationMember(
  sql: Sql,
  organizationId: number,
  userId: number,
): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    with permissions as (
      delete from repositorypermission p using repository r
      where r.id = p.repository_id and r.namespace_user_id = ${organizationId} and p.user_id = ${userId})
    delete from teammember m using team t
    where t.id = m.team_id and t.organization_id = ${organizationId} and m.user_id = ${userId}
    returning t.name`;
  return rows.map((row) => row.name).sort();
}
