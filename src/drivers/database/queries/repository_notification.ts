import type { Sql } from "../postgres.ts";

/** After so many failed deliveries in a row a notification is sent no more until it is reset (Quay's number). */
export const FAILURES_MAX = 3;

/** A notification that wants an event, with whose it is. */
export interface ActiveNotification {
  readonly uuid: string;
  readonly eventConfig: Readonly<Record<string, unknown>>;
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
    select n.uuid, n.event_config_json::json as "eventConfig", u.username as namespace, r.name as repository
    from repositorynotification n join externalnotificationevent e on e.id = n.event_id
      join repository r on r.id = n.repository_id join "user" u on u.id = r.namespace_user_id
    where n.repository_id = ${repositoryId} and e.name = ${event} and n.number_of_failures < ${FAILURES_MAX}
    order by n.id`;
}
