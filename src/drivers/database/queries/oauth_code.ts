import type { Sql } from "../postgres.ts";

export async function insertOauthCode(
  sql: Sql,
  code: {
    applicationId: number;
    userId: number;
    /** The first 20 characters: how the row is found. */
    codeName: string;
    /** Hash of the rest. */
    codeHash: string;
    scope: string;
    redirectUri: string;
    expiresAtMs: number;
    /** As Quay keeps it: `{"username"}`. */
    data: string;
  },
): Promise<void> {
  await sql`
    insert into oauthauthorizationcode (application_id, code_name, code_credential, scope, data, authorized_user_id,
      redirect_uri, expires_at)
    values (${code.applicationId}, ${code.codeName}, ${code.codeHash}, ${code.scope}, ${code.data}, ${code.userId},
      ${code.redirectUri}, to_timestamp(${code.expiresAtMs / 1000}) at time zone 'utc')`;
}

export interface OauthCodeRow {
  readonly id: number;
  readonly codeHash: string;
  readonly scope: string;
  readonly redirectUri: string;
  readonly userId: number;
}

/** The code of that application and name, while it may be used and its user is enabled. */
export async function selectOauthCode(
  sql: Sql,
  options: { applicationId: number; codeName: string; nowMs: number },
): Promise<OauthCodeRow | undefined> {
  const [row] = await sql<OauthCodeRow[]>`
    select c.id, c.code_credential as "codeHash", c.scope, c.redirect_uri as "redirectUri", u.id as "userId"
    from oauthauthorizationcode c join "user" u on u.id = c.authorized_user_id and u.enabled
    where c.application_id = ${options.applicationId} and c.code_name = ${options.codeName}
      and c.expires_at > to_timestamp(${options.nowMs / 1000}) at time zone 'utc'`;
  return row;
}

/** @returns false when somebody has used it in the meantime */
export async function deleteOauthCode(sql: Sql, id: number): Promise<boolean> {
  const rows = await sql`delete from oauthauthorizationcode where id = ${id} returning id`;
  return rows.length > 0;
}

/** @returns how many went, at most `limit` */
export async function deleteExpiredOauthCodes(sql: Sql, nowMs: number, limit: number): Promise<number> {
  const rows = await sql`
    delete from oauthauthorizationcode where id in (
      select id from oauthauthorizationcode where expires_at <= to_timestamp(${
    nowMs / 1000
  }) at time zone 'utc'
      limit ${limit}) returning id`;
  return rows.length;
}
