import type { Sql } from "../postgres.ts";

/** An application of an organization (or of a person, when it was made with the first user). */
export interface OauthApplicationRow {
  readonly id: number;
  readonly clientId: string;
  /** As stored: sealed with `DATABASE_SECRET_KEY`. */
  readonly sealedSecret: string | null;
  readonly name: string;
  readonly description: string;
  readonly applicationUri: string;
  /** What redirect addresses must begin with; empty: only the page of the registry itself. */
  readonly redirectUri: string;
  readonly avatarEmail: string | null;
  readonly ownerId: number;
  readonly ownerName: string;
  readonly ownerEmail: string;
  readonly ownerIsOrganization: boolean;
}

/** What an administrator may set. */
export interface OauthApplicationFields {
  readonly name: string;
  readonly description: string;
  readonly applicationUri: string;
  readonly redirectUri: string;
  readonly avatarEmail: string | null;
}

/** Of `oauthapplication a join "user" o`, for {@link OauthApplicationRow}. */
export function oauthApplicationColumns(sql: Sql) {
  return sql`
    a.id, a.client_id as "clientId", a.secure_client_secret as "sealedSecret", a.name, a.description,
    a.application_uri as "applicationUri", a.redirect_uri as "redirectUri", a.gravatar_email as "avatarEmail",
    o.id as "ownerId", o.username as "ownerName", o.email as "ownerEmail", o.organization as "ownerIsOrganization"`;
}

/** Oldest first. */
export function selectOauthApplications(sql: Sql, organizationId: number): Promise<OauthApplicationRow[]> {
  return sql<OauthApplicationRow[]>`
    select ${oauthApplicationColumns(sql)} from oauthapplication a join "user" o on o.id = a.organization_id
    where a.organization_id = ${organizationId} order by a.id`;
}

/** @param organizationId only when it is theirs; absent: not of those that are gone or disabled */
export async function selectOauthApplication(
  sql: Sql,
  clientId: string,
  organizationId?: number,
): Promise<OauthApplicationRow | undefined> {
  const [row] = await sql<OauthApplicationRow[]>`
    select ${oauthApplicationColumns(sql)} from oauthapplication a join "user" o on o.id = a.organization_id
    where a.client_id = ${clientId}
      and ${organizationId === undefined ? sql`o.enabled` : sql`a.organization_id = ${organizationId}`}
    order by a.id limit 1`;
  return row;
}

/** Held until the transaction ends: of several who count the application's tokens, one counts first. */
export async function lockOauthApplication(sql: Sql, id: number): Promise<boolean> {
  const rows = await sql`select id from oauthapplication where id = ${id} for update`;
  return rows.length > 0;
}

/** @param sealedSecret sealed by the caller @returns its id */
export async function insertOauthApplication(
  sql: Sql,
  application: OauthApplicationFields & { clientId: string; sealedSecret: string; organizationId: number },
): Promise<number> {
  const [row] = await sql<{ id: number }[]>`
    insert into oauthapplication (client_id, secure_client_secret, fully_migrated, redirect_uri, application_uri,
      organization_id, name, description, gravatar_email)
    values (${application.clientId}, ${application.sealedSecret}, true, ${application.redirectUri},
      ${application.applicationUri}, ${application.organizationId}, ${application.name}, ${application.description},
      ${application.avatarEmail})
    returning id`;
  if (row === undefined) throw new Error("oauthapplication: the insert returned no row");
  return row.id;
}

export async function updateOauthApplication(
  sql: Sql,
  id: number,
  fields: OauthApplicationFields,
): Promise<void> {
  await sql`
    update oauthapplication set name = ${fields.name}, description = ${fields.description},
      application_uri = ${fields.applicationUri}, redirect_uri = ${fields.redirectUri},
      gravatar_email = ${fields.avatarEmail}
    where id = ${id}`;
}

export async function updateOauthApplicationSecret(
  sql: Sql,
  id: number,
  sealedSecret: string,
): Promise<void> {
  await sql`
    update oauthapplication set secure_client_secret = ${sealedSecret}, fully_migrated = true where id = ${id}`;
}

/** With its tokens, codes and assignments. */
export async function deleteOauthApplication(sql: Sql, id: number): Promise<void> {
  await sql`delete from oauthapplication where id = ${id}`;
}
