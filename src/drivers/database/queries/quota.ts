import type { Sql } from "../postgres.ts";

export type QuotaLimitType = "Warning" | "Reject";

/** A row of `quotalimits`. */
export interface QuotaLimitRow {
  readonly id: number;
  readonly type: QuotaLimitType;
  readonly percent: number;
}

/** A namespace's quota with its limits, the lowest first. */
export interface QuotaRow {
  readonly id: number;
  readonly namespaceId: number;
  readonly limitBytes: number;
  readonly limits: readonly QuotaLimitRow[];
}

/** The quotas of these namespaces; those without one are left out. */
export function selectQuotas(sql: Sql, namespaceIds: readonly number[]): Promise<QuotaRow[]> {
  return sql<QuotaRow[]>`
    select q.id, q.namespace_id as "namespaceId", q.limit_bytes::float8 as "limitBytes",
      coalesce((
        select json_agg(json_build_object('id', l.id, 'type', t.name, 'percent', l.percent_of_limit)
          order by l.percent_of_limit, l.id)
        from quotalimits l join quotatype t on t.id = l.quota_type_id where l.quota_id = q.id), '[]'::json) as limits
    from userorganizationquota q where q.namespace_id = any(${namespaceIds as number[]}::integer[])`;
}

/** @returns its id, or undefined when the namespace has one already */
export async function insertQuota(
  sql: Sql,
  namespaceId: number,
  limitBytes: number,
): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`
    insert into userorganizationquota (namespace_id, limit_bytes) values (${namespaceId}, ${limitBytes})
    on conflict (namespace_id) do nothing returning id`;
  return row?.id;
}

export async function updateQuota(sql: Sql, id: number, limitBytes: number): Promise<void> {
  await sql`update userorganizationquota set limit_bytes = ${limitBytes} where id = ${id}`;
}

/** With its limits. */
export async function deleteQuota(sql: Sql, id: number): Promise<void> {
  await sql`delete from userorganizationquota where id = ${id}`;
}

/** Held until the transaction ends, so that of two equal limits one is refused. */
export async function lockQuota(sql: Sql, id: number): Promise<void> {
  await sql`select id from userorganizationquota where id = ${id} for update`;
}

export async function insertQuotaLimit(
  sql: Sql,
  quotaId: number,
  limit: { type: QuotaLimitType; percent: number },
): Promise<void> {
  await sql`
    insert into quotalimits (quota_id, quota_type_id, percent_of_limit)
    values (${quotaId}, (select id from quotatype where name = ${limit.type}), ${limit.percent})`;
}

export async function updateQuotaLimit(
  sql: Sql,
  id: number,
  limit: { type: QuotaLimitType; percent: number },
): Promise<void> {
  await sql`
    update quotalimits set quota_type_id = (select id from quotatype where name = ${limit.type}),
      percent_of_limit = ${limit.percent}
    where id = ${id}`;
}

export async function deleteQuotaLimit(sql: Sql, id: number): Promise<void> {
  await sql`delete from quotalimits where id = ${id}`;
}

/** What is kept of how much a namespace or repository holds. */
export interface StoredSizeRow {
  readonly id: number;
  readonly sizeBytes: number;
  /** Epoch milliseconds. */
  readonly countingSinceMs: number | null;
  readonly counted: boolean;
}

export function selectNamespaceSizes(sql: Sql, namespaceIds: readonly number[]): Promise<StoredSizeRow[]> {
  return sql<StoredSizeRow[]>`
    select namespace_user_id as id, size_bytes::float8 as "sizeBytes", backfill_start_ms::float8 as "countingSinceMs",
      backfill_complete as counted
    from quotanamespacesize where namespace_user_id = any(${namespaceIds as number[]}::integer[])`;
}

/** A repository without a row, in a namespace that was counted whole before it was made, holds nothing. */
export function selectRepositorySizes(sql: Sql, repositoryIds: readonly number[]): Promise<StoredSizeRow[]> {
  return sql<StoredSizeRow[]>`
    select r.id, coalesce(s.size_bytes, 0)::float8 as "sizeBytes",
      case when s.id is null then n.backfill_start_ms else s.backfill_start_ms end::float8 as "countingSinceMs",
      case when s.id is null then n.backfill_complete else s.backfill_complete end as counted
    from repository r
    left join quotarepositorysize s on s.repository_id = r.id
    left join quotanamespacesize n on n.namespace_user_id = r.namespace_user_id
    where r.id = any(${repositoryIds as number[]}::integer[]) and (s.id is not null or n.backfill_complete)`;
}
