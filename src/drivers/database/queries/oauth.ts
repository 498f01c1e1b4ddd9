import type { Sql } from "../postgres.ts";

/** An application that OAuth tokens are issued to. `clientSecret` is sealed by the caller. */
export async function insertOauthApplication(
  sql: Sql,
  application: {
    clientId: string;
    sealedSecret: string;
    organizationId: number;
    name: string;
    description: string;
  },
): Promise<number> {
  const [row] = await sql<{ id: number }[]>`
    insert into oauthapplication (client_id, secure_client_secret, fully_migrated, redirect_uri, application_uri,
      organization_id, name, description)
    values (${application.clientId}, ${application.sealedSecret}, true, '', '', ${application.organizationId},
      ${application.name}, ${application.description})
    returning id`;
  if (row === undefined) throw new Error("oauthapplication: the insert returned no row");
  return row.id;
}

export async function insertOauthToken(
  sql: Sql,
  token: {
    applicationId: number;
    userId: number;
    /** Separated by spaces. */
    scope: string;
    /** The first 20 characters: how the row is found. */
    tokenName: string;
    /** Hash of the rest. */
    tokenHash: string;
    expiresAtMs: number;
  },
): Promise<void> {
  await sql`
    insert into oauthaccesstoken (uuid, application_id, authorized_user_id, scope, token_name, token_code, token_type,
      expires_at, data)
    values (${crypto.randomUUID()}, ${token.applicationId}, ${token.userId}, ${token.scope}, ${token.tokenName},
      ${token.tokenHash}, 'Bearer', to_timestamp(${token.expiresAtMs / 1000}) at time zone 'utc', '')`;
}

export interface OauthTokenRow {
  readonly id: number;
  readonly tokenHash: string;
  readonly scope: string;
  readonly expiresAtMs: number;
  readonly userId: number;
  readonly userUuid: string;
  readonly username: string;
  readonly userEnabled: boolean;
  readonly clientId: string;
  readonly application: string;
}

export async function selectOauthToken(sql: Sql, tokenName: string): Promise<OauthTokenRow | undefined> {
  const [row] = await sql<OauthTokenRow[]>`
    select t.id, t.token_code as "tokenHash", t.scope,
      (extract(epoch from t.expires_at) * 1000)::float8 as "expiresAtMs", u.id as "userId", u.uuid as "userUuid",
      u.username, u.enabled as "userEnabled", a.client_id as "clientId", a.name as application
    from oauthaccesstoken t join "user" u on u.id = t.authorized_user_id
      join oauthapplication a on a.id = t.application_id
    where t.token_name = ${tokenName} and not u.organization and not u.robot`;
  return row;
}
