import type { Sql } from "../postgres.ts";

/** An application-specific token of a person (user name `$app`). How it is recognized: `credential.ts`. */
export interface AppTokenListing {
  readonly id: number;
  readonly uuid: string;
  readonly title: string;
  /** Its first 60 characters. */
  readonly tokenName: string;
  /** The rest, as stored: sealed with `DATABASE_SECRET_KEY`. */
  readonly sealedSecret: string;
  /** Epoch milliseconds. */
  readonly createdMs: number;
  readonly lastAccessedMs: number | null;
  /** Null: never. */
  readonly expiresAtMs: number | null;
}

function columns(sql: Sql) {
  return sql`
    id, uuid, title, token_name as "tokenName", token_secret as "sealedSecret",
    (extract(epoch from created) * 1000)::float8 as "createdMs",
    (extract(epoch from last_accessed) * 1000)::float8 as "lastAccessedMs",
    (extract(epoch from expiration) * 1000)::float8 as "expiresAtMs"`;
}

function at(sql: Sql, ms: number | null) {
  return sql`to_timestamp(${ms === null ? null : ms / 1000}::float8) at time zone 'utc'`;
}

export async function insertAppToken(
  sql: Sql,
  token: {
    userId: number;
    title: string;
    tokenName: string;
    sealedSecret: string;
    nowMs: number;
    expiresAtMs: number | null;
  },
): Promise<AppTokenListing> {
  const [row] = await sql<AppTokenListing[]>`
    insert into appspecificauthtoken (user_id, uuid, title, token_name, token_secret, created, expiration)
    values (${token.userId}, ${crypto.randomUUID()}, ${token.title}, ${token.tokenName}, ${token.sealedSecret},
      ${at(sql, token.nowMs)}, ${at(sql, token.expiresAtMs)})
    returning ${columns(sql)}`;
  if (row === undefined) throw new Error("appspecificauthtoken: the insert returned no row");
  return row;
}

/** Newest first, before `beforeId`. @param options.expiring only those that live now and end by then */
export function selectAppTokens(
  sql: Sql,
  options: {
    userId: number;
    beforeId: number;
    limit: number;
    expiring?: { nowMs: number; untilMs: number } | undefined;
  },
): Promise<AppTokenListing[]> {
  const { userId, beforeId, limit, expiring } = options;
  const ending = expiring === undefined
    ? sql``
    : sql`and expiration > ${at(sql, expiring.nowMs)} and expiration <= ${at(sql, expiring.untilMs)}`;
  return sql<AppTokenListing[]>`
    select ${columns(sql)} from appspecificauthtoken
    where user_id = ${userId} and id < ${beforeId} ${ending} order by id desc limit ${limit}`;
}

export async function selectAppTokenByUuid(
  sql: Sql,
  userId: number,
  uuid: string,
): Promise<AppTokenListing | undefined> {
  const [row] = await sql<AppTokenListing[]>`
    select ${columns(sql)} from appspecificauthtoken where uuid = ${uuid} and user_id = ${userId}`;
  return row;
}

/** @returns what it was called, or undefined when the person has no such token */
export async function deleteAppToken(sql: Sql, userId: number, uuid: string): Promise<string | undefined> {
  const [row] = await sql<{ title: string }[]>`
    delete from appspecificauthtoken where uuid = ${uuid} and user_id = ${userId} returning title`;
  return row?.title;
}

/** Those that ended before `beforeMs`. @returns how many went, at most `limit` */
export async function deleteExpiredAppTokens(sql: Sql, beforeMs: number, limit: number): Promise<number> {
  const rows = await sql`
    delete from appspecificauthtoken where id in (
      select id from appspecificauthtoken where expiration < ${
    at(sql, beforeMs)
  } limit ${limit}) returning id`;
  return rows.length;
}
