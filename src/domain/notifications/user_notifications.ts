/** What the application tells a person. Who puts it there: `notifyUsers`. */
import {
  selectUndismissedNotifications,
  selectUserNotification,
  updateUserNotification,
  type UserNotificationRow,
} from "../../drivers/database/queries/user_notification.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { requirePerson } from "../access/rights.ts";

export type { UserNotificationRow };

/**
 * What the person, and the organizations that the person administers, were told and nobody has dismissed, the youngest
 * first.
 * @param page.number 0 for the first
 * @throws {AppError} `unauthenticated`, `insufficient_scope`
 */
export async function listUserNotifications(
  { sql }: Pick<Deps, "sql">,
  actor: Actor,
  page: { number: number; limit: number },
): Promise<{ notifications: UserNotificationRow[]; more: boolean }> {
  const person = requirePerson(actor, "user:read");
  const { number, limit } = page;
  const rows = await selectUndismissedNotifications(sql, person.id, {
    offset: number * limit,
    limit: limit + 1,
  });
  return { notifications: rows.slice(0, limit), more: rows.length > limit };
}

/** @throws {AppError} `not_found`; `unauthenticated`, `insufficient_scope` */
export async function findUserNotification(
  { sql }: Pick<Deps, "sql">,
  actor: Actor,
  uuid: string,
): Promise<UserNotificationRow> {
  const row = await selectUserNotification(sql, requirePerson(actor, "user:read").id, uuid);
  if (row === undefined) throw new AppError("not_found", "Not Found");
  return row;
}

/** Takes it from the list, or puts it back. One of an organization is gone for all of its administrators. */
export async function setUserNotificationDismissed(
  { sql }: Pick<Deps, "sql">,
  actor: Actor,
  uuid: string,
  dismissed: boolean,
): Promise<UserNotificationRow> {
  const person = requirePerson(actor, "user:admin");
  if (!await updateUserNotification(sql, person.id, uuid, dismissed)) {
    throw new AppError("not_found", "Not Found");
  }
  return await findUserNotification({ sql }, actor, uuid);
}
