import type { Sql } from "../postgres.ts";

/** Takes the lock of who counts, until the transaction ends. @returns false when another node has it */
export async function tryLockCounting(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ mine: boolean }[]>`
    select pg_try_advisory_xact_lock(hashtext('quaylet action counts')) as mine`;
  return row?.mine === true;
}

/** The last day that has been counted, `YYYY-MM-DD`; undefined: none has. */
export async function selectLastCountedDay(sql: Sql): Promise<string | undefined> {
  const [row] = await sql<{ day: string | null }[]>`
    select to_char(max(date), 'YYYY-MM-DD') as day from repositoryactioncount`;
  return row?.day ?? undefined;
}

/**
 * Counts what was done to each repository on one day, of those that are still there. Again changes nothing.
 * @returns how many repositories were counted
 */
export async function countActionsOf(sql: Sql, day: string): Promise<number> {
  const result = await sql`
    insert into repositoryactioncount (repository_id, count, date)
    select l.repository_id, count(*), ${day}::date
    from logentry3 l join repository r on r.id = l.repository_id and r.state <> 3
    where l.datetime >= ${day}::date and l.datetime < ${day}::date + 1
    group by l.repository_id
    on conflict (repository_id, date) do nothing`;
  return result.count;
}

/** Forgets counts of days before `day`. */
export async function deleteCountsBefore(sql: Sql, day: string): Promise<void> {
  await sql`delete from repositoryactioncount where date < ${day}::date`;
}

/** The highest of the next `limit` repository ids after `afterId`; undefined: there are none. */
export async function selectNextRepositoryId(
  sql: Sql,
  afterId: number,
  limit: number,
): Promise<number | undefined> {
  const [row] = await sql<{ last: number | null }[]>`
    select max(id) as last from (select id from repository where id > ${afterId} order by id limit ${limit}) page`;
  return row?.last ?? undefined;
}

/**
 * Scores the repositories with ids in `(afterId, lastId]` anew by what was done to them up to `day`: an action counts 1000
 * on that day and less the longer ago it was, a quarter after 183 days, nothing after that.
 */
export async function updateSearchScores(
  sql: Sql,
  range: { afterId: number; lastId: number; day: string; nowMs: number },
): Promise<void> {
  const { afterId, lastId, day, nowMs } = range;
  await sql`
    insert into repositorysearchscore (repository_id, score, last_updated)
    select r.id, coalesce(counted.score, 0), to_timestamp(${nowMs / 1000}) at time zone 'utc'
    from repository r left join (
      select repository_id, round(sum(count * 1000 / power(1 + (${day}::date - date) / 183.0, 2)))::bigint as score
      from repositoryactioncount
      where repository_id > ${afterId} and repository_id <= ${lastId} and date > ${day}::date - 183
      group by repository_id
    ) counted on counted.repository_id = r.id
      left join repositorysearchscore s on s.repository_id = r.id
    where r.id > ${afterId} and r.id <= ${lastId} and r.state <> 3
      and coalesce(counted.score, 0) <> coalesce(s.score, 0)
    on conflict (repository_id) do update set score = excluded.score, last_updated = excluded.last_updated`;
}

/** What was done to a repository on each day that was counted, from `day` on. */
export function selectActionCounts(
  sql: Sql,
  repositoryId: number,
  day: string,
): Promise<{ day: string; count: number }[]> {
  return sql<{ day: string; count: number }[]>`
    select to_char(date, 'YYYY-MM-DD') as day, count from repositoryactioncount
    where repository_id = ${repositoryId} and date >= ${day}::date order by date`;
}
