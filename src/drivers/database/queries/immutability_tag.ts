import type { Sql } from "../postgres.ts";
import type { PolicyOwner } from "./immutability_policy.ts";
import { REPOSITORY_STATE } from "./repository.ts";

export interface MutableTag {
  readonly id: number;
  readonly name: string;
}

/**
 * Live visible tags of the repository that may still move, in the order of their names.
 * @param page.expiring those that end by themselves, or those that do not: two indexes, one each
 */
export function selectMutableTags(
  sql: Sql,
  repositoryId: number,
  page: { afterName: string; expiring: boolean; nowMs: number; limit: number },
): Promise<MutableTag[]> {
  const living = page.expiring ? sql`lifetime_end_ms > ${page.nowMs}` : sql`lifetime_end_ms is null`;
  return sql<MutableTag[]>`
    select id, name from tag
    where repository_id = ${repositoryId} and name > ${page.afterName} and ${living} and not hidden
      and not immutable
    order by name limit ${page.limit}`;
}

/** @returns how many of them have become immutable: those that have ended meanwhile have not */
export async function updateTagsImmutable(
  sql: Sql,
  ids: readonly number[],
  nowMs: number,
): Promise<number> {
  const { count } = await sql`
    update tag set immutable = true
    where id = any(${ids as number[]}) and not immutable
      and (lifetime_end_ms is null or lifetime_end_ms > ${nowMs})`;
  return count;
}

/**
 * Ids of repositories whose tags a policy of `owner` holds for, in their order. Tags of mirrors follow another registry:
 * they move when that one's do. `state <> 3` says what the index is about.
 */
export async function selectGovernedRepositoryIds(
  sql: Sql,
  owner: PolicyOwner,
  page: { afterId: number; limit: number },
): Promise<number[]> {
  const { NORMAL, READ_ONLY } = REPOSITORY_STATE;
  const meant = owner.repositoryId === undefined ? sql`` : sql`and id = ${owner.repositoryId}`;
  const rows = await sql<{ id: number }[]>`
    select id from repository
    where namespace_user_id = ${owner.namespaceId} and id > ${page.afterId} ${meant}
      and state in (${NORMAL}, ${READ_ONLY}) and state <> 3
    order by id limit ${page.limit}`;
  return rows.map(({ id }) => id);
}
