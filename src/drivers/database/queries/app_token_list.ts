import type { Sql } from "../postgres.ts";

/** An app-specific token without what would let somebody use it. */
export interface AppTokenListing {
  readonly uuid: string;
  readonly title: string;
  /** Epoch milliseconds. */
  readonly createdMs: number;
  readonly lastAccessedMs: number | null;
  /** Null: never. */
  readonly expiresAtMs: number | null;
  readonly username: string;
}

/** Tokens of everybody, the oldest first; with `expiringBeforeMs` those that end before it and have not ended yet. */
export function selectAllAppTokens(
  sql: Sql,
  options: { nowMs: number; expiringBeforeMs: number | undefined; limit: number },
): Promise<AppTokenListing[]> {
  const { nowMs, expiringBeforeMs, limit } = options;
  const expiring = expiringBeforeMs === undefined ? sql`` : sql`
    where t.expiration > to_timestamp(${nowMs / 1000}) at time zone 'utc'
      and t.expiration <= to_timestamp(${expiringBeforeMs / 1000}) at time zone 'utc'`;
  return sql<AppTokenListing[]>`
    select t.uuid, t.title, (extract(epoch from t.created) * 1000)::float8 as "createdMs",
      (extract(epoch from t.last_accessed) * 1000)::float8 as "lastAccessedMs",
      (extract(epoch from t.expiration) * 1000)::float8 as "expiresAtMs", u.username
    from appspecificauthtoken t join "user" u on u.id = t.user_id ${expiring}
    order by t.id limit ${limit}`;
}
