import type { Sql } from "../postgres.ts";

/** An address that may get notifications of a repository, once its owner has confirmed. */
export interface AuthorizedEmail {
  readonly email: string;
  readonly code: string;
  readonly confirmed: boolean;
}

export async function selectAuthorizedEmail(
  sql: Sql,
  repositoryId: number,
  email: string,
): Promise<AuthorizedEmail | undefined> {
  const [row] = await sql<AuthorizedEmail[]>`
    select email, code, confirmed from repositoryauthorizedemail
    where email = ${email} and repository_id = ${repositoryId}`;
  return row;
}

export async function isEmailAuthorized(sql: Sql, repositoryId: number, email: string): Promise<boolean> {
  const rows = await sql`
    select from repositoryauthorizedemail where email = ${email} and repository_id = ${repositoryId} and confirmed`;
  return rows.length > 0;
}

/** Unless it is there. */
export async function insertAuthorizedEmail(sql: Sql, repositoryId: number, email: string): Promise<void> {
  await sql`
    insert into repositoryauthorizedemail (repository_id, email, code, confirmed)
    values (${repositoryId}, ${email}, ${crypto.randomUUID()}, false) on conflict do nothing`;
}

/** @returns what it is for; undefined for an unknown code */
export async function confirmAuthorizedEmailByCode(
  sql: Sql,
  code: string,
): Promise<{ email: string; namespace: string; repository: string } | undefined> {
  const [row] = await sql<{ email: string; namespace: string; repository: string }[]>`
    update repositoryauthorizedemail e set confirmed = true
    from repository r, "user" n
    where e.code = ${code} and r.id = e.repository_id and n.id = r.namespace_user_id and r.state <> 3
    returning e.email, n.username as namespace, r.name as repository`;
  return row;
}
