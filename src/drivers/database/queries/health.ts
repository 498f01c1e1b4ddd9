import type { Sql } from "../postgres.ts";

/** Quay's own sign of life: a small table that every installation has filled. */
export async function countTeamRoles(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`select count(*)::integer as count from teamrole`;
  return row?.count ?? 0;
}

/** Whether accounts can be read at all; there may be none yet. */
export async function readAnyUserId(sql: Sql): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`select id from "user" limit 1`;
  return row?.id;
}

/** A queue item that nobody may claim, to be removed in the same transaction. */
export async function insertProbeItem(sql: Sql, stateId: string, body: string): Promise<void> {
  await sql`
    insert into queueitem (queue_name, body, available_after, available, retries_remaining, state_id)
    values ('quaylet-health/', ${body}, 'infinity', false, 0, ${stateId})`;
}

/** Removes the probe item and returns what it held. */
export async function deleteProbeItem(sql: Sql, stateId: string): Promise<string | undefined> {
  const [row] = await sql<
    { body: string }[]
  >`delete from queueitem where state_id = ${stateId} returning body`;
  return row?.body;
}

export interface RowCounts {
  repositories: number;
  users: number;
  organizations: number;
  robots: number;
}

/** Active rows: disabled accounts and repositories marked for deletion (state 3) do not count. Reads both tables. */
export async function countRows(sql: Sql): Promise<RowCounts> {
  const [row] = await sql<RowCounts[]>`
    select
      (select count(*) from repository where state <> 3)::integer as repositories,
      count(*) filter (where not organization and not robot)::integer as users,
      count(*) filter (where organization)::integer as organizations,
      count(*) filter (where robot)::integer as robots
    from "user" where enabled`;
  if (row === undefined) throw new Error("an aggregate without group by returned no row");
  return row;
}
