import type { Sql } from "../postgres.ts";
import { oauthApplicationColumns, type OauthApplicationRow } from "./oauth_application.ts";

export interface NewOauthToken {
  readonly applicationId: number;
  readonly userId: number;
  /** Separated by spaces. */
  readonly scope: string;
  /** The first 20 characters: how the row is found. */
  readonly tokenName: string;
  /** Hash of the rest. */
  readonly tokenHash: string;
  readonly expiresAtMs: number;
  readonly nowMs: number;
  /** Of tokens that an administrator made for the application; null: somebody consented to it. */
  readonly displayName: string | null;
}

/** @returns its public id */
export async function insertOauthToken(sql: Sql, token: NewOauthToken): Promise<string> {
  const uuid = crypto.randomUUID();
  await sql`
    insert into oauthaccesstoken (uuid, application_id, authorized_user_id, scope, token_name, token_code, token_type,
      expires_at, data, display_name, created)
    values (${uuid}, ${token.applicationId}, ${token.userId}, ${token.scope}, ${token.tokenName}, ${token.tokenHash},
      'Bearer', to_timestamp(${token.expiresAtMs / 1000}) at time zone 'utc', '', ${token.displayName},
      to_timestamp(${token.nowMs / 1000}) at time zone 'utc')`;
  return uuid;
}

export interface OauthTokenRow {
  readonly id: number;
  readonly tokenHash: string;
  readonly scope: string;
  /** Epoch milliseconds. */
  readonly expiresAtMs: number;
  readonly lastAccessedMs: number | null;
  readonly userId: number;
  readonly userUuid: string;
  readonly username: string;
  readonly userEnabled: boolean;
  readonly clientId: string;
  readonly application: string;
}

/** Not of applications whose organization is gone or disabled. */
export async function selectOauthToken(sql: Sql, tokenName: string): Promise<OauthTokenRow | undefined> {
  const [row] = await sql<OauthTokenRow[]>`
    select t.id, t.token_code as "tokenHash", t.scope,
      (extract(epoch from t.expires_at) * 1000)::float8 as "expiresAtMs",
      (extract(epoch from t.last_accessed) * 1000)::float8 as "lastAccessedMs", u.id as "userId",
      u.uuid as "userUuid", u.username, u.enabled as "userEnabled", a.client_id as "clientId", a.name as application
    from oauthaccesstoken t join "user" u on u.id = t.authorized_user_id
      join oauthapplication a on a.id = t.application_id join "user" o on o.id = a.organization_id and o.enabled
    where t.token_name = ${tokenName} and not u.organization and not u.robot`;
  return row;
}

export async function updateOauthTokenLastAccessed(sql: Sql, tokenId: number, nowMs: number): Promise<void> {
  await sql`
    update oauthaccesstoken set last_accessed = to_timestamp(${nowMs / 1000}) at time zone 'utc'
    where id = ${tokenId}`;
}

/** What somebody is told of a token: never the token. */
export interface OauthTokenListing {
  readonly id: number;
  readonly uuid: string;
  readonly displayName: string | null;
  readonly scope: string;
  /** Epoch milliseconds. */
  readonly expiresAtMs: number;
  readonly createdMs: number | null;
  readonly lastAccessedMs: number | null;
  readonly username: string;
}

/** The application's tokens, in the order in which they were made, after `afterId`. */
export function selectApplicationTokens(
  sql: Sql,
  options: { applicationId: number; afterId: number; limit: number },
): Promise<OauthTokenListing[]> {
  return sql<OauthTokenListing[]>`
    select t.id, t.uuid, t.display_name as "displayName", t.scope,
      (extract(epoch from t.expires_at) * 1000)::float8 as "expiresAtMs",
      (extract(epoch from t.created) * 1000)::float8 as "createdMs",
      (extract(epoch from t.last_accessed) * 1000)::float8 as "lastAccessedMs", u.username
    from oauthaccesstoken t join "user" u on u.id = t.authorized_user_id
    where t.application_id = ${options.applicationId} and t.id > ${options.afterId}
    order by t.id limit ${options.limit}`;
}

/** Those that have not expired. */
export async function countLiveApplicationTokens(
  sql: Sql,
  applicationId: number,
  nowMs: number,
): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::integer as count from oauthaccesstoken
    where application_id = ${applicationId} and expires_at > to_timestamp(${
    nowMs / 1000
  }) at time zone 'utc'`;
  return row?.count ?? 0;
}

/** @returns what it was called, or undefined when the application has no such token */
export async function deleteApplicationToken(
  sql: Sql,
  applicationId: number,
  uuid: string,
): Promise<{ displayName: string | null; scope: string } | undefined> {
  const [row] = await sql<{ displayName: string | null; scope: string }[]>`
    delete from oauthaccesstoken where application_id = ${applicationId} and uuid = ${uuid}
    returning display_name as "displayName", scope`;
  return row;
}

/** A token with the application that holds it, for the person whom it acts for. */
export interface AuthorizationRow {
  readonly tokenId: number;
  readonly uuid: string;
  readonly scope: string;
  readonly application: OauthApplicationRow;
}

function authorizationRows(sql: Sql) {
  return sql`
    select t.id as "tokenId", t.uuid, t.scope, (select row_to_json(app) from (select ${
    oauthApplicationColumns(sql)
  }) app) as application
    from oauthaccesstoken t join oauthapplication a on a.id = t.application_id
      join "user" o on o.id = a.organization_id`;
}

/** Newest first, before `beforeId`. */
export function selectAuthorizations(
  sql: Sql,
  options: { userId: number; beforeId: number; limit: number },
): Promise<AuthorizationRow[]> {
  return sql<AuthorizationRow[]>`
    ${authorizationRows(sql)}
    where t.authorized_user_id = ${options.userId} and t.id < ${options.beforeId}
    order by t.id desc limit ${options.limit}`;
}

export async function selectAuthorization(
  sql: Sql,
  userId: number,
  uuid: string,
): Promise<AuthorizationRow | undefined> {
  const [row] = await sql<AuthorizationRow[]>`
    ${authorizationRows(sql)} where t.authorized_user_id = ${userId} and t.uuid = ${uuid}`;
  return row;
}

/** @returns whether it was there */
export async function deleteAuthorization(sql: Sql, userId: number, uuid: string): Promise<boolean> {
  const rows = await sql`
    delete from oauthaccesstoken where authorized_user_id = ${userId} and uuid = ${uuid} returning id`;
  return rows.length > 0;
}

/** The scopes that the person has consented to for the application, one text for each token that still lives. */
export async function selectConsentedScopes(
  sql: Sql,
  options: { applicationId: number; userId: number; nowMs: number },
): Promise<string[]> {
  const rows = await sql<{ scope: string }[]>`
    select distinct scope from oauthaccesstoken
    where application_id = ${options.applicationId} and authorized_user_id = ${options.userId}
      and display_name is null and expires_at > to_timestamp(${options.nowMs / 1000}) at time zone 'utc'`;
  return rows.map(({ scope }) => scope);
}
