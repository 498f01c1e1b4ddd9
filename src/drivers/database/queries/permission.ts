import type { Sql } from "../postgres.ts";

export type RepositoryRole = "read" | "write" | "admin";

/**
 * The strongest right that the account (person or robot) has on the repository by itself: as the owner of the namespace,
 * as administrator of the organization, by a permission of its own or by one of a team of its. Disabled accounts have none.
 */
export async function selectRepositoryRole(
  sql: Sql,
  options: { repositoryId: number; namespaceId: number; userId: number },
): Promise<RepositoryRole | undefined> {
  const { repositoryId, namespaceId, userId } = options;
  const [row] = await sql<{ role: RepositoryRole }[]>`
    select found.role from (
      select 'admin' as role where ${userId}::integer = ${namespaceId}::integer
      union all
      select role.name from repositorypermission p join role on role.id = p.role_id
      where p.repository_id = ${repositoryId} and p.user_id = ${userId}
      union all
      select role.name from repositorypermission p join role on role.id = p.role_id
        join teammember m on m.team_id = p.team_id and m.user_id = ${userId}
      where p.repository_id = ${repositoryId}
      union all
      select 'admin' from team t join teamrole on teamrole.id = t.role_id and teamrole.name = 'admin'
        join teammember m on m.team_id = t.id and m.user_id = ${userId}
      where t.organization_id = ${namespaceId}
    ) found
    where exists (select from "user" u where u.id = ${userId} and u.enabled)
    order by case found.role when 'admin' then 0 when 'write' then 1 else 2 end limit 1`;
  return row?.role;
}

/** A namespace and what `userId` is in it. */
export interface NamespaceStanding {
  readonly id: number;
  readonly organization: boolean;
  readonly enabled: boolean;
  /** The strongest role of the account's teams there; null in nobody's and in people's own namespaces. */
  readonly teamRole: "admin" | "creator" | "member" | null;
  /** The account is the person whose namespace it is, and enabled. */
  readonly owned: boolean;
}

/** @param userId null for nobody */
export async function selectNamespaceStanding(
  sql: Sql,
  namespace: string,
  userId: number | null,
): Promise<NamespaceStanding | undefined> {
  const [row] = await sql<NamespaceStanding[]>`
    select n.id, n.organization, n.enabled,
      (n.enabled and not n.organization and n.id = ${userId}::integer) is true as owned,
      (select teamrole.name from team t join teamrole on teamrole.id = t.role_id
         join teammember m on m.team_id = t.id join "user" u on u.id = m.user_id and u.enabled
       where t.organization_id = n.id and m.user_id = ${userId}::integer
       order by case teamrole.name when 'admin' then 0 when 'creator' then 1 else 2 end limit 1) as "teamRole"
    from "user" n where n.username = ${namespace} and not n.robot`;
  return row;
}

/** Whether the repository is mirrored with this robot. */
export async function isMirrorRobot(sql: Sql, repositoryId: number, robotId: number): Promise<boolean> {
  const [row] = await sql<{ own: boolean }[]>`
    select exists (
      select from repomirrorconfig where repository_id = ${repositoryId} and internal_robot_id = ${robotId}) as own`;
  return row?.own === true;
}
