/** What discoveries have found: `orgmirrorrepository`, and the mirrors of the repositories that were made for it. */
import type { Sql } from "../postgres.ts";
import type { MirroredRepositories } from "./mirror.ts";
import { askedSync, cancelledSync, isDue, msOf, timeOf } from "./sync.ts";

/** The status of what is gone there, or left out by the filters. */
const SKIP = 4;

/** The repositories of an organization's mirror. */
export const repositoriesOf = (sql: Sql, id: number): MirroredRepositories =>
  sql`select repository_id from orgmirrorrepository where org_mirror_config_id = ${id} and repository_id is not null`;

/** Those of them that it follows by now. */
export const followedOf = (sql: Sql, id: number): MirroredRepositories =>
  sql`${repositoriesOf(sql, id)} and sync_status <> ${SKIP}`;

/** Adds names that are new. @returns how many there were */
export async function insertDiscovered(
  sql: Sql,
  id: number,
  names: readonly string[],
  nowMs: number,
): Promise<number> {
  const { count } = await sql`
    insert into orgmirrorrepository (org_mirror_config_id, repository_name, discovery_date)
    select ${id}, name, ${timeOf(sql, nowMs)} from unnest(${names as string[]}::varchar[]) name
    on conflict (org_mirror_config_id, repository_name) do nothing`;
  return count;
}

/**
 * Leaves out what is not in `wanted`, with its mirrors; whatever runs of them ends.
 * @returns how many were left out that were not before
 */
export async function skipUnwanted(
  sql: Sql,
  id: number,
  { found, wanted }: { found: readonly string[]; wanted: readonly string[] },
): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    with gone as (
      update orgmirrorrepository o set sync_status = ${SKIP},
        status_message = case when o.repository_name = any(${found as string[]}::varchar[])
          then 'left out by the filters' else 'gone at the other registry' end
      where o.org_mirror_config_id = ${id} and o.sync_status <> ${SKIP}
        and not exists (select from unnest(${wanted as string[]}::varchar[]) name where name = o.repository_name)
      returning o.repository_id
    ), ended as (
      update repomirrorconfig set is_enabled = false, sync_expiration_date = null,
        sync_status = case when sync_status in (2, 3) then 0 else sync_status end,
        sync_transaction_id = gen_random_uuid()::text
      where repository_id in (select repository_id from gone)
    )
    select count(*) as count from gone`;
  return row?.count ?? 0;
}

/** Goes on with what was left out and is wanted again. @returns how many */
export async function resumeWanted(
  sql: Sql,
  id: number,
  wanted: readonly string[],
  { enabled, startMs }: { enabled: boolean; startMs: number },
): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    with back as (
      update orgmirrorrepository set sync_status = 0, status_message = null
      where org_mirror_config_id = ${id} and sync_status = ${SKIP}
        and repository_name in (select unnest(${wanted as string[]}::varchar[]))
      returning repository_id
    ), going as (
      update repomirrorconfig set is_enabled = ${enabled}, sync_status = 0, sync_retries_remaining = 3,
        sync_start_date = ${timeOf(sql, startMs)}
      where repository_id in (select repository_id from back)
    )
    select count(*) as count from back`;
  return row?.count ?? 0;
}

/** Queues a run of all that are followed and do not run. */
export async function requestFollowed(sql: Sql, id: number): Promise<void> {
  await sql`
    update repomirrorconfig set ${askedSync(sql)}
    where repository_id in (${followedOf(sql, id)}) and sync_status <> 2`;
}

/** Ends all runs, and the wait for them. */
export async function cancelFollowed(sql: Sql, id: number): Promise<void> {
  await sql`
    update repomirrorconfig set ${cancelledSync(sql)}
    where repository_id in (${followedOf(sql, id)}) and sync_status <> -2`;
}

/** How many of the repositories run, or are about to. */
export async function countActive(sql: Sql, id: number, nowMs: number): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*) as count from repomirrorconfig c join repository r on r.id = c.repository_id and r.state = 4
    where c.repository_id in (${followedOf(sql, id)}) and (c.sync_status = 2 or ${isDue(sql, nowMs)})`;
  return row?.count ?? 0;
}

/** Found, wanted, and without a repository (or with one that somebody has deleted), by name. */
export async function selectMissing(
  sql: Sql,
  id: number,
  { afterName, limit }: { afterName: string; limit: number },
): Promise<{ id: number; name: string }[]> {
  return await sql<{ id: number; name: string }[]>`
    select o.id, o.repository_name as name
    from orgmirrorrepository o left join repository r on r.id = o.repository_id
    where o.org_mirror_config_id = ${id} and o.sync_status <> ${SKIP} and o.repository_name > ${afterName}
      and (r.id is null or r.state = 3)
    order by o.repository_name limit ${limit}`;
}

export async function linkRepository(sql: Sql, id: number, repositoryId: number): Promise<void> {
  await sql`
    update orgmirrorrepository set repository_id = ${repositoryId}, sync_status = 0, status_message = null
    where id = ${id}`;
}

/** Its repository could not be made. @returns false when that was known */
export async function markUnmade(sql: Sql, id: number, message: string): Promise<boolean> {
  const { count } = await sql`
    update orgmirrorrepository set repository_id = null, sync_status = -1, status_message = ${message}
    where id = ${id} and (repository_id is not null or sync_status <> -1)`;
  return count > 0;
}

/** How a run of a repository's mirror ended. */
export async function noteRunEnd(
  sql: Sql,
  repositoryId: number,
  { status, message, nowMs }: { status: number; message: string | null; nowMs: number },
): Promise<void> {
  await sql`
    update orgmirrorrepository set sync_status = ${status}, status_message = ${message},
      last_sync_date = ${timeOf(sql, nowMs)}
    where repository_id = ${repositoryId} and sync_status <> ${SKIP}`;
}

/** Points all repositories' mirrors at another place. @param prefix `host/namespace/` */
export async function updateReferences(sql: Sql, id: number, prefix: string): Promise<void> {
  await sql`
    update repomirrorconfig c set external_reference = ${prefix} || o.repository_name from orgmirrorrepository o
    where o.org_mirror_config_id = ${id} and c.repository_id = o.repository_id`;
}

/** Lets the robot write to all repositories; whoever may do more keeps that. */
export async function letWriteToAll(sql: Sql, id: number, robotId: number): Promise<void> {
  await sql`
    insert into repositorypermission (repository_id, user_id, role_id)
    select r.id, ${robotId}, (select id from role where name = 'write')
    from repository r where r.id in (${repositoriesOf(sql, id)}) and r.state = 4
    on conflict (user_id, repository_id) do update set role_id = excluded.role_id
      where repositorypermission.role_id = (select id from role where name = 'read')`;
}

/** Makes the repositories normal ones that follow nothing. @returns their ids */
export async function freeRepositories(sql: Sql, id: number): Promise<number[]> {
  const freed = await sql<{ id: number }[]>`
    with mirrors as (
      delete from repomirrorconfig where repository_id in (${repositoriesOf(sql, id)})
    ), progress as (
      delete from repomirrorprogress where repository_id in (${repositoriesOf(sql, id)})
    )
    update repository set state = 0 where id in (${repositoriesOf(sql, id)}) and state = 4 returning id`;
  await sql`delete from repomirrorrule where repository_id in (${repositoriesOf(sql, id)})`;
  return freed.map((row) => row.id);
}

export interface DiscoveredRow {
  readonly name: string;
  readonly status: number;
  readonly discoveredMs: number;
  readonly lastSyncMs: number | null;
  readonly statusMessage: string | null;
  readonly hasRepository: boolean;
}

/** A page by name, and how many there are at all. `status`: only those. */
export async function selectDiscovered(
  sql: Sql,
  id: number,
  { status, offset, limit }: { status: number | undefined; offset: number; limit: number },
): Promise<{ rows: DiscoveredRow[]; total: number }> {
  const now =
    sql`case when o.sync_status = ${SKIP} then ${SKIP} else coalesce(c.sync_status, o.sync_status) end`;
  const from = sql`
    orgmirrorrepository o left join repository r on r.id = o.repository_id and r.state <> 3
    left join repomirrorconfig c on c.repository_id = r.id
    where o.org_mirror_config_id = ${id} ${status === undefined ? sql`` : sql`and ${now} = ${status}`}`;
  const rows = await sql<DiscoveredRow[]>`
    select o.repository_name as name, ${now} as status, ${msOf(sql, sql`o.discovery_date`)} as "discoveredMs",
      ${msOf(sql, sql`o.last_sync_date`)} as "lastSyncMs", o.status_message as "statusMessage",
      r.id is not null as "hasRepository"
    from ${from} order by o.repository_name limit ${limit} offset ${offset}`;
  const [counted] = await sql<{ total: number }[]>`select count(*) as total from ${from}`;
  return { rows, total: counted?.total ?? 0 };
}

/** All that are found and not left out, in all organizations. */
export async function countFollowed(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*) as count from orgmirrorrepository where sync_status <> ${SKIP}`;
  return row?.count ?? 0;
}
