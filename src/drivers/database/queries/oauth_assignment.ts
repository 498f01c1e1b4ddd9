import type { Sql } from "../postgres.ts";
import { oauthApplicationColumns, type OauthApplicationRow } from "./oauth_application.ts";

/** A token that an administrator of the application's organization lets somebody else fetch for themselves. */
export interface OauthAssignmentRow {
  readonly id: number;
  readonly uuid: string;
  readonly redirectUri: string;
  readonly scope: string;
  readonly responseType: string;
  readonly application: OauthApplicationRow;
}

/** @returns its public id */
export async function insertOauthAssignment(
  sql: Sql,
  row: { userId: number; applicationId: number; redirectUri: string; scope: string; responseType: string },
): Promise<string> {
  const uuid = crypto.randomUUID();
  await sql`
    insert into oauthassignedtoken (uuid, assigned_user_id, application_id, redirect_uri, scope, response_type)
    values (${uuid}, ${row.userId}, ${row.applicationId}, ${row.redirectUri}, ${row.scope}, ${row.responseType})`;
  return uuid;
}

/** Newest first, before `beforeId`. */
export function selectOauthAssignments(
  sql: Sql,
  options: { userId: number; beforeId: number; limit: number },
): Promise<OauthAssignmentRow[]> {
  return sql<OauthAssignmentRow[]>`
    ${assignmentRows(sql)}
    where s.assigned_user_id = ${options.userId} and s.id < ${options.beforeId}
    order by s.id desc limit ${options.limit}`;
}

export async function selectOauthAssignment(
  sql: Sql,
  userId: number,
  uuid: string,
): Promise<OauthAssignmentRow | undefined> {
  const [row] = await sql<OauthAssignmentRow[]>`
    ${assignmentRows(sql)} where s.uuid = ${uuid} and s.assigned_user_id = ${userId}`;
  return row;
}

function assignmentRows(sql: Sql) {
  return sql`
    select s.id, s.uuid, coalesce(s.redirect_uri, '') as "redirectUri", s.scope,
      coalesce(s.response_type, 'token') as "responseType",
      (select row_to_json(app) from (select ${oauthApplicationColumns(sql)}) app) as application
    from oauthassignedtoken s join oauthapplication a on a.id = s.application_id
      join "user" o on o.id = a.organization_id`;
}

/** @returns whether it was there */
export async function deleteOauthAssignment(sql: Sql, userId: number, uuid: string): Promise<boolean> {
  const rows = await sql`
    delete from oauthassignedtoken where uuid = ${uuid} and assigned_user_id = ${userId} returning id`;
  return rows.length > 0;
}
