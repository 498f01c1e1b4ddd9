/** Tells people what happened: the one place that other parts of the product call. Delivery is `notification_delivery.ts`. */
import type { Sql } from "../../drivers/database/postgres.ts";
import { insertQueueItems, type NewQueueItem } from "../../drivers/database/queries/queue.ts";
import {
  type ActiveNotification,
  selectActiveNamespaceNotifications,
  selectActiveNotifications,
} from "../../drivers/database/queries/notification.ts";
import {
  deleteUserNotifications,
  insertMissingUserNotifications,
  insertUserNotifications,
  type NotificationKind,
} from "../../drivers/database/queries/user_notification.ts";
import type { Deps } from "../deps.ts";
import {
  eventBody,
  type EventData,
  type NamespaceEvent,
  type NotificationEvent,
  type RepositoryEvent,
  wantsEvent,
} from "./events.ts";

export type { ActiveNotification, NotificationKind };

/** Where deliveries wait (Quay's name). */
export const NOTIFICATION_QUEUE = "notification";
/** Tries of one delivery. */
const TRIES = 5;

type NotifyDeps = { readonly sql: Sql } & Pick<Deps, "config" | "metrics" | "now">;

/** What waits in the queue for one notification: Quay's body. */
export interface QueuedNotification {
  readonly notification_uuid: string;
  readonly event_data: EventData;
  readonly performer_data: Readonly<Record<string, unknown>>;
}

/**
 * Queues one delivery for each notification of the repository that wants this event, in the caller's transaction when
 * `sql` is one: told if and only if it happened. One indexed statement where nobody asked.
 * @param event.data the event's own fields (api.md §9), such as `updated_tags` or `message`
 * @returns how many were queued
 */
export async function notifyRepository(
  deps: NotifyDeps,
  { repositoryId, event, data }: { repositoryId: number; event: RepositoryEvent; data: EventData },
): Promise<number> {
  const active = await selectActiveNotifications(deps.sql, repositoryId, event);
  return await queueNotifications(deps, event, active, data);
}

/** As {@link notifyRepository}, of what happened to a whole namespace. */
export async function notifyNamespace(
  deps: NotifyDeps,
  { namespaceId, event, data }: { namespaceId: number; event: NamespaceEvent; data: EventData },
): Promise<number> {
  const active = await selectActiveNamespaceNotifications(deps.sql, namespaceId, event);
  return await queueNotifications(deps, event, active, data);
}

/** The notifications that would be told of the event; for callers that look before their transaction. */
export function findNotifications(
  { sql }: { readonly sql: Sql },
  repositoryId: number,
  event: RepositoryEvent,
): Promise<ActiveNotification[]> {
  return selectActiveNotifications(sql, repositoryId, event);
}

/** The second half of {@link notifyRepository}. @returns how many of `active` want it and were queued */
export async function queueNotifications(
  deps: NotifyDeps,
  event: NotificationEvent,
  active: readonly ActiveNotification[],
  data: EventData,
): Promise<number> {
  const wanting = active.filter(({ eventConfig }) => wantsEvent(event, readConfig(eventConfig), data));
  if (wanting.length === 0) return 0;
  await insertQueueItems(
    deps.sql,
    wanting.map((notification) => queuedItem(deps, notification, event, data)),
  );
  return wanting.length;
}

/** What to put into the queue for one notification. Counts it as put. */
export function queuedItem(
  { config, metrics, now }: Pick<Deps, "config" | "metrics" | "now">,
  { uuid, namespace, repository }: Omit<ActiveNotification, "eventConfig">,
  event: NotificationEvent,
  data: EventData,
): NewQueueItem {
  const body: QueuedNotification = {
    notification_uuid: uuid,
    event_data: eventBody(config, { namespace, repository }, data),
    performer_data: {},
  };
  metrics.queueItemPuts.labels(NOTIFICATION_QUEUE).inc();
  return {
    queueName: `${NOTIFICATION_QUEUE}/${namespace}/${repository ?? uuid}/${event}/`,
    body: JSON.stringify(body),
    nowMs: now(),
    retries: TRIES,
  };
}

/** A notification's `config_json` or `event_config_json`; empty where a foreign writer has left something else. */
export function readConfig(json: string): EventData {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? value as EventData : {};
  } catch {
    return {};
  }
}

export interface UserNotification {
  readonly kind: NotificationKind;
  /** People, or organizations, whose administrators see it. */
  readonly targetIds: readonly number[];
  /** What the console shows: names, never secrets. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly lookupPath?: string | undefined;
}

/** Puts a message into the application for each of the targets, in the caller's transaction when `sql` is one. */
export async function notifyUsers(
  { sql, now }: { readonly sql: Sql } & Pick<Deps, "now">,
  notification: UserNotification,
): Promise<void> {
  await insertUserNotifications(sql, { ...notification, nowMs: now() });
}

/** As {@link notifyUsers}, except for those who still have an undismissed one of that kind (`password_required`). */
export async function notifyUsersOnce(
  { sql, now }: { readonly sql: Sql } & Pick<Deps, "now">,
  notification: UserNotification,
): Promise<void> {
  await insertMissingUserNotifications(sql, { ...notification, nowMs: now() });
}

/**
 * Takes messages back that have become pointless, such as an invitation that was answered.
 * @param matching fields of their metadata; `{}` for every one of that kind
 * @returns how many there were
 */
export function withdrawNotifications(
  { sql }: { readonly sql: Sql },
  what: { kind: NotificationKind; targetId: number; matching: Readonly<Record<string, unknown>> },
): Promise<number> {
  return deleteUserNotifications(sql, what);
}
