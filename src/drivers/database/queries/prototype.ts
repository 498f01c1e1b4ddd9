import type { Sql } from "../postgres.ts";
import type { RepositoryRole } from "./repository_permission.ts";

/** A default permission with whom it names. */
export interface PrototypeRow {
  readonly uuid: string;
  readonly role: RepositoryRole;
  /** Whose new repositories it is for; null: everybody's. */
  readonly activating: PrototypePerson | null;
  /** Who gets it: one of the two. */
  readonly delegateUser: PrototypePerson | null;
  readonly delegateTeam: string | null;
}

export interface PrototypePerson {
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly isRobot: boolean;
  /** In a team of the organization. */
  readonly isMember: boolean;
}

/** Oldest first. */
export function selectPrototypes(sql: Sql, organizationId: number, uuid?: string): Promise<PrototypeRow[]> {
  const person = (alias: string) => {
    const u = sql(alias);
    return sql`
      case when ${u}.id is not null then json_build_object('id', ${u}.id, 'name', ${u}.username, 'email', ${u}.email,
        'isRobot', ${u}.robot, 'isMember', exists (
          select from teammember m join team t on t.id = m.team_id
          where m.user_id = ${u}.id and t.organization_id = p.org_id)) end`;
  };
  return sql<PrototypeRow[]>`
    select p.uuid, role.name as role, ${person("a")} as activating, ${person("d")} as "delegateUser",
      team.name as "delegateTeam"
    from permissionprototype p join role on role.id = p.role_id
      left join "user" a on a.id = p.activating_user_id left join "user" d on d.id = p.delegate_user_id
      left join team on team.id = p.delegate_team_id
    where p.org_id = ${organizationId} ${uuid === undefined ? sql`` : sql`and p.uuid = ${uuid}`}
    order by p.id`;
}

/** @returns its public id */
export async function insertPrototype(
  sql: Sql,
  row: {
    organizationId: number;
    role: RepositoryRole;
    activatingId: number | null;
    delegateUserId: number | null;
    delegateTeamId: number | null;
  },
): Promise<string> {
  const [made] = await sql<{ uuid: string }[]>`
    insert into permissionprototype (org_id, activating_user_id, delegate_user_id, delegate_team_id, role_id)
    values (${row.organizationId}, ${row.activatingId}, ${row.delegateUserId}, ${row.delegateTeamId},
      (select id from role where name = ${row.role}))
    returning uuid`;
  if (made === undefined) throw new Error("permissionprototype: the insert returned no row");
  return made.uuid;
}

/** @returns whether it was there */
export async function updatePrototypeRole(
  sql: Sql,
  organizationId: number,
  uuid: string,
  role: RepositoryRole,
): Promise<boolean> {
  const rows = await sql`
    update permissionprototype set role_id = (select id from role where name = ${role})
    where org_id = ${organizationId} and uuid = ${uuid} returning id`;
  return rows.length > 0;
}

/** @returns whether it was there */
export async function deletePrototype(sql: Sql, organizationId: number, uuid: string): Promise<boolean> {
  const rows = await sql`
    delete from permissionprototype where org_id = ${organizationId} and uuid = ${uuid} returning id`;
  return rows.length > 0;
}
