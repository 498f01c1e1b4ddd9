import type { Sql } from "../postgres.ts";
import { REPOSITORY_STATE } from "./repository.ts";

/** After so many failed deliveries in a row a notification is sent no more until it is reset (Quay's number). */
export const FAILURES_MAX = 3;

/** A notification that wants an event, with whose it is. */
export interface ActiveNotification {
  readonly uuid: string;
  /** JSON. */
  readonly eventConfig: string;
  readonly namespace: string;
  readonly repository: string;
}

/** Those of one repository for one event that have not failed too often. By the index on the repository. */
export function selectActiveNotifications(
  sql: Sql,
  repositoryId: number,
  event: string,
): Promise<ActiveNotification[]> {
  return sql<ActiveNotification[]>`
    select n.uuid, n.event_config_json as "eventConfig", u.username as namespace, r.name as repository
    from repositorynotification n join externalnotificationevent e on e.id = n.event_id
      join repository r on r.id = n.repository_id join "user" u on u.id = r.namespace_user_id
    where n.repository_id = ${repositoryId} and e.name = ${event} and n.number_of_failures < ${FAILURES_MAX}
    order by n.id`;
}

export interface RepositoryNotificationRow {
  readonly id: number;
  readonly uuid: string;
  readonly title: string | null;
  readonly event: string;
  readonly method: string;
  /** JSON. */
  readonly config: string;
  /** JSON. */
  readonly eventConfig: string;
  readonly failures: number;
}

const columns = (sql: Sql) =>
  sql`
  n.id, n.uuid, n.title, e.name as event, m.name as method, n.config_json as config,
  n.event_config_json as "eventConfig", n.number_of_failures as failures`;

const tables = (sql: Sql) =>
  sql`
  repositorynotification n join externalnotificationevent e on e.id = n.event_id
    join externalnotificationmethod m on m.id = n.method_id`;

export async function insertRepositoryNotification(
  sql: Sql,
  row: {
    repositoryId: number;
    title: string | null;
    event: string;
    method: string;
    config: Readonly<Record<string, unknown>>;
    eventConfig: Readonly<Record<string, unknown>>;
  },
): Promise<string> {
  const uuid = crypto.randomUUID();
  await sql`
    insert into repositorynotification (uuid, repository_id, event_id, method_id, title, config_json, event_config_json)
    values (${uuid}, ${row.repositoryId}, (select id from externalnotificationevent where name = ${row.event}),
      (select id from externalnotificationmethod where name = ${row.method}), ${row.title},
      ${JSON.stringify(row.config)}, ${JSON.stringify(row.eventConfig)})`;
  return uuid;
}

/** Of one repository, in the order in which they were made. */
export function selectRepositoryNotifications(
  sql: Sql,
  repositoryId: number,
): Promise<RepositoryNotificationRow[]> {
  return sql<RepositoryNotificationRow[]>`
    select ${columns(sql)} from ${tables(sql)} where n.repository_id = ${repositoryId} order by n.id`;
}

export async function selectRepositoryNotification(
  sql: Sql,
  repositoryId: number,
  uuid: string,
): Promise<RepositoryNotificationRow | undefined> {
  const [row] = await sql<RepositoryNotificationRow[]>`
    select ${columns(sql)} from ${tables(sql)} where n.repository_id = ${repositoryId} and n.uuid = ${uuid}`;
  return row;
}

/** @returns whether it was there */
export async function deleteRepositoryNotification(sql: Sql, id: number): Promise<boolean> {
  return (await sql`delete from repositorynotification where id = ${id}`).count === 1;
}

/** What a delivery needs to know; nothing once the repository is marked for deletion. */
export interface DeliverableNotification extends RepositoryNotificationRow {
  readonly repositoryId: number;
  readonly namespaceId: number;
  readonly namespace: string;
}

export async function selectDeliverableNotification(
  sql: Sql,
  uuid: string,
): Promise<DeliverableNotification | undefined> {
  const [row] = await sql<DeliverableNotification[]>`
    select ${columns(sql)}, r.id as "repositoryId", u.id as "namespaceId", u.username as namespace
    from ${
    tables(sql)
  } join repository r on r.id = n.repository_id join "user" u on u.id = r.namespace_user_id
    where n.uuid = ${uuid} and r.state <> ${REPOSITORY_STATE.MARKED_FOR_DELETION}`;
  return row;
}

/** Counts no failures any more, and that it ran. */
export async function markNotificationDelivered(sql: Sql, id: number, nowMs: number): Promise<void> {
  await sql`update repositorynotification set number_of_failures = 0, last_ran_ms = ${nowMs} where id = ${id}`;
}

/** @returns whether that was one too many: it is sent no more */
export async function markNotificationFailed(sql: Sql, uuid: string, nowMs: number): Promise<boolean> {
  const [row] = await sql<{ failures: number }[]>`
    update repositorynotification set number_of_failures = number_of_failures + 1, last_ran_ms = ${nowMs}
    where uuid = ${uuid} returning number_of_failures as failures`;
  return row !== undefined && row.failures >= FAILURES_MAX;
}

export async function resetNotificationFailures(sql: Sql, id: number): Promise<void> {
  await sql`update repositorynotification set number_of_failures = 0 where id = ${id}`;
}
