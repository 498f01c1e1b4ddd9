import { freshlyPlanned, type Sql } from "../postgres.ts";

/** Values of `repository.state` (a plain number in Quay's schema). */
export const REPOSITORY_STATE = {
  NORMAL: 0,
  READ_ONLY: 1,
  MIRROR: 2,
  MARKED_FOR_DELETION: 3,
  ORG_MIRROR: 4,
} as const;
export type RepositoryState = (typeof REPOSITORY_STATE)[keyof typeof REPOSITORY_STATE];
export type Visibility = "public" | "private";

/** What every surface needs to know of a repository before it touches what is inside. */
export interface RepositoryRef {
  readonly id: number;
  readonly namespaceId: number;
  readonly namespace: string;
  /** Without the namespace; may contain `/`. */
  readonly name: string;
  readonly state: RepositoryState;
  readonly visibility: Visibility;
  readonly kind: "image" | "application";
  /** The namespace is an organization, not a user's own. */
  readonly inOrganization: boolean;
  /** False when the user or organization that owns it has been disabled. */
  readonly namespaceEnabled: boolean;
}

export interface RepositoryRow extends RepositoryRef {
  readonly description: string | null;
  /** Lets a status badge be shown for a private repository. */
  readonly badgeToken: string;
}

/** What a {@link RepositoryRef} is made of, from {@link repositoryTables}. */
export function repositoryColumns(sql: Sql) {
  return sql`
    r.id, r.namespace_user_id as "namespaceId", n.username as namespace, r.name, r.state, v.name as visibility,
    k.name as kind, n.organization as "inOrganization", n.enabled as "namespaceEnabled"`;
}

/** Repositories with their namespaces. */
export function repositoryTables(sql: Sql) {
  return sql`
    repository r join "user" n on n.id = r.namespace_user_id
    join visibility v on v.id = r.visibility_id join repositorykind k on k.id = r.kind_id`;
}

/** The live repository of that name: one statement over the unique indexes of user names and repository names. */
export async function selectRepository(
  sql: Sql,
  namespace: string,
  name: string,
): Promise<RepositoryRow | undefined> {
  const [row] = await sql<RepositoryRow[]>`
    select ${repositoryColumns(sql)}, r.description, r.badge_token as "badgeToken" from ${
    repositoryTables(sql)
  }
    where n.username = ${namespace} and not n.robot and r.name = ${name}
      and r.state <> ${REPOSITORY_STATE.MARKED_FOR_DELETION}`;
  return row;
}

/** Creates the row unless the name is taken in that namespace. @returns its id, or undefined when it was taken */
export async function insertRepository(
  sql: Sql,
  row: {
    namespaceId: number;
    name: string;
    visibility: Visibility;
    description: string;
    kind: "image" | "application";
  },
): Promise<number | undefined> {
  const [created] = await sql<{ id: number }[]>`
    insert into repository (namespace_user_id, name, visibility_id, description, badge_token, kind_id, trust_enabled, state)
    values (${row.namespaceId}, ${row.name}, (select id from visibility where name = ${row.visibility}),
      ${row.description}, ${crypto.randomUUID()}, (select id from repositorykind where name = ${row.kind}), false,
      ${REPOSITORY_STATE.NORMAL})
    on conflict (namespace_user_id, name) do nothing
    returning id`;
  return created?.id;
}

/**
 * Gives a new repository the default permissions of its organization: those for everybody and those for `creatorId`.
 * Two that name one delegate leave it the stronger role.
 */
export async function applyPrototypes(
  sql: Sql,
  repositoryId: number,
  namespaceId: number,
  creatorId: number | null,
) {
  await sql`
    insert into repositorypermission (repository_id, user_id, team_id, role_id)
    select distinct on (p.delegate_user_id, p.delegate_team_id)
      ${repositoryId}::integer, p.delegate_user_id, p.delegate_team_id, p.role_id
    from permissionprototype p join role on role.id = p.role_id
    where p.org_id = ${namespaceId}
      and (p.activating_user_id is null or p.activating_user_id = ${creatorId}::integer)
      and (p.delegate_user_id is null or p.delegate_user_id is distinct from ${creatorId}::integer)
    order by p.delegate_user_id, p.delegate_team_id,
      case role.name when 'admin' then 0 when 'write' then 1 else 2 end`;
}

export async function updateRepositoryDescription(sql: Sql, id: number, description: string): Promise<void> {
  await sql`update repository set description = ${description} where id = ${id}`;
}

export async function updateRepositoryVisibility(
  sql: Sql,
  id: number,
  visibility: Visibility,
): Promise<void> {
  await sql`
    update repository set visibility_id = (select id from visibility where name = ${visibility}) where id = ${id}`;
}

/** Never revives or hides: a repository that is marked for deletion keeps its state. */
export async function updateRepositoryState(sql: Sql, id: number, state: RepositoryState): Promise<void> {
  await sql`
    update repository set state = ${state} where id = ${id} and state <> ${REPOSITORY_STATE.MARKED_FOR_DELETION}`;
}

export async function isStarred(sql: Sql, repositoryId: number, userId: number): Promise<boolean> {
  const [row] = await sql<{ starred: boolean }[]>`
    select exists (select from star where repository_id = ${repositoryId} and user_id = ${userId}) as starred`;
  return row?.starred === true;
}

/** Takes the name away and hides the repository. @returns whether it was there to be marked */
export async function markRepositoryForDeletion(sql: Sql, id: number): Promise<boolean> {
  const marked = await sql`
    update repository set name = ${crypto.randomUUID()}, state = ${REPOSITORY_STATE.MARKED_FOR_DELETION}
    where id = ${id} and state <> ${REPOSITORY_STATE.MARKED_FOR_DELETION} returning id`;
  return marked.length > 0;
}

export async function insertDeletedRepository(
  sql: Sql,
  row: { repositoryId: number; originalName: string; queueId: number; nowMs: number },
): Promise<void> {
  await sql`
    insert into deletedrepository (repository_id, marked, original_name, queue_id)
    values (${row.repositoryId}, to_timestamp(${
    row.nowMs / 1000
  }) at time zone 'utc', ${row.originalName}, ${row.queueId})
    on conflict (repository_id) do nothing`;
}

/** Which of the repositories of `namespace` a listing may show. */
export type ListingScope =
  /** Everything: the namespace's administrator, superusers with full access, the operator. */
  | { kind: "all" }
  /** Public ones, and those of these that are there: whoever has permissions on few repositories. */
  | { kind: "some"; grantedIds: readonly number[] }
  /** Public ones and those that this user (directly or by team) has a permission on: for permissions on many. */
  | { kind: "visible"; userId: number };

/**
 * One page of the live repositories by name, starting after `afterName`. Which ones is decided within the indexes by
 * name; only the page itself is joined. (Joined first, a plan made for the average namespace sorts a large one whole.)
 * `offset 0` keeps the question about permissions one for each repository: as a set, all permissions there are are read.
 */
export function selectRepositories(
  sql: Sql,
  options: {
    namespaceId: number;
    scope: ListingScope;
    kind: "image" | "application";
    afterName: string;
    limit: number;
  },
): Promise<RepositoryRow[]> {
  const { scope, namespaceId, afterName, kind, limit } = options;
  const names = (which: ReturnType<typeof repositoryTables>) =>
    sql`(
    select r.id, r.name from repository r
    where r.namespace_user_id = ${namespaceId} and r.name > ${afterName} and r.state <> 3
      and r.kind_id = (select id from repositorykind where name = ${kind}) ${which}
    order by r.name limit ${limit})`;
  const publicId = sql`(select id from visibility where name = 'public')`;
  const source = () => {
    switch (scope.kind) {
      case "all":
        return names(sql``);
      case "some":
        return sql`(
          ${names(sql`and r.visibility_id = ${publicId}`)}
          union ${names(sql`and r.id = any(${scope.grantedIds as number[]}::integer[])`)}
          order by name limit ${limit})`;
      case "visible":
        return names(sql`
          and (r.visibility_id = ${publicId} or exists (
            select from repositorypermission p where p.repository_id = r.id and (
              p.user_id = ${scope.userId}::integer
              or p.team_id in (select team_id from teammember where user_id = ${scope.userId}::integer))
            offset 0))`);
    }
  };
  return freshlyPlanned(sql<RepositoryRow[]>`
    select ${repositoryColumns(sql)}, r.description, r.badge_token as "badgeToken"
    from ${source()} page join ${repositoryTables(sql)} on r.id = page.id
    order by r.name`);
}

/** Whose eyes a list is for. */
export interface RepositoryViewer {
  /** Sees every repository. */
  readonly all: boolean;
  /** Null: only what is public. */
  readonly userId: number | null;
}

/**
 * A page of live repositories of enabled namespaces that the viewer may see, by id. Each way of seeing one is followed on
 * its own, from where the page starts and no further than it needs, so that what others keep private costs nothing.
 */
export function selectVisibleRepositories(
  sql: Sql,
  viewer: RepositoryViewer,
  options: { kind: "image" | "application"; afterId: number; limit: number },
): Promise<RepositoryRow[]> {
  const { userId } = viewer;
  const from = (which: ReturnType<typeof repositoryTables>) =>
    sql`(
    select r.id from repository r join "user" n on n.id = r.namespace_user_id and n.enabled
    where r.id > ${options.afterId} and r.state <> 3
      and r.kind_id = (select id from repositorykind where name = ${options.kind}) ${which}
    order by r.id limit ${options.limit})`;
  const publicOnes = sql`and r.visibility_id = (select id from visibility where name = 'public')`;
  const own = viewer.all || userId === null ? sql`` : sql`
    union ${
    from(sql`and r.namespace_user_id in (
      select ${userId}::integer
      union select t.organization_id from teammember m join team t on t.id = m.team_id
        join teamrole on teamrole.id = t.role_id and teamrole.name = 'admin' where m.user_id = ${userId})`)
  }
    union ${
    from(sql`and r.id in (
      select p.repository_id from repositorypermission p where p.user_id = ${userId}
      union select p.repository_id from repositorypermission p join teammember m on m.team_id = p.team_id
        where m.user_id = ${userId})`)
  }`;
  return sql<RepositoryRow[]>`
    select ${repositoryColumns(sql)}, r.description, r.badge_token as "badgeToken"
    from (${from(viewer.all ? sql`` : publicOnes)} ${own}) page join ${
    repositoryTables(sql)
  } on r.id = page.id
    order by r.id limit ${options.limit}`;
}
