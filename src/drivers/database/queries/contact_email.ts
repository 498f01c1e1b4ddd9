import type { Sql } from "../postgres.ts";

export async function selectContactEmail(sql: Sql, organizationId: number): Promise<string | undefined> {
  const [row] = await sql<{ email: string }[]>`
    select contact_email as email from organizationcontactemail where organization_id = ${organizationId}`;
  return row?.email;
}

export async function upsertContactEmail(sql: Sql, organizationId: number, email: string): Promise<void> {
  await sql`
    insert into organizationcontactemail (organization_id, contact_email) values (${organizationId}, ${email})
    on conflict (organization_id) do update set contact_email = excluded.contact_email`;
}

export async function deleteContactEmail(sql: Sql, organizationId: number): Promise<void> {
  await sql`delete from organizationcontactemail where organization_id = ${organizationId}`;
}

/** Organizations that can be reached there, the oldest first. */
export function selectOrganizationsByContact(
  sql: Sql,
  email: string,
  limit: number,
): Promise<{ id: number; username: string; email: string }[]> {
  return sql<{ id: number; username: string; email: string }[]>`
    select u.id, u.username, c.contact_email as email from organizationcontactemail c join "user" u on u.id = c.organization_id
    where lower(c.contact_email) = lower(${email}) and u.enabled and u.organization
    order by u.id limit ${limit}`;
}
