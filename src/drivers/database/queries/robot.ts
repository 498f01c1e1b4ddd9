import type { Sql } from "../postgres.ts";

export interface RobotRow {
  readonly id: number;
  /** `namespace+short`. */
  readonly username: string;
  readonly description: string;
  /** As stored: sealed with `DATABASE_SECRET_KEY`. */
  readonly sealedToken: string | null;
  /** A JSON object as text. */
  readonly metadataJson: string | null;
  /** Epoch milliseconds. */
  readonly createdMs: number | null;
  readonly lastAccessedMs: number | null;
}

function columns(sql: Sql) {
  return sql`
    u.id, u.username, coalesce(m.description, '') as description, t.token as "sealedToken",
    m.unstructured_json as "metadataJson", (extract(epoch from u.creation_date) * 1000)::float8 as "createdMs",
    (extract(epoch from u.last_accessed) * 1000)::float8 as "lastAccessedMs"
    from "user" u left join robotaccountmetadata m on m.robot_account_id = u.id
      left join robotaccounttoken t on t.robot_account_id = u.id`;
}

export async function selectRobot(sql: Sql, username: string): Promise<RobotRow | undefined> {
  const [row] = await sql<RobotRow[]>`select ${columns(sql)} where u.username = ${username} and u.robot`;
  return row;
}

/** The robots of a namespace, the most recently used first. `+` sorts before what may follow a name. */
export function selectRobots(sql: Sql, namespace: string, limit: number | null): Promise<RobotRow[]> {
  return sql<RobotRow[]>`
    select ${columns(sql)}
    where u.robot and u.username >= ${`${namespace}+`} and u.username < ${`${namespace},`}
    order by u.last_accessed desc nulls last, u.username limit ${limit}::bigint`;
}

/** The login-service row that Quay keeps for each robot; federation settings live in its metadata. */
export async function insertRobotLogin(sql: Sql, robotId: number): Promise<void> {
  await sql`
    insert into federatedlogin (user_id, service_id, service_ident, metadata_json)
    values (${robotId}, (select id from loginservice where name = 'quayrobot'), ${`robot:${robotId}`}, '{}')`;
}

export async function upsertRobotToken(sql: Sql, robotId: number, sealedToken: string): Promise<void> {
  await sql`
    insert into robotaccounttoken (robot_account_id, token, fully_migrated) values (${robotId}, ${sealedToken}, true)
    on conflict (robot_account_id) do update set token = excluded.token`;
}

export async function insertRobotMetadata(
  sql: Sql,
  row: { robotId: number; description: string; metadataJson: string },
): Promise<void> {
  await sql`
    insert into robotaccountmetadata (robot_account_id, description, unstructured_json)
    values (${row.robotId}, ${row.description}, ${row.metadataJson})`;
}

/** Whether a mirror pushes as this robot. */
export async function isRobotUsedByMirror(sql: Sql, robotId: number): Promise<boolean> {
  const [row] = await sql<{ used: boolean }[]>`
    select exists (select from repomirrorconfig where internal_robot_id = ${robotId})
      or exists (select from orgmirrorconfig where internal_robot_id = ${robotId}) as used`;
  return row?.used === true;
}

/** Takes the robots out of everything that names them, in one statement; {@link deleteRobotAccounts} is next. */
export async function deleteRobotReferences(sql: Sql, robotIds: readonly number[]): Promise<void> {
  const ids = [...robotIds];
  await sql`
    with permissions as (delete from repositorypermission where user_id = any(${ids}::integer[])),
      members as (delete from teammember where user_id = any(${ids}::integer[])),
      prototypes as (delete from permissionprototype
        where delegate_user_id = any(${ids}::integer[]) or activating_user_id = any(${ids}::integer[])),
      logins as (delete from federatedlogin where user_id = any(${ids}::integer[])),
      tokens as (delete from robotaccounttoken where robot_account_id = any(${ids}::integer[]))
    delete from robotaccountmetadata where robot_account_id = any(${ids}::integer[])`;
}

export async function deleteRobotAccounts(sql: Sql, robotIds: readonly number[]): Promise<void> {
  await sql`delete from "user" where robot and id = any(${[...robotIds]}::integer[])`;
}

/** Mirrors that push as one of the robots end with it (their namespace is going away). */
export async function deleteMirrorsOfRobots(sql: Sql, robotIds: readonly number[]): Promise<void> {
  await sql`delete from repomirrorconfig where internal_robot_id = any(${[...robotIds]}::integer[])`;
}
