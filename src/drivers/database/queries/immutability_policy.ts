import type { Sql } from "../postgres.ts";

/** Whose tags a policy is about: everything in a namespace, or one repository. */
export type PolicyOwner =
  | { readonly namespaceId: number; readonly repositoryId?: undefined }
  | { readonly namespaceId: number; readonly repositoryId: number };

export interface PolicyRow {
  readonly id: number;
  readonly uuid: string;
  /** JSON. */
  readonly policy: string;
}

const table = (sql: Sql, owner: PolicyOwner) =>
  owner.repositoryId === undefined ? sql`namespaceimmutabilitypolicy` : sql`repositoryimmutabilitypolicy`;
const owned = (sql: Sql, owner: PolicyOwner) =>
  owner.repositoryId === undefined
    ? sql`namespace_id = ${owner.namespaceId}`
    : sql`repository_id = ${owner.repositoryId}`;

/** Of one owner, in the order in which they were made. */
export function selectImmutabilityPolicies(sql: Sql, owner: PolicyOwner): Promise<PolicyRow[]> {
  return sql<PolicyRow[]>`
    select id, uuid, policy from ${table(sql, owner)} where ${owned(sql, owner)} order by id`;
}

/** Waits for other changes of the owner's policies until this transaction ends. */
export async function lockImmutabilityPolicies(sql: Sql, owner: PolicyOwner): Promise<void> {
  const name = `immutabilitypolicy:${owner.namespaceId}:${owner.repositoryId ?? ""}`;
  await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`;
}

export async function insertImmutabilityPolicy(
  sql: Sql,
  owner: PolicyOwner,
  policy: string,
): Promise<string> {
  const uuid = crypto.randomUUID();
  if (owner.repositoryId === undefined) {
    await sql`
      insert into namespaceimmutabilitypolicy (uuid, namespace_id, policy)
      values (${uuid}, ${owner.namespaceId}, ${policy})`;
  } else {
    await sql`
      insert into repositoryimmutabilitypolicy (uuid, repository_id, namespace_id, policy)
      values (${uuid}, ${owner.repositoryId}, ${owner.namespaceId}, ${policy})`;
  }
  return uuid;
}

export async function updateImmutabilityPolicy(
  sql: Sql,
  owner: PolicyOwner,
  id: number,
  policy: string,
): Promise<void> {
  await sql`update ${table(sql, owner)} set policy = ${policy} where id = ${id}`;
}

export async function deleteImmutabilityPolicy(sql: Sql, owner: PolicyOwner, id: number): Promise<void> {
  await sql`delete from ${table(sql, owner)} where id = ${id}`;
}

/** What applies to the tags of a repository: its own policies and its namespace's, in one statement. */
export async function selectPoliciesFor(sql: Sql, repositoryId: number): Promise<string[]> {
  const rows = await sql<{ policy: string }[]>`
    select policy from repositoryimmutabilitypolicy where repository_id = ${repositoryId}
    union all
    select policy from namespaceimmutabilitypolicy
    where namespace_id = (select namespace_user_id from repository where id = ${repositoryId})`;
  return rows.map((row) => row.policy);
}
