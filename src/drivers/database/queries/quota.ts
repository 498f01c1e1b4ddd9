import type { Sql } from "../postgres.ts";

/** A namespace's quota, with what happens on the way to it. */
export interface QuotaRow {
  readonly id: number;
  readonly limitBytes: number;
  readonly limits: readonly { readonly id: number; readonly type: string; readonly percent: number }[];
}

export async function selectQuota(sql: Sql, namespaceId: number): Promise<QuotaRow | undefined> {
  const [row] = await sql<QuotaRow[]>`
    select q.id, q.limit_bytes::float8 as "limitBytes",
      coalesce((
        select json_agg(json_build_object('id', l.id, 'type', t.name, 'percent', l.percent_of_limit) order by l.id)
        from quotalimits l join quotatype t on t.id = l.quota_type_id where l.quota_id = q.id), '[]') as limits
    from userorganizationquota q where q.namespace_id = ${namespaceId}`;
  return row;
}

/** What a namespace holds, as far as it has been counted. */
export interface NamespaceSize {
  readonly sizeBytes: number;
  /** Epoch milliseconds; null: counting what was there before has not begun. */
  readonly backfillStartMs: number | null;
  readonly backfillComplete: boolean;
}

export async function selectNamespaceSize(
  sql: Sql,
  namespaceId: number,
): Promise<NamespaceSize | undefined> {
  const [row] = await sql<NamespaceSize[]>`
    select size_bytes::float8 as "sizeBytes", backfill_start_ms::float8 as "backfillStartMs",
      backfill_complete as "backfillComplete"
    from quotanamespacesize where namespace_user_id = ${namespaceId}`;
  return row;
}
