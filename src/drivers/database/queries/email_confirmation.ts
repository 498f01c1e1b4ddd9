import type { Sql } from "../postgres.ts";

/** A code that was mailed: who holds it can read that mailbox. Its second half is stored as a hash. */
export interface EmailCodeRow {
  readonly id: number;
  readonly credential: string | null;
  readonly userId: number;
  readonly pwReset: boolean;
  readonly emailConfirm: boolean;
  /** The address that confirming gives the account; null: the one that it has. */
  readonly newEmail: string | null;
  /** Epoch milliseconds. */
  readonly createdMs: number;
}

export async function insertEmailCode(
  sql: Sql,
  row: {
    code: string;
    credential: string;
    userId: number;
    pwReset: boolean;
    emailConfirm: boolean;
    newEmail: string | null;
    nowMs: number;
  },
): Promise<void> {
  await sql`
    insert into emailconfirmation (code, verification_code, user_id, pw_reset, email_confirm, new_email, created)
    values (${row.code}, ${row.credential}, ${row.userId}, ${row.pwReset}, ${row.emailConfirm}, ${row.newEmail},
      to_timestamp(${row.nowMs / 1000}) at time zone 'utc')`;
}

/** @param code the first half of what was mailed */
export async function selectEmailCode(sql: Sql, code: string): Promise<EmailCodeRow | undefined> {
  const [row] = await sql<EmailCodeRow[]>`
    select id, verification_code as credential, user_id as "userId", pw_reset as "pwReset",
      email_confirm as "emailConfirm", new_email as "newEmail",
      (extract(epoch from created) * 1000)::float8 as "createdMs"
    from emailconfirmation where code = ${code}`;
  return row;
}

/** @returns false when another request has used it meanwhile */
export async function deleteEmailCode(sql: Sql, id: number): Promise<boolean> {
  return (await sql`delete from emailconfirmation where id = ${id}`).count === 1;
}

/** Codes of that kind that were mailed for the account before. */
export async function deleteEmailCodesOf(
  sql: Sql,
  userId: number,
  kind: { pwReset: boolean },
): Promise<void> {
  await sql`delete from emailconfirmation where user_id = ${userId} and pw_reset = ${kind.pwReset}`;
}

/** Whether one of that kind was mailed for the account after `sinceMs`. */
export async function hasEmailCodeSince(
  sql: Sql,
  userId: number,
  { pwReset, sinceMs }: { pwReset: boolean; sinceMs: number },
): Promise<boolean> {
  const [row] = await sql<{ any: boolean }[]>`
    select exists (select from emailconfirmation
      where user_id = ${userId} and pw_reset = ${pwReset}
        and created > to_timestamp(${sinceMs / 1000}) at time zone 'utc') as any`;
  return row?.any === true;
}
