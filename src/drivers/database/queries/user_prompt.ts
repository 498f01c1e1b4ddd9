import type { Sql } from "../postgres.ts";

/** What a person is asked for at the next visit. */
export type UserPrompt = "confirm_username" | "enter_name" | "enter_company";

export async function selectUserPrompts(sql: Sql, userId: number): Promise<UserPrompt[]> {
  const rows = await sql<{ name: UserPrompt }[]>`
    select k.name from userprompt p join userpromptkind k on k.id = p.kind_id
    where p.user_id = ${userId} order by k.id`;
  return rows.map((row) => row.name);
}

export async function insertUserPrompts(
  sql: Sql,
  userId: number,
  prompts: readonly UserPrompt[],
): Promise<void> {
  await sql`
    insert into userprompt (user_id, kind_id)
    select ${userId}::integer, id from userpromptkind where name = any(${[...prompts]}::text[])
    on conflict do nothing`;
}

export async function deleteUserPrompts(
  sql: Sql,
  userId: number,
  prompts: readonly UserPrompt[],
): Promise<void> {
  await sql`
    delete from userprompt p using userpromptkind k
    where k.id = p.kind_id and p.user_id = ${userId} and k.name = any(${[...prompts]}::text[])`;
}
