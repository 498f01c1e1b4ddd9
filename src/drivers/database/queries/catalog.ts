import type { Sql } from "../postgres.ts";

export interface CatalogRow {
  readonly namespace: string;
  readonly name: string;
}

/** Whose eyes a catalog is for. */
export interface CatalogViewer {
  /** Sees every repository. */
  readonly all: boolean;
  readonly userId: number | null;
  /** Public repositories are listed too. */
  readonly includePublic: boolean;
}

/**
 * A page of live image repositories in byte order of namespace and name. Walks the unique indexes of user names and of
 * names within a namespace from where the page starts, and stops when it is full.
 */
export function selectCatalog(
  sql: Sql,
  viewer: CatalogViewer,
  page: { afterNamespace: string; afterName: string; limit: number },
): Promise<CatalogRow[]> {
  const { userId } = viewer;
  const visible = viewer.all ? sql`true` : sql`(
    (${viewer.includePublic} and r.visibility_id = (select id from visibility where name = 'public'))
    or r.namespace_user_id = ${userId}::integer
    or exists (select from repositorypermission p where p.repository_id = r.id and p.user_id = ${userId}::integer)
    or exists (select from repositorypermission p join teammember m on m.team_id = p.team_id
      where p.repository_id = r.id and m.user_id = ${userId}::integer)
    or exists (select from team t join teammember m on m.team_id = t.id
      where t.organization_id = r.namespace_user_id and m.user_id = ${userId}::integer
        and t.role_id = (select id from teamrole where name = 'admin')))`;
  return sql<CatalogRow[]>`
    select n.username as namespace, r.name
    from (
      select id, username from "user" where username >= ${page.afterNamespace} and enabled and not robot
      order by username
    ) n
    cross join lateral (
      select r.name from repository r
      where r.namespace_user_id = n.id and r.state <> 3
        and r.name > (case when n.username = ${page.afterNamespace} then ${page.afterName} else '' end)
        and r.kind_id = (select id from repositorykind where name = 'image')
        and ${visible}
      order by r.name limit ${page.limit}
    ) r
    order by n.username, r.name limit ${page.limit}`;
}
