import { freshlyPlanned, type Sql } from "../postgres.ts";
import { repositoryColumns, type RepositoryRow, repositoryTables } from "./repository.ts";

/** Idempotent. */
export async function insertStar(sql: Sql, userId: number, repositoryId: number): Promise<void> {
  await sql`
    insert into star (user_id, repository_id) values (${userId}, ${repositoryId})
    on conflict (user_id, repository_id) do nothing`;
}

/** @returns whether there was one */
export async function deleteStar(sql: Sql, userId: number, repositoryId: number): Promise<boolean> {
  const gone = await sql`
    delete from star where user_id = ${userId} and repository_id = ${repositoryId} returning id`;
  return gone.length > 0;
}

/** Of `repositoryIds` those that the user has starred. */
export async function selectStarredAmong(
  sql: Sql,
  userId: number,
  repositoryIds: readonly number[],
): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select repository_id as id from star
    where user_id = ${userId} and repository_id = any(${repositoryIds as number[]}::integer[])`;
  return rows.map((row) => row.id);
}

/**
 * A page of what the user has starred, in the order of the repositories' ids. A star is no right: what is no longer
 * the user's to read is left out, unless `all`.
 */
export function selectStarredRepositories(
  sql: Sql,
  options: { userId: number; all: boolean; afterId: number; limit: number },
): Promise<RepositoryRow[]> {
  const { userId, all, afterId, limit } = options;
  const visible = all ? sql`` : sql`
    and (r.visibility_id = (select id from visibility where name = 'public') or r.namespace_user_id = ${userId}
      or exists (
        select from repositorypermission p where p.repository_id = r.id and (p.user_id = ${userId}
          or p.team_id in (select team_id from teammember where user_id = ${userId}))
      ) or exists (
        select from teammember tm join team t on t.id = tm.team_id join teamrole tr on tr.id = t.role_id
        where tm.user_id = ${userId} and t.organization_id = r.namespace_user_id and tr.name = 'admin'))`;
  // Joined before the page is cut, a plan made for the average user sorts all stars of one with thousands.
  return freshlyPlanned(sql<RepositoryRow[]>`
    select ${repositoryColumns(sql)}, r.description, r.badge_token as "badgeToken"
    from (
      select s.repository_id as id from star s join repository r on r.id = s.repository_id
      where s.user_id = ${userId} and s.repository_id > ${afterId} and r.state <> 3 ${visible}
      order by s.repository_id limit ${limit}
    ) page join ${repositoryTables(sql)} on r.id = page.id
    order by r.id`);
}

/** When the youngest live tag of each repository was made, epoch milliseconds; repositories without one are left out. */
export function selectLastModified(
  sql: Sql,
  repositoryIds: readonly number[],
  nowMs: number,
): Promise<{ id: number; ms: number }[]> {
  return sql<{ id: number; ms: number }[]>`
    select r.id, t.ms from unnest(${repositoryIds as number[]}::integer[]) as r (id)
    cross join lateral (
      select lifetime_start_ms as ms from tag
      where repository_id = r.id and not hidden and manifest_id is not null
        and (lifetime_end_ms is null or lifetime_end_ms > ${nowMs})
      order by lifetime_start_ms desc, name, id desc limit 1
    ) t`;
}

/** How often each repository was used in the last week, by the days counted; those that were not are left out. */
export function selectPopularity(
  sql: Sql,
  repositoryIds: readonly number[],
  nowMs: number,
): Promise<{ id: number; score: number }[]> {
  return sql<{ id: number; score: number }[]>`
    select repository_id as id, sum(count)::float8 as score from repositoryactioncount
    where repository_id = any(${repositoryIds as number[]}::integer[])
      and date >= (to_timestamp(${nowMs / 1000}) at time zone 'utc')::date - 7
    group by repository_id`;
}
