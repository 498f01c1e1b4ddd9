import type { Sql } from "../postgres.ts";
import { REPOSITORY_STATE } from "./repository.ts";

/** After so many failed deliveries in a row a notification is sent no more until it is reset (Quay's number). */
export const FAILURES_MAX = 3;

/** Whose a notification is. */
export type NotificationPlace =
  | { readonly kind: "repository"; readonly repositoryId: number }
  | { readonly kind: "namespace"; readonly namespaceId: number };

/** A notification that wants an event, with whose it is. */
export interface ActiveNotification {
  readonly uuid: string;
  /** JSON. */
  readonly eventConfig: string;
  readonly namespace: string;
  /** Null: the namespace's own. */
  readonly repository: string | null;
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

/** Those of one namespace itself. */
export function selectActiveNamespaceNotifications(
  sql: Sql,
  namespaceId: number,
  event: string,
): Promise<ActiveNotification[]> {
  return sql<ActiveNotification[]>`
    select n.uuid, n.event_config_json as "eventConfig", u.username as namespace, null as repository
    from namespacenotification n join externalnotificationevent e on e.id = n.event_id
      join "user" u on u.id = n.namespace_id
    where n.namespace_id = ${namespaceId} and e.name = ${event} and n.number_of_failures < ${FAILURES_MAX}
    order by n.id`;
}

export interface NotificationRow {
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

const table = (sql: Sql, { kind }: Pick<NotificationPlace, "kind">) =>
  kind === "repository" ? sql`repositorynotification` : sql`namespacenotification`;
const isOf = (sql: Sql, place: NotificationPlace) =>
  place.kind === "repository"
    ? sql`n.repository_id = ${place.repositoryId}`
    : sql`n.namespace_id = ${place.namespaceId}`;
const tables = (sql: Sql, place: Pick<NotificationPlace, "kind">) =>
  sql`
  ${table(sql, place)} n join externalnotificationevent e on e.id = n.event_id
    join externalnotificationmethod m on m.id = n.method_id`;

export interface NewNotificationRow {
  readonly title: string | null;
  readonly event: string;
  readonly method: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly eventConfig: Readonly<Record<string, unknown>>;
}

/** @returns its uuid */
export async function insertNotification(
  sql: Sql,
  place: NotificationPlace,
  row: NewNotificationRow,
): Promise<string> {
  const uuid = crypto.randomUUID();
  const owner = place.kind === "repository"
    ? { column: "repository_id", id: place.repositoryId }
    : { column: "namespace_id", id: place.namespaceId };
  await sql`
    insert into ${table(sql, place)} (uuid, ${
    sql(owner.column)
  }, event_id, method_id, title, config_json, event_config_json)
    values (${uuid}, ${owner.id}, (select id from externalnotificationevent where name = ${row.event}),
      (select id from externalnotificationmethod where name = ${row.method}), ${row.title},
      ${JSON.stringify(row.config)}, ${JSON.stringify(row.eventConfig)})`;
  return uuid;
}

/** Of one place, in the order in which they were made. */
export function selectNotifications(sql: Sql, place: NotificationPlace): Promise<NotificationRow[]> {
  return sql<NotificationRow[]>`
    select ${columns(sql)} from ${tables(sql, place)} where ${isOf(sql, place)} order by n.id`;
}

export async function selectNotification(
  sql: Sql,
  place: NotificationPlace,
  uuid: string,
): Promise<NotificationRow | undefined> {
  const [row] = await sql<NotificationRow[]>`
    select ${columns(sql)} from ${tables(sql, place)} where ${isOf(sql, place)} and n.uuid = ${uuid}`;
  return row;
}

/** @returns whether it was there */
export async function deleteNotification(
  sql: Sql,
  place: Pick<NotificationPlace, "kind">,
  id: number,
): Promise<boolean> {
  return (await sql`delete from ${table(sql, place)} where id = ${id}`).count === 1;
}

/** What a delivery needs to know; nothing once the repository is marked for deletion. */
export interface DeliverableNotification extends NotificationRow {
  /** Null: the namespace's own. */
  readonly repositoryId: number | null;
  readonly namespaceId: number;
  readonly namespace: string;
}

export async function selectDeliverableNotification(
  sql: Sql,
  uuid: string,
): Promise<DeliverableNotification | undefined> {
  const [row] = await sql<DeliverableNotification[]>`
    select ${columns(sql)}, r.id as "repositoryId", u.id as "namespaceId", u.username as namespace
    from ${tables(sql, { kind: "repository" })}
      join repository r on r.id = n.repository_id join "user" u on u.id = r.namespace_user_id
    where n.uuid = ${uuid} and r.state <> ${REPOSITORY_STATE.MARKED_FOR_DELETION}
    union all
    select ${columns(sql)}, null, u.id, u.username
    from ${tables(sql, { kind: "namespace" })} join "user" u on u.id = n.namespace_id
    where n.uuid = ${uuid}`;
  return row;
}

/** Counts no failures any more, and that it ran. */
export async function markNotificationDelivered(
  sql: Sql,
  { id, repositoryId }: Pick<DeliverableNotification, "id" | "repositoryId">,
  nowMs: number,
): Promise<void> {
  const kind = repositoryId === null ? "namespace" : "repository";
  await sql`
    update ${table(sql, { kind })} set number_of_failures = 0, last_ran_ms = ${nowMs} where id = ${id}`;
}

/** @returns whether that was one too many: it is sent no more */
export async function markNotificationFailed(sql: Sql, uuid: string, nowMs: number): Promise<boolean> {
  const set = sql`set number_of_failures = number_of_failures + 1, last_ran_ms = ${nowMs}`;
  const [row] = await sql<{ failures: number }[]>`
    with of_repository as (
      update repositorynotification ${set} where uuid = ${uuid} returning number_of_failures
    ), of_namespace as (
      update namespacenotification ${set} where uuid = ${uuid} returning number_of_failures
    )
    select number_of_failures as failures from of_repository union all select number_of_failures from of_namespace`;
  return row !== undefined && row.failures >= FAILURES_MAX;
}

export async function resetNotificationFailures(
  sql: Sql,
  place: Pick<NotificationPlace, "kind">,
  id: number,
): Promise<void> {
  await sql`update ${table(sql, place)} set number_of_failures = 0 where id = ${id}`;
}
