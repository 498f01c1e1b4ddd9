import type { Sql } from "../postgres.ts";

/** Whose tags a policy is about. */
export type PolicyOwner =
  | { readonly kind: "namespace"; readonly namespaceId: number }
  | { readonly kind: "repository"; readonly repositoryId: number; readonly namespaceId: number };

/** `policy`: JSON as Quay writes it. */
export interface PolicyRow {
  readonly uuid: string;
  readonly policy: string;
}

const table = (sql: Sql, owner: PolicyOwner) =>
  owner.kind === "namespace" ? sql`namespaceautoprunepolicy` : sql`repositoryautoprunepolicy`;
const owned = (sql: Sql, owner: PolicyOwner) =>
  owner.kind === "namespace"
    ? sql`namespace_id = ${owner.namespaceId}`
    : sql`repository_id = ${owner.repositoryId}`;

/** In the order in which they were made; `limit` of them at most. */
export function selectPolicies(sql: Sql, owner: PolicyOwner, limit: number): Promise<PolicyRow[]> {
  return sql<PolicyRow[]>`
    select uuid, policy from ${table(sql, owner)} where ${owned(sql, owner)} order by id limit ${limit}`;
}

export async function selectPolicy(
  sql: Sql,
  owner: PolicyOwner,
  uuid: string,
): Promise<PolicyRow | undefined> {
  const [row] = await sql<PolicyRow[]>`
    select uuid, policy from ${table(sql, owner)} where ${owned(sql, owner)} and uuid = ${uuid}`;
  return row;
}

/** Held until the transaction ends, so that of two equal policies one is refused. */
export async function lockPolicies(sql: Sql, owner: PolicyOwner): Promise<void> {
  await (owner.kind === "namespace"
    ? sql`select id from "user" where id = ${owner.namespaceId} for no key update`
    : sql`select id from repository where id = ${owner.repositoryId} for no key update`);
}

/** @returns its uuid */
export async function insertPolicy(sql: Sql, owner: PolicyOwner, policy: string): Promise<string> {
  const uuid = crypto.randomUUID();
  await (owner.kind === "namespace"
    ? sql`insert into namespaceautoprunepolicy (uuid, namespace_id, policy)
        values (${uuid}, ${owner.namespaceId}, ${policy})`
    : sql`insert into repositoryautoprunepolicy (uuid, repository_id, namespace_id, policy)
        values (${uuid}, ${owner.repositoryId}, ${owner.namespaceId}, ${policy})`);
  return uuid;
}

export async function updatePolicy(
  sql: Sql,
  owner: PolicyOwner,
  uuid: string,
  policy: string,
): Promise<void> {
  await sql`
    update ${table(sql, owner)} set policy = ${policy} where ${owned(sql, owner)} and uuid = ${uuid}`;
}

export async function deletePolicy(sql: Sql, owner: PolicyOwner, uuid: string): Promise<void> {
  await sql`delete from ${table(sql, owner)} where ${owned(sql, owner)} and uuid = ${uuid}`;
}
