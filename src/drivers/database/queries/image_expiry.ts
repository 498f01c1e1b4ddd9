import type { Sql } from "../postgres.ts";
import { REPOSITORY_STATE } from "./repository.ts";
import { FAILURES_MAX } from "./notification.ts";

/** A notification whose turn it is to look for tags that end soon. */
export interface DueExpiryNotification {
  readonly id: number;
  readonly uuid: string;
  readonly methodId: number;
  readonly repositoryId: number;
  /** JSON. */
  readonly eventConfig: string;
  readonly namespace: string;
  readonly repository: string;
}

/**
 * Takes the `repo_image_expiry` notification that has not run for the longest, unless it ran after `ranBeforeMs`, and marks
 * it as run; no other node takes it meanwhile. By the index on event and last run.
 */
export async function claimExpiryNotification(
  sql: Sql,
  { ranBeforeMs, nowMs }: { ranBeforeMs: number; nowMs: number },
): Promise<DueExpiryNotification | undefined> {
  const [row] = await sql<DueExpiryNotification[]>`
    with due as (
      select n.id from repositorynotification n join repository r on r.id = n.repository_id
      where n.event_id = (select id from externalnotificationevent where name = 'repo_image_expiry')
        and (n.last_ran_ms is null or n.last_ran_ms < ${ranBeforeMs}) and n.number_of_failures < ${FAILURES_MAX}
        and r.state <> ${REPOSITORY_STATE.MARKED_FOR_DELETION}
      order by n.last_ran_ms nulls first limit 1 for update of n skip locked
    ), ran as (
      update repositorynotification n set last_ran_ms = ${nowMs} from due where n.id = due.id
      returning n.id, n.uuid, n.method_id, n.repository_id, n.event_config_json
    )
    select ran.id, ran.uuid, ran.method_id as "methodId", ran.repository_id as "repositoryId",
      ran.event_config_json as "eventConfig", u.username as namespace, r.name as repository
    from ran join repository r on r.id = ran.repository_id join "user" u on u.id = r.namespace_user_id`;
  return row;
}

/** Visible tags that end between the two moments and that this notification has not told of, the next to end first. */
export function selectUntoldEndingTags(
  sql: Sql,
  { notificationId, repositoryId, fromMs, untilMs, limit }: {
    notificationId: number;
    repositoryId: number;
    fromMs: number;
    untilMs: number;
    limit: number;
  },
): Promise<{ id: number; name: string }[]> {
  return sql<{ id: number; name: string }[]>`
    select t.id, t.name from tag t
    where t.repository_id = ${repositoryId} and t.lifetime_end_ms > ${fromMs} and t.lifetime_end_ms <= ${untilMs}
      and not t.hidden and not exists (
        select from tagnotificationsuccess s where s.notification_id = ${notificationId} and s.tag_id = t.id)
    order by t.lifetime_end_ms limit ${limit}`;
}

export async function insertToldTags(
  sql: Sql,
  row: { notificationId: number; methodId: number; tagIds: readonly number[] },
): Promise<void> {
  await sql`
    insert into tagnotificationsuccess (notification_id, tag_id, method_id)
    select ${row.notificationId}, id, ${row.methodId} from unnest(${[...row.tagIds]}::integer[]) tag (id)
    on conflict do nothing`;
}
