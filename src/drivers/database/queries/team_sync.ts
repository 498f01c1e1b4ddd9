import type { Sql } from "../postgres.ts";

/** The group of a directory that a team follows. */
export interface TeamSyncRow {
  /** Of `loginservice`. */
  readonly service: string;
  /** A JSON object as text. */
  readonly configJson: string;
  /** Epoch milliseconds; null: not yet. */
  readonly lastUpdatedMs: number | null;
}

export async function selectTeamSync(sql: Sql, teamId: number): Promise<TeamSyncRow | undefined> {
  const [row] = await sql<TeamSyncRow[]>`
    select service.name as service, s.config as "configJson",
      (extract(epoch from s.last_updated) * 1000)::float8 as "lastUpdatedMs"
    from teamsync s join loginservice service on service.id = s.service_id where s.team_id = ${teamId}`;
  return row;
}

/** Lets the team follow that group, in place of the one that it followed. */
export async function upsertTeamSync(
  sql: Sql,
  row: { teamId: number; service: string; configJson: string },
): Promise<void> {
  await sql`
    insert into teamsync (team_id, service_id, config)
    values (${row.teamId}, (select id from loginservice where name = ${row.service}), ${row.configJson})
    on conflict (team_id) do update set service_id = excluded.service_id, config = excluded.config,
      last_updated = null, transaction_id = gen_random_uuid()::text`;
}

/** @returns whether the team followed one */
export async function deleteTeamSync(sql: Sql, teamId: number): Promise<boolean> {
  return (await sql`delete from teamsync where team_id = ${teamId}`).count === 1;
}

/** Empties the team of people; robots stay. */
export async function deleteHumanTeamMembers(sql: Sql, teamId: number): Promise<void> {
  await sql`
    delete from teammember m using "user" u where m.team_id = ${teamId} and u.id = m.user_id and not u.robot`;
}
