import type { Sql } from "../postgres.ts";

/** What checking a person's password needs to know. */
export interface PasswordRow {
  readonly id: number;
  readonly uuid: string;
  readonly username: string;
  readonly passwordHash: string | null;
  readonly enabled: boolean;
  readonly verified: boolean;
  readonly invalidAttempts: number;
  /** Epoch milliseconds. */
  readonly lastInvalidMs: number;
  readonly lastAccessedMs: number | null;
}

function personColumns(sql: Sql) {
  return sql`
    u.id, u.uuid, u.username, u.password_hash as "passwordHash", u.enabled, u.verified,
    u.invalid_login_attempts as "invalidAttempts",
    (extract(epoch from u.last_invalid_login) * 1000)::float8 as "lastInvalidMs",
    (extract(epoch from u.last_accessed) * 1000)::float8 as "lastAccessedMs"`;
}

/** The person of that user name, else of that e-mail address. */
export async function selectPersonByLogin(sql: Sql, login: string): Promise<PasswordRow | undefined> {
  const [row] = await sql<PasswordRow[]>`
    select ${personColumns(sql)} from "user" u
    where (u.username = ${login} or u.email = ${login}) and not u.organization and not u.robot
    order by u.username = ${login} desc limit 1`;
  return row;
}

/** Counts a failed attempt. */
export async function recordInvalidLogin(sql: Sql, id: number, nowMs: number): Promise<void> {
  await sql`
    update "user" set invalid_login_attempts = invalid_login_attempts + 1,
      last_invalid_login = to_timestamp(${nowMs / 1000}) at time zone 'utc'
    where id = ${id}`;
}

export async function resetInvalidLogins(sql: Sql, id: number): Promise<void> {
  await sql`update "user" set invalid_login_attempts = 0 where id = ${id} and invalid_login_attempts <> 0`;
}

export async function updateLastAccessed(sql: Sql, userId: number, nowMs: number): Promise<void> {
  await sql`
    update "user" set last_accessed = to_timestamp(${nowMs / 1000}) at time zone 'utc' where id = ${userId}`;
}

/** A robot, its sealed token, and the account that it belongs to. */
export interface RobotCredentialRow {
  readonly id: number;
  readonly username: string;
  readonly enabled: boolean;
  readonly sealedToken: string | null;
  readonly ownerId: number;
  readonly ownerEnabled: boolean;
  readonly lastAccessedMs: number | null;
}

export async function selectRobotCredential(
  sql: Sql,
  username: string,
): Promise<RobotCredentialRow | undefined> {
  const [row] = await sql<RobotCredentialRow[]>`
    select u.id, u.username, u.enabled, t.token as "sealedToken", o.id as "ownerId", o.enabled as "ownerEnabled",
      (extract(epoch from u.last_accessed) * 1000)::float8 as "lastAccessedMs"
    from "user" u join "user" o on o.username = ${username.split("+", 1)[0] ?? ""} and not o.robot
      left join robotaccounttoken t on t.robot_account_id = u.id
    where u.username = ${username} and u.robot`;
  return row;
}

/** An application token (user name `$app`) and its person. */
export interface AppTokenRow {
  readonly tokenId: number;
  readonly tokenUuid: string;
  readonly title: string;
  readonly sealedSecret: string;
  /** Epoch milliseconds; null: never. */
  readonly expiresAtMs: number | null;
  readonly tokenLastAccessedMs: number | null;
  readonly id: number;
  readonly uuid: string;
  readonly username: string;
  readonly enabled: boolean;
  readonly lastAccessedMs: number | null;
}

/** @param tokenName its first 60 characters */
export async function selectAppToken(sql: Sql, tokenName: string): Promise<AppTokenRow | undefined> {
  const [row] = await sql<AppTokenRow[]>`
    select t.id as "tokenId", t.uuid as "tokenUuid", t.title, t.token_secret as "sealedSecret",
      (extract(epoch from t.expiration) * 1000)::float8 as "expiresAtMs",
      (extract(epoch from t.last_accessed) * 1000)::float8 as "tokenLastAccessedMs",
      u.id, u.uuid, u.username, u.enabled, (extract(epoch from u.last_accessed) * 1000)::float8 as "lastAccessedMs"
    from appspecificauthtoken t join "user" u on u.id = t.user_id
    where t.token_name = ${tokenName}`;
  return row;
}

export async function updateAppTokenLastAccessed(sql: Sql, tokenId: number, nowMs: number): Promise<void> {
  await sql`
    update appspecificauthtoken set last_accessed = to_timestamp(${nowMs / 1000}) at time zone 'utc'
    where id = ${tokenId}`;
}
