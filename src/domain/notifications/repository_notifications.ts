/** What a repository's administrators ask to be told of. Telling is `notifications.ts`. */
import type { Sql } from "../../drivers/database/postgres.ts";
import { insertQueueItems } from "../../drivers/database/queries/queue.ts";
import {
  deleteRepositoryNotification,
  insertRepositoryNotification,
  type RepositoryNotificationRow,
  resetNotificationFailures,
  selectRepositoryNotification,
  selectRepositoryNotifications,
} from "../../drivers/database/queries/repository_notification.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import type { LogKind } from "../logs/log_kinds.ts";
import { type EventData, type RepositoryEvent, sampleEvent } from "./events.ts";
import { checkEventConfig, checkMethodConfig, type NotificationMethod } from "./methods.ts";
import { queuedItem, readConfig } from "./notifications.ts";
import type { RepositoryRef } from "../repositories/repositories.ts";

export { readConfig };
export type { RepositoryNotificationRow };

export interface NewNotification {
  readonly event: RepositoryEvent;
  readonly method: NotificationMethod;
  readonly config: EventData;
  readonly eventConfig: EventData;
  readonly title: string | null;
}

/** @param repository opened by the caller for `admin`, as in all functions here */
export function listRepositoryNotifications(
  { sql }: Pick<Deps, "sql">,
  repository: RepositoryRef,
): Promise<RepositoryNotificationRow[]> {
  return selectRepositoryNotifications(sql, repository.id);
}

/** @throws {AppError} `not_found` */
export async function findRepositoryNotification(
  { sql }: Pick<Deps, "sql">,
  repository: RepositoryRef,
  uuid: string,
): Promise<RepositoryNotificationRow> {
  const row = await selectRepositoryNotification(sql, repository.id, uuid);
  if (row === undefined) throw new AppError("not_found", "Not Found");
  return row;
}

/** @throws {AppError} `invalid_request` when the method or the event lacks something, in words */
export async function createRepositoryNotification(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  repository: RepositoryRef,
  wanted: NewNotification,
): Promise<RepositoryNotificationRow> {
  checkEventConfig(wanted.event, wanted.eventConfig);
  await checkMethodConfig(deps, repository, wanted.method, wanted.config);
  return await deps.sql.begin(async (tx) => {
    const uuid = await insertRepositoryNotification(tx, { repositoryId: repository.id, ...wanted });
    const row = await selectRepositoryNotification(tx, repository.id, uuid);
    if (row === undefined) throw new Error("the notification was gone inside its own transaction");
    await logChange({ ...deps, sql: tx }, actor, "add_repo_notification", repository, row);
    return row;
  });
}

/** @throws {AppError} `invalid_request` when there is none of that uuid, as Quay has it */
export async function removeRepositoryNotification(
  deps: Pick<Deps, "sql" | "now">,
  actor: Actor,
  repository: RepositoryRef,
  uuid: string,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    const row = await requireNotification(tx, repository, uuid);
    if (!await deleteRepositoryNotification(tx, row.id)) throw unknown(repository, uuid);
    await logChange({ ...deps, sql: tx }, actor, "delete_repo_notification", repository, row);
  });
}

/** Delivers again what had failed too often. @throws {AppError} `invalid_request` when there is none of that uuid */
export async function resetRepositoryNotification(
  deps: Pick<Deps, "sql" | "now">,
  actor: Actor,
  repository: RepositoryRef,
  uuid: string,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    const row = await requireNotification(tx, repository, uuid);
    await resetNotificationFailures(tx, row.id);
    await logChange({ ...deps, sql: tx }, actor, "reset_repo_notification", repository, row);
  });
}

/**
 * Queues an event that could have been, marked as a test: delivered even to a notification that has failed too often.
 * @throws {AppError} `invalid_request` when there is none of that uuid
 */
export async function testRepositoryNotification(
  deps: Pick<Deps, "sql" | "config" | "metrics" | "now">,
  repository: RepositoryRef,
  uuid: string,
): Promise<void> {
  const row = await requireNotification(deps.sql, repository, uuid);
  const event = row.event as RepositoryEvent;
  const sample = sampleEvent(event, readConfig(row.eventConfig));
  await insertQueueItems(deps.sql, [
    queuedItem(deps, { uuid, namespace: repository.namespace, repository: repository.name }, event, {
      ...sample,
      test: true,
    }),
  ]);
}

async function requireNotification(
  sql: Sql,
  repository: RepositoryRef,
  uuid: string,
): Promise<RepositoryNotificationRow> {
  const row = await selectRepositoryNotification(sql, repository.id, uuid);
  if (row === undefined) throw unknown(repository, uuid);
  return row;
}

function unknown({ namespace, name }: RepositoryRef, uuid: string): AppError {
  return new AppError(
    "invalid_request",
    `No repository notification found for: ${namespace}, ${name}, ${uuid}`,
  );
}

async function logChange(
  deps: { readonly sql: Sql } & Pick<Deps, "now">,
  actor: Actor,
  kind: LogKind,
  repository: RepositoryRef,
  { uuid, event, method }: RepositoryNotificationRow,
): Promise<void> {
  await logAction(deps, actor, {
    kind,
    namespaceId: repository.namespaceId,
    repositoryId: repository.id,
    metadata: {
      repo: repository.name,
      namespace: repository.namespace,
      notification_id: uuid,
      event,
      method,
    },
  });
}
