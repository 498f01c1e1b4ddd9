import type { Sql } from "../postgres.ts";

/** A service key with all that is told about it, approved or not, live or expired. */
export interface ManagedKeyRow {
  readonly name: string;
  readonly kid: string;
  readonly service: string;
  /** JSON as text. */
  readonly jwk: string;
  readonly metadata: string;
  /** Epoch milliseconds. */
  readonly createdMs: number;
  /** Null: never. */
  readonly expiresAtMs: number | null;
  /** Seconds. */
  readonly rotationDurationS: number | null;
  readonly approval: KeyApproval | null;
}

export interface KeyApproval {
  readonly type: string;
  readonly approvedMs: number;
  readonly notes: string;
  readonly approver: {
    readonly username: string;
    readonly email: string;
    readonly verified: boolean;
    readonly enabled: boolean;
  } | null;
}

const columns = (sql: Sql) =>
  sql`
  k.name, k.kid, k.service, k.jwk, k.metadata, (extract(epoch from k.created_date) * 1000)::float8 as "createdMs",
  (extract(epoch from k.expiration_date) * 1000)::float8 as "expiresAtMs", k.rotation_duration as "rotationDurationS",
  case when a.id is null then null else json_build_object(
    'type', a.approval_type, 'approvedMs', (extract(epoch from a.approved_date) * 1000)::float8, 'notes', a.notes,
    'approver', case when u.id is null then null else json_build_object(
      'username', u.username, 'email', u.email, 'verified', u.verified, 'enabled', u.enabled) end) end as approval
  from servicekey k left join servicekeyapproval a on a.id = k.approval_id left join "user" u on u.id = a.approver_id`;

/** Every key, the oldest first; `limit` of them at most. */
export function selectManagedKeys(sql: Sql, limit: number): Promise<ManagedKeyRow[]> {
  return sql<ManagedKeyRow[]>`select ${columns(sql)} order by k.id limit ${limit}`;
}

export async function selectManagedKey(sql: Sql, kid: string): Promise<ManagedKeyRow | undefined> {
  const [row] = await sql<ManagedKeyRow[]>`select ${columns(sql)} where k.kid = ${kid}`;
  return row;
}

/** Locks the key for the rest of the transaction. @returns whether it is there */
export async function lockKey(sql: Sql, kid: string): Promise<boolean> {
  return (await sql`select from servicekey where kid = ${kid} for update`).length > 0;
}

/** @returns the approval's id */
export async function insertApproval(
  sql: Sql,
  approval: { approverId: number | null; type: string; notes: string; nowMs: number },
): Promise<number> {
  const [row] = await sql<{ id: number }[]>`
    insert into servicekeyapproval (approver_id, approval_type, approved_date, notes)
    values (${approval.approverId}, ${approval.type}, to_timestamp(${
    approval.nowMs / 1000
  }) at time zone 'utc',
      ${approval.notes})
    returning id`;
  if (row === undefined) throw new Error("servicekeyapproval: the insert returned no row");
  return row.id;
}

export async function updateKeyApproval(sql: Sql, kid: string, approvalId: number): Promise<void> {
  await sql`update servicekey set approval_id = ${approvalId} where kid = ${kid}`;
}

/** Changes what is given; `expiresAtMs: null` means never. */
export async function updateKey(
  sql: Sql,
  kid: string,
  change: {
    name?: string | undefined;
    metadata?: string | undefined;
    expiresAtMs?: number | null | undefined;
  },
): Promise<void> {
  const { name = null, metadata = null, expiresAtMs } = change;
  const seconds = expiresAtMs === undefined || expiresAtMs === null ? null : expiresAtMs / 1000;
  await sql`
    update servicekey set name = coalesce(${name}::text, name), metadata = coalesce(${metadata}::text, metadata),
      expiration_date = case when ${expiresAtMs !== undefined}
        then to_timestamp(${seconds}::float8) at time zone 'utc' else expiration_date end
    where kid = ${kid}`;
}

/** Takes the key with its approval. @returns whether it was there */
export async function deleteKey(sql: Sql, kid: string): Promise<boolean> {
  const rows = await sql<{ approval: number | null }[]>`
    delete from servicekey where kid = ${kid} returning approval_id as approval`;
  const [row] = rows;
  if (row?.approval != null) await sql`delete from servicekeyapproval where id = ${row.approval}`;
  return rows.length > 0;
}

/** Keys that nobody approved until `unapprovedBeforeMs`, and those that ended before `expiredBeforeMs`. @returns ids */
export async function deleteStaleKeys(
  sql: Sql,
  { unapprovedBeforeMs, expiredBeforeMs }: { unapprovedBeforeMs: number; expiredBeforeMs: number },
): Promise<string[]> {
  const rows = await sql<{ kid: string }[]>`
    with gone as (
      delete from servicekey
      where approval_id is null and created_date < to_timestamp(${
    unapprovedBeforeMs / 1000
  }) at time zone 'utc'
        or expiration_date < to_timestamp(${expiredBeforeMs / 1000}) at time zone 'utc'
      returning kid
    ) select kid from gone`;
  return rows.map((row) => row.kid);
}
