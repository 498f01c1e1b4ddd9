/** What administrators of repositories and namespaces ask to be told of. Telling is `notifications.ts`. */
import type { Sql } from "../../drivers/database/postgres.ts";
import { insertQueueItems } from "../../drivers/database/queries/queue.ts";
import {
  deleteNotification,
  insertNotification,
  type NotificationRow,
  resetNotificationFailures,
  selectNotification,
  selectNotifications,
} from "../../drivers/database/queries/notification.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import type { LogKind } from "../logs/log_kinds.ts";
import { type EventData, type NotificationEvent, sampleEvent } from "./events.ts";
import { checkEventConfig, checkMethodConfig, type NotificationMethod } from "./methods.ts";
import { queuedItem, readConfig } from "./notifications.ts";
import { type NotificationOwner, placeOf } from "./owner.ts";

export { readConfig };
export type { NotificationRow };

export interface NewNotification {
  readonly event: NotificationEvent;
  readonly method: NotificationMethod;
  readonly config: EventData;
  readonly eventConfig: EventData;
  readonly title: string | null;
}

const LOG_KINDS = {
  repository: {
    create: "add_repo_notification",
    remove: "delete_repo_notification",
    reset: "reset_repo_notification",
  },
  namespace: {
    create: "create_namespace_notification",
    remove: "delete_namespace_notification",
    reset: "reset_namespace_notification",
  },
} as const satisfies Record<string, Record<string, LogKind>>;

/** @param owner opened by the caller for administration, as in all functions here */
export function listNotifications(
  { sql }: Pick<Deps, "sql">,
  owner: NotificationOwner,
): Promise<NotificationRow[]> {
  return selectNotifications(sql, placeOf(owner));
}

/** @throws {AppError} `not_found` */
export async function findNotification(
  { sql }: Pick<Deps, "sql">,
  owner: NotificationOwner,
  uuid: string,
): Promise<NotificationRow> {
  const row = await selectNotification(sql, placeOf(owner), uuid);
  if (row === undefined) throw new AppError("not_found", "Not Found");
  return row;
}

/** @throws {AppError} `invalid_request` when the method or the event lacks something, in words */
export async function createNotification(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  owner: NotificationOwner,
  wanted: NewNotification,
): Promise<NotificationRow> {
  checkEventConfig(wanted.event, wanted.eventConfig);
  await checkMethodConfig(deps, owner, wanted.method, wanted.config);
  const place = placeOf(owner);
  return await deps.sql.begin(async (tx) => {
    const uuid = await insertNotification(tx, place, wanted);
    const row = await selectNotification(tx, place, uuid);
    if (row === undefined) throw new Error("the notification was gone inside its own transaction");
    await logChange({ ...deps, sql: tx }, actor, "create", owner, row);
    return row;
  });
}

/** @throws {AppError} when there is none of that uuid, as {@link unknown} has it */
export async function removeNotification(
  deps: Pick<Deps, "sql" | "now">,
  actor: Actor,
  owner: NotificationOwner,
  uuid: string,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    const row = await requireNotification(tx, owner, uuid);
    if (!await deleteNotification(tx, owner, row.id)) throw unknown(owner, uuid);
    await logChange({ ...deps, sql: tx }, actor, "remove", owner, row);
  });
}

/** Delivers again what had failed too often. @throws {AppError} when there is none of that uuid */
export async function resetNotification(
  deps: Pick<Deps, "sql" | "now">,
  actor: Actor,
  owner: NotificationOwner,
  uuid: string,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    const row = await requireNotification(tx, owner, uuid);
    await resetNotificationFailures(tx, owner, row.id);
    await logChange({ ...deps, sql: tx }, actor, "reset", owner, row);
  });
}

/**
 * Queues an event that could have been, marked as a test: delivered even to a notification that has failed too often.
 * @throws {AppError} when there is none of that uuid
 */
export async function testNotification(
  deps: Pick<Deps, "sql" | "config" | "metrics" | "now">,
  owner: NotificationOwner,
  uuid: string,
): Promise<void> {
  const row = await requireNotification(deps.sql, owner, uuid);
  const event = row.event as NotificationEvent;
  const sample = sampleEvent(event, readConfig(row.eventConfig));
  const repository = owner.kind === "repository" ? owner.name : null;
  await insertQueueItems(deps.sql, [
    queuedItem(deps, { uuid, namespace: owner.namespace, repository }, event, { ...sample, test: true }),
  ]);
}

async function requireNotification(
  sql: Sql,
  owner: NotificationOwner,
  uuid: string,
): Promise<NotificationRow> {
  const row = await selectNotification(sql, placeOf(owner), uuid);
  if (row === undefined) throw unknown(owner, uuid);
  return row;
}

/** Of a repository a bad request, of a namespace not found: Quay has it so. */
function unknown(owner: NotificationOwner, uuid: string): AppError {
  return owner.kind === "namespace" ? new AppError("not_found", "Not Found") : new AppError(
    "invalid_request",
    `No repository notification found for: ${owner.namespace}, ${owner.name}, ${uuid}`,
  );
}

async function logChange(
  deps: { readonly sql: Sql } & Pick<Deps, "now">,
  actor: Actor,
  change: keyof (typeof LOG_KINDS)["repository"],
  owner: NotificationOwner,
  { uuid, event, method }: NotificationRow,
): Promise<void> {
  const { namespaceId, namespace } = owner;
  await logAction(deps, actor, {
    kind: LOG_KINDS[owner.kind][change],
    namespaceId,
    ...(owner.kind === "repository" && { repositoryId: owner.id }),
    metadata: {
      ...(owner.kind === "repository" && { repo: owner.name }),
      namespace,
      notification_id: uuid,
      event,
      method,
    },
  });
}
