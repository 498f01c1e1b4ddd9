import type { Sql } from "../postgres.ts";
import { REPOSITORY_STATE } from "./repository.ts";

export interface AutopruneTask {
  readonly id: number;
  readonly namespaceId: number;
  readonly namespace: string;
}

/** Has the namespace looked at by the worker; nothing when it is already. */
export async function insertAutopruneTask(sql: Sql, namespaceId: number): Promise<void> {
  await sql`
    insert into autoprunetaskstatus (namespace_id) values (${namespaceId}) on conflict (namespace_id) do nothing`;
}

/** A task for every namespace that has rules and none: those of another writer. Reads all rules. */
export async function insertMissingAutopruneTasks(sql: Sql): Promise<void> {
  await sql`
    insert into autoprunetaskstatus (namespace_id)
    select namespace_id from namespaceautoprunepolicy union select namespace_id from repositoryautoprunepolicy
    on conflict (namespace_id) do nothing`;
}

/**
 * Takes the namespace that has not been looked at for the longest, unless that was after `ranBeforeMs`, and marks it as
 * being looked at; no other node takes it meanwhile. Disabled namespaces wait.
 */
export async function claimAutopruneTask(
  sql: Sql,
  { ranBeforeMs, nowMs }: { ranBeforeMs: number; nowMs: number },
): Promise<AutopruneTask | undefined> {
  const [row] = await sql<AutopruneTask[]>`
    with due as (
      select t.id, u.username as namespace from autoprunetaskstatus t join "user" u on u.id = t.namespace_id
      where (t.last_ran_ms is null or t.last_ran_ms < ${ranBeforeMs}) and u.enabled
      order by t.last_ran_ms nulls first, t.id limit 1 for update of t skip locked
    )
    update autoprunetaskstatus t set last_ran_ms = ${nowMs}, status = 'running' from due where t.id = due.id
    returning t.id, t.namespace_id as "namespaceId", due.namespace`;
  return row;
}

export async function updateAutopruneTask(sql: Sql, id: number, status: string): Promise<void> {
  await sql`update autoprunetaskstatus set status = ${status} where id = ${id}`;
}

/** Unless the namespace or a repository of it has rules. @returns whether it is gone */
export async function deleteIdleAutopruneTask(
  sql: Sql,
  { id, namespaceId }: AutopruneTask,
): Promise<boolean> {
  const { count } = await sql`
    delete from autoprunetaskstatus where id = ${id}
      and not exists (select from namespaceautoprunepolicy where namespace_id = ${namespaceId})
      and not exists (select from repositoryautoprunepolicy where namespace_id = ${namespaceId})`;
  return count === 1;
}

export interface PrunableRepository {
  readonly id: number;
  readonly name: string;
  readonly namespaceId: number;
  readonly namespace: string;
  /** Its own rules, as they are stored, the oldest first. */
  readonly policies: readonly string[];
}

/** Which repositories are meant. */
export type PrunableScope =
  /** All in the namespace, or those with rules of their own. */
  | { readonly namespaceId: number; readonly withPolicies: boolean }
  /** All in all enabled namespaces. */
  | "registry";

/** Repositories whose tags may be pruned: in state NORMAL, by id. `state <> 3` says what the index is about. */
export function selectPrunableRepositories(
  sql: Sql,
  scope: PrunableScope,
  page: { afterId: number; limit: number },
): Promise<PrunableRepository[]> {
  const meant = scope === "registry"
    ? sql`n.enabled and`
    : sql`r.namespace_user_id = ${scope.namespaceId} and`;
  const withPolicies = scope !== "registry" && scope.withPolicies
    ? sql`exists (select from repositoryautoprunepolicy p where p.repository_id = r.id) and`
    : sql``;
  return sql<PrunableRepository[]>`
    select r.id, r.name, r.namespace_user_id as "namespaceId", n.username as namespace,
      array(select p.policy from repositoryautoprunepolicy p where p.repository_id = r.id order by p.id) as policies
    from repository r join "user" n on n.id = r.namespace_user_id
    where ${meant} ${withPolicies} r.id > ${page.afterId} and r.state = ${REPOSITORY_STATE.NORMAL}
      and r.state <> 3
    order by r.id limit ${page.limit}`;
}

/** Whether its tags may still be pruned; it stays so until the transaction ends. */
export async function lockNormalRepository(sql: Sql, id: number): Promise<boolean> {
  const rows = await sql`
    select from repository where id = ${id} and state = ${REPOSITORY_STATE.NORMAL} for share`;
  return rows.length > 0;
}

export interface PrunableTag {
  readonly id: number;
  readonly name: string;
  readonly startMs: number;
}

/**
 * Live visible tags that may be deleted, the youngest first, in the index `tag_history`.
 * @param page.after the last one of the page before; without it the first page begins with tags from `page.untilMs` or before
 */
export function selectPrunableTags(
  sql: Sql,
  repositoryId: number,
  page: { after?: PrunableTag | undefined; untilMs: number; nowMs: number; limit: number },
): Promise<PrunableTag[]> {
  const { after, untilMs, nowMs, limit } = page;
  const start = after === undefined
    ? sql`lifetime_start_ms <= ${untilMs}`
    : sql`lifetime_start_ms <= ${after.startMs} and (lifetime_start_ms < ${after.startMs} or name > ${after.name})`;
  return sql<PrunableTag[]>`
    select id, name, lifetime_start_ms as "startMs" from tag
    where repository_id = ${repositoryId} and ${start} and not hidden and manifest_id is not null
      and (lifetime_end_ms is null or lifetime_end_ms > ${nowMs}) and not immutable
    order by lifetime_start_ms desc, name limit ${limit}`;
}
