import type { Sql } from "../postgres.ts";

/** A row of `"user"`: a person or an organization (robots: `robot.ts`). */
export interface UserRow {
  readonly id: number;
  readonly uuid: string;
  readonly username: string;
  readonly email: string;
  readonly verified: boolean;
  readonly organization: boolean;
  readonly robot: boolean;
  readonly enabled: boolean;
  readonly hasPassword: boolean;
  readonly invoiceEmail: boolean;
  readonly invoiceEmailAddress: string | null;
  readonly tagExpirationS: number;
  readonly givenName: string | null;
  readonly familyName: string | null;
  readonly company: string | null;
  readonly location: string | null;
  /** Epoch milliseconds. */
  readonly createdMs: number | null;
  readonly lastAccessedMs: number | null;
}

/** What a {@link UserRow} is made of. */
export function accountColumns(sql: Sql) {
  return sql`
    id, uuid, username, email, verified, organization, robot, enabled, password_hash is not null as "hasPassword",
    invoice_email as "invoiceEmail", invoice_email_address as "invoiceEmailAddress",
    removed_tag_expiration_s as "tagExpirationS", given_name as "givenName", family_name as "familyName", company,
    location, (extract(epoch from creation_date) * 1000)::float8 as "createdMs",
    (extract(epoch from last_accessed) * 1000)::float8 as "lastAccessedMs"`;
}

/** Who owns the name, person, organization or robot: they share one space of names. */
export async function selectAccount(sql: Sql, username: string): Promise<UserRow | undefined> {
  const [row] = await sql<UserRow[]>`select ${accountColumns(sql)} from "user" where username = ${username}`;
  return row;
}

export async function selectUserById(sql: Sql, id: number): Promise<UserRow | undefined> {
  const [row] = await sql<UserRow[]>`select ${accountColumns(sql)} from "user" where id = ${id}`;
  return row;
}

/** The person whose sessions carry `uuid`. */
export async function selectUserByUuid(sql: Sql, uuid: string): Promise<UserRow | undefined> {
  const [row] = await sql<UserRow[]>`
    select ${accountColumns(sql)} from "user" where uuid = ${uuid} and not organization and not robot`;
  return row;
}

/** Whether it is the confirmed address of somebody who administers the namespace: the person, or one of its admin teams. */
export async function isEmailOfAdministrator(sql: Sql, namespaceId: number, email: string): Promise<boolean> {
  const rows = await sql`
    select from "user" u
    where lower(u.email) = lower(${email}) and u.verified and u.enabled and not u.robot and not u.organization
      and (u.id = ${namespaceId} or exists (
        select from teammember m join team t on t.id = m.team_id
          join teamrole on teamrole.id = t.role_id and teamrole.name = 'admin'
        where m.user_id = u.id and t.organization_id = ${namespaceId}))
    limit 1`;
  return rows.length > 0;
}

export async function selectAccountByEmail(sql: Sql, email: string): Promise<UserRow | undefined> {
  const [row] = await sql<UserRow[]>`
    select ${accountColumns(sql)} from "user" where lower(email) = lower(${email}) order by id limit 1`;
  return row;
}

/** A person or organization that may own repositories. */
export async function selectNamespace(sql: Sql, username: string): Promise<UserRow | undefined> {
  const [row] = await sql<UserRow[]>`
    select ${accountColumns(sql)} from "user" where username = ${username} and not robot`;
  return row;
}

/** Those of {@link selectNamespace} that are there and enabled. */
export function selectNamespaces(sql: Sql, usernames: readonly string[]): Promise<UserRow[]> {
  return sql<UserRow[]>`
    select ${accountColumns(sql)} from "user"
    where username = any(${usernames as string[]}) and not robot and enabled`;
}

/** Whether there is any account at all. */
export async function hasAccounts(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ any: boolean }[]>`select exists (select from "user") as any`;
  return row?.any === true;
}

/**
 * Creates the row unless name or e-mail are taken.
 * @param row.passwordHash null for organizations and robots, which cannot sign in
 * @returns its id, or undefined when something was taken
 */
export async function insertAccount(
  sql: Sql,
  row: {
    username: string;
    email: string;
    passwordHash: string | null;
    verified: boolean;
    kind: "user" | "organization" | "robot";
    tagExpirationS: number;
    nowMs: number;
  },
): Promise<number | undefined> {
  const at = sql`to_timestamp(${row.nowMs / 1000}) at time zone 'utc'`;
  const [created] = await sql<{ id: number }[]>`
    insert into "user" (uuid, username, password_hash, email, verified, organization, robot, invoice_email,
      invalid_login_attempts, last_invalid_login, removed_tag_expiration_s, enabled, creation_date)
    values (${crypto.randomUUID()}, ${row.username}, ${row.passwordHash}, ${row.email}, ${row.verified},
      ${row.kind === "organization"}, ${
    row.kind === "robot"
  }, false, 0, ${at}, ${row.tagExpirationS}, true, ${at})
    on conflict do nothing
    returning id`;
  return created?.id;
}

/** Sets the password, forgets failed attempts and ends every session (they name the old uuid). @returns the new uuid */
export async function updatePassword(sql: Sql, id: number, passwordHash: string): Promise<string> {
  const uuid = crypto.randomUUID();
  await sql`
    update "user" set password_hash = ${passwordHash}, uuid = ${uuid}, invalid_login_attempts = 0 where id = ${id}`;
  return uuid;
}

/** Ends every session of the user: they name the old uuid. */
export async function rotateUserUuid(sql: Sql, id: number): Promise<void> {
  await sql`update "user" set uuid = ${crypto.randomUUID()} where id = ${id}`;
}

/** Settings of a person or an organization; null empties one, undefined leaves it. */
export interface AccountSettings {
  readonly invoiceEmail?: boolean | undefined;
  readonly invoiceEmailAddress?: string | null | undefined;
  readonly tagExpirationS?: number | undefined;
  readonly givenName?: string | null | undefined;
  readonly familyName?: string | null | undefined;
  readonly company?: string | null | undefined;
  readonly location?: string | null | undefined;
}

/** Changes what is given. */
export async function updateAccountSettings(sql: Sql, id: number, settings: AccountSettings): Promise<void> {
  const columns = {
    invoice_email: settings.invoiceEmail,
    invoice_email_address: settings.invoiceEmailAddress,
    removed_tag_expiration_s: settings.tagExpirationS,
    given_name: settings.givenName,
    family_name: settings.familyName,
    company: settings.company,
    location: settings.location,
  };
  const given = Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined));
  if (Object.keys(given).length > 0) await sql`update "user" set ${sql(given)} where id = ${id}`;
}

/** @param verified whether the address is known to be the account's @throws a unique violation when it is somebody's */
export async function updateAccountEmail(
  sql: Sql,
  id: number,
  email: string,
  verified: boolean,
): Promise<void> {
  await sql`update "user" set email = ${email}, verified = ${verified} where id = ${id}`;
}

export async function updateVerified(sql: Sql, id: number): Promise<void> {
  await sql`update "user" set verified = true where id = ${id}`;
}

/** Takes back an account that nobody could use yet. */
export async function deleteUnverifiedAccount(sql: Sql, id: number): Promise<void> {
  await sql`delete from "user" where id = ${id} and not verified`;
}

export async function updateAccountEnabled(sql: Sql, id: number, enabled: boolean): Promise<void> {
  await sql`update "user" set enabled = ${enabled} where id = ${id}`;
}

/** Organizations in whose teams the user is, with the strongest role there. */
export function selectOrganizationsOf(
  sql: Sql,
  userId: number,
): Promise<{ id: number; name: string; email: string; role: "admin" | "creator" | "member" }[]> {
  return sql<{ id: number; name: string; email: string; role: "admin" | "creator" | "member" }[]>`
    select distinct on (o.username) o.id, o.username as name, o.email, teamrole.name as role
    from teammember m join team t on t.id = m.team_id join "user" o on o.id = t.organization_id
      join teamrole on teamrole.id = t.role_id
    where m.user_id = ${userId}
    order by o.username, case teamrole.name when 'admin' then 0 when 'creator' then 1 else 2 end`;
}

/**
 * Takes name and e-mail away from an account that is being deleted and disables it; its content goes by the
 * namespace queue. A live lock-out, session or token of it finds nobody.
 */
export async function anonymizeAccount(sql: Sql, id: number): Promise<void> {
  const uuid = crypto.randomUUID();
  await sql`
    update "user" set username = ${uuid}, email = ${uuid}, uuid = ${crypto.randomUUID()}, enabled = false,
      password_hash = null where id = ${id}`;
}

export async function insertDeletedNamespace(
  sql: Sql,
  row: {
    namespaceId: number;
    originalUsername: string;
    originalEmail: string;
    queueId: number;
    nowMs: number;
  },
): Promise<void> {
  await sql`
    insert into deletednamespace (namespace_id, marked, original_username, original_email, queue_id)
    values (${row.namespaceId}, to_timestamp(${row.nowMs / 1000}) at time zone 'utc', ${row.originalUsername},
      ${row.originalEmail}, ${row.queueId})`;
}

/** Held until the transaction ends, so that of several first users one comes first. */
export async function lockAccounts(sql: Sql): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('quaylet first user'))`;
}
