import type { Sql } from "../postgres.ts";

/** An address that a repository's notifications may go to once whoever reads it has agreed. */
export interface AuthorizedEmailRow {
  readonly email: string;
  readonly code: string;
  readonly confirmed: boolean;
  readonly namespace: string;
  readonly repository: string;
}

export async function isEmailAuthorized(sql: Sql, repositoryId: number, email: string): Promise<boolean> {
  const rows = await sql`
    select from repositoryauthorizedemail where email = ${email} and repository_id = ${repositoryId} and confirmed`;
  return rows.length > 0;
}

const columns = (sql: Sql) =>
  sql`a.email, a.code, a.confirmed, u.username as namespace, r.name as repository`;
const tables = (sql: Sql) =>
  sql`repositoryauthorizedemail a join repository r on r.id = a.repository_id join "user" u on u.id = r.namespace_user_id`;

export async function selectAuthorizedEmail(
  sql: Sql,
  repositoryId: number,
  email: string,
): Promise<AuthorizedEmailRow | undefined> {
  const [row] = await sql<AuthorizedEmailRow[]>`
    select ${columns(sql)} from ${
    tables(sql)
  } where a.email = ${email} and a.repository_id = ${repositoryId}`;
  return row;
}

/** Idempotent: one that is there keeps its code. */
export async function insertAuthorizedEmail(
  sql: Sql,
  row: { repositoryId: number; email: string; code: string },
): Promise<void> {
  await sql`
    insert into repositoryauthorizedemail (repository_id, email, code, confirmed)
    values (${row.repositoryId}, ${row.email}, ${row.code}, false)
    on conflict (email, repository_id) do nothing`;
}

/** @returns what was confirmed, `undefined` for an unknown code */
export async function confirmAuthorizedEmail(
  sql: Sql,
  code: string,
): Promise<AuthorizedEmailRow | undefined> {
  const [row] = await sql<AuthorizedEmailRow[]>`
    with agreed as (
      update repositoryauthorizedemail set confirmed = true where code = ${code}
      returning repository_id, email, code, confirmed)
    select ${columns(sql)} from agreed a join repository r on r.id = a.repository_id
      join "user" u on u.id = r.namespace_user_id`;
  return row;
}
