import type { Sql } from "../postgres.ts";

/** A robot with what its login row says of federation (Quay: `federation_config` in `metadata_json`). */
export interface RobotFederationRow {
  readonly id: number;
  readonly username: string;
  readonly enabled: boolean;
  readonly ownerId: number;
  readonly ownerEnabled: boolean;
  /** A JSON object as text. */
  readonly metadataJson: string;
}

export async function selectRobotFederation(
  sql: Sql,
  username: string,
): Promise<RobotFederationRow | undefined> {
  const [row] = await sql<RobotFederationRow[]>`
    select u.id, u.username, u.enabled, o.id as "ownerId", o.enabled as "ownerEnabled",
      coalesce(f.metadata_json, '{}') as "metadataJson"
    from "user" u join "user" o on o.username = ${username.split("+", 1)[0] ?? ""} and not o.robot
      left join federatedlogin f on f.user_id = u.id
        and f.service_id = (select id from loginservice where name = 'quayrobot')
    where u.username = ${username} and u.robot`;
  return row;
}

export async function upsertRobotFederation(sql: Sql, robotId: number, metadataJson: string): Promise<void> {
  await sql`
    insert into federatedlogin (user_id, service_id, service_ident, metadata_json)
    values (${robotId}, (select id from loginservice where name = 'quayrobot'), ${`robot:${robotId}`}, ${metadataJson})
    on conflict (service_id, user_id) do update set metadata_json = excluded.metadata_json`;
}
