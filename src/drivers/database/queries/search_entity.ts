import type { Sql } from "../postgres.ts";
import { endOfPrefix } from "./prefix.ts";

export interface FoundUser {
  readonly id: number;
  readonly username: string;
  readonly email: string;
  readonly robot: boolean;
}

/**
 * Enabled people, and robots of one namespace, whose names begin so: the exact name first, then by name.
 * @param options.robotPrefix the robots' full names begin so; undefined: no robots
 * @param options.exactOnly only whole names
 */
export function selectUsersByPrefix(
  sql: Sql,
  options: { prefix: string; robotPrefix: string | undefined; exactOnly: boolean; limit: number },
): Promise<FoundUser[]> {
  const { prefix, robotPrefix, exactOnly, limit } = options;
  const range = (start: string) =>
    exactOnly ? sql`username = ${start}` : sql`username >= ${start} and username < ${endOfPrefix(start)}`;
  const robots = robotPrefix === undefined ? sql`` : sql`
    union all (select id, username, email, robot from "user" where ${range(robotPrefix)} and robot and enabled
      order by username limit ${limit})`;
  return sql<FoundUser[]>`
    select * from (
      (select id, username, email, robot from "user"
        where ${
    range(prefix)
  } and not robot and not organization and enabled order by username limit ${limit})
      ${robots}
    ) found
    order by username in (${prefix}, ${robotPrefix ?? prefix}) desc, username limit ${limit}`;
}

export interface FoundTeam {
  readonly name: string;
  readonly organization: string;
  readonly organizationEmail: string;
}

/** Teams of one organization whose names begin so. */
export function selectTeamsByPrefix(
  sql: Sql,
  organizationId: number,
  prefix: string,
  limit: number,
): Promise<FoundTeam[]> {
  return sql<FoundTeam[]>`
    select t.name, o.username as organization, o.email as "organizationEmail"
    from team t join "user" o on o.id = t.organization_id
    where t.organization_id = ${organizationId} and t.name >= ${prefix} and t.name < ${endOfPrefix(prefix)}
    order by t.name limit ${limit}`;
}

/** Organizations in which the user is in a team of administrators. */
const administered = (sql: Sql, userId: number) =>
  sql`
  select t.organization_id from teammember m join team t on t.id = m.team_id
    join teamrole on teamrole.id = t.role_id and teamrole.name = 'admin'
  where m.user_id = ${userId}`;

/** Teams whose names hold `part`, of those that the user is in or administers; the exact name first. */
export function searchTeams(
  sql: Sql,
  userId: number,
  part: string,
  limit: number,
): Promise<FoundTeam[]> {
  return sql<FoundTeam[]>`
    select t.name, o.username as organization, o.email as "organizationEmail"
    from team t join "user" o on o.id = t.organization_id
    where position(${part} in t.name) > 0 and o.enabled
      and t.id in (select team_id from teammember where user_id = ${userId}
        union select id from team where organization_id in (${administered(sql, userId)}))
    order by t.name = ${part} desc, t.name, o.username limit ${limit}`;
}

/** Robots whose short names hold `part`, of the user and of the organizations that the user administers. */
export function searchRobots(
  sql: Sql,
  userId: number,
  part: string,
  limit: number,
): Promise<{ username: string }[]> {
  return sql<{ username: string }[]>`
    select found.username from (
      select id, username from "user" where id in (select ${userId}::integer union ${
    administered(sql, userId)
  })
    ) n cross join lateral (
      select username from "user" r
      where r.username >= n.username || '+' and r.username < n.username || ',' and r.robot
        and position(${part} in substr(r.username, length(n.username) + 2)) > 0
      order by r.username limit ${limit}
    ) found
    order by found.username limit ${limit}`;
}

/**
 * People and organizations whose names begin so, of those that the viewer has to do with: itself, what it is a member of,
 * and whose repositories it may see.
 */
export function searchNamespaces(
  sql: Sql,
  viewer: { all: boolean; userId: number | null },
  prefix: string,
  limit: number,
): Promise<{ username: string; email: string; organization: boolean }[]> {
  const { userId } = viewer;
  const known = viewer.all ? sql`` : sql`
    and (u.id = ${userId}::integer
      or exists (select from repository r where r.namespace_user_id = u.id and r.state <> 3
        and r.visibility_id = (select id from visibility where name = 'public'))
      or u.id in (select t.organization_id from teammember m join team t on t.id = m.team_id
        where m.user_id = ${userId}::integer)
      or u.id in (select r.namespace_user_id from repositorypermission p join repository r on r.id = p.repository_id
        where p.user_id = ${userId}::integer and r.state <> 3))`;
  return sql<{ username: string; email: string; organization: boolean }[]>`
    select u.username, u.email, u.organization from "user" u
    where u.username >= ${prefix} and u.username < ${
    endOfPrefix(prefix)
  } and not u.robot and u.enabled ${known}
    order by u.username limit ${limit}`;
}
