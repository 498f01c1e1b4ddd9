import type { Sql } from "../postgres.ts";
import { accountColumns, type UserRow } from "./user.ts";

/**
 * People, or organizations, by name, after `afterName`: the page costs the same wherever it is. Those that are being
 * deleted are no longer there.
 * @param options.enabledOnly leaves out those that have been disabled
 */
export function selectManagedAccounts(
  sql: Sql,
  options: { kind: "user" | "organization"; afterName: string; limit: number; enabledOnly: boolean },
): Promise<UserRow[]> {
  const enabled = options.enabledOnly ? sql`and enabled` : sql``;
  return sql<UserRow[]>`
    select ${accountColumns(sql)} from "user" u
    where not robot and organization = ${
    options.kind === "organization"
  } and username > ${options.afterName} ${enabled}
      and not exists (select from deletednamespace d where d.namespace_id = u.id)
    order by username limit ${options.limit}`;
}

/** Sets the e-mail address, which counts as verified. @throws a unique violation when it is somebody's */
export async function updateEmail(sql: Sql, id: number, email: string): Promise<void> {
  await sql`update "user" set email = ${email}, verified = true where id = ${id}`;
}

/** Gives an account another name. @throws a unique violation when it is taken */
export async function updateUsername(sql: Sql, id: number, username: string): Promise<void> {
  await sql`update "user" set username = ${username} where id = ${id}`;
}

/** Robots of a namespace follow its new name, in one statement. */
export async function renameRobots(sql: Sql, oldName: string, newName: string): Promise<void> {
  await sql`
    update "user" set username = ${newName} || substr(username, ${oldName.length + 1}::integer)
    where robot and username >= ${`${oldName}+`} and username < ${`${oldName},`}`;
}

/** The length of the longest name among a namespace's robots, without the namespace's own. 0: none. */
export async function selectLongestRobotSuffix(sql: Sql, namespace: string): Promise<number> {
  const [row] = await sql<{ longest: number }[]>`
    select coalesce(max(length(username)), 0) - ${namespace.length}::integer as longest from "user"
    where robot and username >= ${`${namespace}+`} and username < ${`${namespace},`}`;
  return Math.max(0, row?.longest ?? 0);
}

/** The oldest team with the role admin; organizations that came from elsewhere may have none. */
export async function selectFirstAdminTeam(sql: Sql, organizationId: number): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`
    select t.id from team t join teamrole on teamrole.id = t.role_id and teamrole.name = 'admin'
    where t.organization_id = ${organizationId} order by t.id limit 1`;
  return row?.id;
}

/**
 * Makes a person's account an organization: it can no longer sign in, and what it was as a person (memberships,
 * permissions on others' repositories, sign-ins elsewhere, tokens, stars) is gone. Its robots and repositories stay.
 */
export async function turnIntoOrganization(sql: Sql, userId: number): Promise<void> {
  await sql`
    with memberships as (delete from teammember where user_id = ${userId}),
      invites as (delete from teammemberinvite where user_id = ${userId}),
      permissions as (delete from repositorypermission where user_id = ${userId}),
      defaults as (
        delete from permissionprototype where delegate_user_id = ${userId} or activating_user_id = ${userId}),
      logins as (delete from federatedlogin where user_id = ${userId}),
      application_tokens as (delete from appspecificauthtoken where user_id = ${userId}),
      oauth_tokens as (delete from oauthaccesstoken where authorized_user_id = ${userId}),
      assigned as (delete from oauthassignedtoken where assigned_user_id = ${userId}),
      confirmations as (delete from emailconfirmation where user_id = ${userId}),
      prompts as (delete from userprompt where user_id = ${userId}),
      stars as (delete from star where user_id = ${userId})
    update "user" set organization = true, password_hash = null, uuid = ${crypto.randomUUID()},
      invalid_login_attempts = 0
    where id = ${userId}`;
}
