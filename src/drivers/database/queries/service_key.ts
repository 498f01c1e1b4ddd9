import type { Sql } from "../postgres.ts";

/** A row of `servicekey`: the public half of a key that a service signs with. */
export interface ServiceKeyRow {
  readonly kid: string;
  readonly service: string;
  /** A JSON Web Key as text. */
  readonly jwk: string;
  readonly approved: boolean;
  /** Epoch milliseconds; null: never. */
  readonly expiresAtMs: number | null;
}

function columns(sql: Sql) {
  return sql`
    kid, service, jwk, approval_id is not null as approved,
    (extract(epoch from expiration_date) * 1000)::float8 as "expiresAtMs"`;
}

export async function selectServiceKey(sql: Sql, kid: string): Promise<ServiceKeyRow | undefined> {
  const [row] = await sql<ServiceKeyRow[]>`select ${columns(sql)} from servicekey where kid = ${kid}`;
  return row;
}

/** The approved keys of a service that have not expired, oldest first. */
export function selectUsableServiceKeys(sql: Sql, service: string, nowMs: number): Promise<ServiceKeyRow[]> {
  return sql<ServiceKeyRow[]>`
    select ${columns(sql)} from servicekey
    where service = ${service} and approval_id is not null
      and (expiration_date is null or expiration_date > to_timestamp(${nowMs / 1000}) at time zone 'utc')
    order by id`;
}

/** Records that nobody needs to look at the key first. @returns the approval's id */
export async function insertAutomaticApproval(sql: Sql, nowMs: number): Promise<number> {
  const [row] = await sql<{ id: number }[]>`
    insert into servicekeyapproval (approver_id, approval_type, approved_date, notes)
    values (null, 'Automatic', to_timestamp(${nowMs / 1000}) at time zone 'utc', '') returning id`;
  if (row === undefined) throw new Error("servicekeyapproval: the insert returned no row");
  return row.id;
}

/** @returns false when a key of that id is there already */
export async function insertServiceKey(
  sql: Sql,
  key: {
    name: string;
    kid: string;
    service: string;
    jwk: string;
    metadata: string;
    nowMs: number;
    /** Null: never. */
    expiresAtMs: number | null;
    /** Null: somebody has to look at it first. */
    approvalId: number | null;
    /** How often its service means to replace it, seconds. */
    rotationDurationS?: number | null;
  },
): Promise<boolean> {
  const rows = await sql`
    insert into servicekey (name, kid, service, jwk, metadata, created_date, expiration_date, rotation_duration,
      approval_id)
    values (${key.name}, ${key.kid}, ${key.service}, ${key.jwk}, ${key.metadata},
      to_timestamp(${key.nowMs / 1000}) at time zone 'utc',
      to_timestamp(${key.expiresAtMs === null ? null : key.expiresAtMs / 1000}::float8) at time zone 'utc',
      ${key.rotationDurationS ?? null}, ${key.approvalId})
    on conflict (kid) do nothing returning id`;
  return rows.length > 0;
}

/** Moves the end of an approved key; one without an end keeps none. @returns false when there is no such key */
export async function extendServiceKey(sql: Sql, kid: string, expiresAtMs: number): Promise<boolean> {
  const rows = await sql`
    update servicekey set expiration_date = case when expiration_date is null then null
      else to_timestamp(${expiresAtMs / 1000}) at time zone 'utc' end
    where kid = ${kid} and approval_id is not null returning id`;
  return rows.length > 0;
}

/** How many keys wait for somebody to approve them: of that service, and in all. */
export async function countUnapprovedKeys(sql: Sql, service: string): Promise<{ own: number; all: number }> {
  const [row] = await sql<{ own: number; all: number }[]>`
    select (count(*) filter (where service = ${service}))::integer as own, count(*)::integer as all
    from servicekey where approval_id is null`;
  return row ?? { own: 0, all: 0 };
}
