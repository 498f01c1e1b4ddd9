import type { Sql } from "../postgres.ts";

export type RepositoryRole = "admin" | "write" | "read";

/** One grant on a repository, with its holder as listings show it. */
export interface UserGrant {
  readonly userId: number;
  readonly name: string;
  readonly isRobot: boolean;
  readonly email: string;
  readonly role: RepositoryRole;
}

export interface TeamGrant {
  readonly teamId: number;
  readonly name: string;
  readonly role: RepositoryRole;
}

/** Gives a user or robot that role, in place of the one it had. */
export async function upsertUserPermission(
  sql: Sql,
  grant: { repositoryId: number; userId: number; role: RepositoryRole },
): Promise<void> {
  await sql`
    insert into repositorypermission (repository_id, user_id, role_id)
    values (${grant.repositoryId}, ${grant.userId}, (select id from role where name = ${grant.role}))
    on conflict (user_id, repository_id) do update set role_id = excluded.role_id`;
}

export async function upsertTeamPermission(
  sql: Sql,
  grant: { repositoryId: number; teamId: number; role: RepositoryRole },
): Promise<void> {
  await sql`
    insert into repositorypermission (repository_id, team_id, role_id)
    values (${grant.repositoryId}, ${grant.teamId}, (select id from role where name = ${grant.role}))
    on conflict (team_id, repository_id) do update set role_id = excluded.role_id`;
}

/** @returns whether there was one */
export async function deleteUserPermission(sql: Sql, repositoryId: number, userId: number): Promise<boolean> {
  const rows = await sql`
    delete from repositorypermission where repository_id = ${repositoryId} and user_id = ${userId} returning id`;
  return rows.length > 0;
}

export async function deleteTeamPermission(sql: Sql, repositoryId: number, teamId: number): Promise<boolean> {
  const rows = await sql`
    delete from repositorypermission where repository_id = ${repositoryId} and team_id = ${teamId} returning id`;
  return rows.length > 0;
}

/** Direct grants to users and robots, by name; only that of `username` when it is given. */
export function selectUserGrants(sql: Sql, repositoryId: number, username?: string): Promise<UserGrant[]> {
  return sql<UserGrant[]>`
    select u.id as "userId", u.username as name, u.robot as "isRobot", u.email, role.name as role
    from repositorypermission p join "user" u on u.id = p.user_id join role on role.id = p.role_id
    where p.repository_id = ${repositoryId} ${
    username === undefined ? sql`` : sql`and u.username = ${username}`
  }
    order by u.username`;
}

export function selectTeamGrants(sql: Sql, repositoryId: number, team?: string): Promise<TeamGrant[]> {
  return sql<TeamGrant[]>`
    select t.id as "teamId", t.name, role.name as role
    from repositorypermission p join team t on t.id = p.team_id join role on role.id = p.role_id
    where p.repository_id = ${repositoryId} ${team === undefined ? sql`` : sql`and t.name = ${team}`}
    order by t.name`;
}

/** Ids of repositories on which the account has a permission, directly or by a team; some of them more than once. */
export async function selectGrantedIds(sql: Sql, userId: number, limit: number): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select repository_id as id from repositorypermission where user_id = ${userId}
    union all
    select p.repository_id from teammember m join repositorypermission p on p.team_id = m.team_id
    where m.user_id = ${userId} limit ${limit}`;
  return rows.map(({ id }) => id);
}

/** Repositories on which a user or robot has a direct grant, by name. */
export function selectGrantsOfUser(
  sql: Sql,
  userId: number,
): Promise<{ repository: string; isPublic: boolean; role: RepositoryRole }[]> {
  return sql<{ repository: string; isPublic: boolean; role: RepositoryRole }[]>`
    select r.name as repository, v.name = 'public' as "isPublic", role.name as role
    from repositorypermission p join repository r on r.id = p.repository_id
      join visibility v on v.id = r.visibility_id join role on role.id = p.role_id
    where p.user_id = ${userId} and r.state <> 3
    order by r.name`;
}

/** Repositories on which a team has a permission, by name. */
export function selectGrantsOfTeam(
  sql: Sql,
  teamId: number,
): Promise<{ repository: string; isPublic: boolean; role: RepositoryRole }[]> {
  return sql<{ repository: string; isPublic: boolean; role: RepositoryRole }[]>`
    select r.name as repository, v.name = 'public' as "isPublic", role.name as role
    from repositorypermission p join repository r on r.id = p.repository_id
      join visibility v on v.id = r.visibility_id join role on role.id = p.role_id
    where p.team_id = ${teamId} and r.state <> 3
    order by r.name`;
}

/** Every role that the user has on the repository: directly and by teams. Who owns or administers the namespace is not asked. */
export async function selectRolesOfUser(
  sql: Sql,
  repositoryId: number,
  userId: number,
): Promise<RepositoryRole[]> {
  const rows = await sql<{ role: RepositoryRole }[]>`
    select role.name as role from repositorypermission p join role on role.id = p.role_id
    where p.repository_id = ${repositoryId} and p.user_id = ${userId}
    union all
    select role.name from repositorypermission p join role on role.id = p.role_id
      join teammember m on m.team_id = p.team_id and m.user_id = ${userId}
    where p.repository_id = ${repositoryId}`;
  return rows.map((row) => row.role);
}
