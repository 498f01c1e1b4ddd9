import * as z from "zod";
import { readConfig } from "../../domain/notifications/notification_settings.ts";
import {
  findUserNotification,
  listUserNotifications,
  setUserNotificationDismissed,
  type UserNotificationRow,
} from "../../domain/notifications/user_notifications.ts";
import { integerParam, rfc2822 } from "./fields.ts";
import { defineRoute, reply, type Route } from "./route.ts";

const MOST_ON_A_PAGE = 100;

const notificationSchema = z.object({
  id: z.string(),
  organization: z.string().nullable().meta({ description: "Of whom the person is an administrator." }),
  kind: z.string(),
  created: z.string(),
  metadata: z.record(z.string(), z.unknown()),
  dismissed: z.boolean(),
});

export const userNotificationRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/user/notifications",
    operationId: "listUserNotifications",
    summary: "What the signed-in user was told and has not dismissed, the youngest first.",
    scope: "user:read",
    query: z.object({
      page: integerParam(0),
      limit: integerParam(5).meta({ description: "Notifications on a page, 1 to 100." }),
    }),
    responses: { 200: z.object({ notifications: z.array(notificationSchema), additional: z.boolean() }) },
    async handle({ deps, actor, query }) {
      const { notifications, more } = await listUserNotifications(deps, actor, {
        number: Math.min(10_000, Math.max(0, query.page)),
        limit: Math.min(MOST_ON_A_PAGE, Math.max(1, query.limit)),
      });
      return reply({ notifications: notifications.map(notificationView), additional: more });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/user/notifications/{uuid}",
    operationId: "getUserNotification",
    summary: "One of them, dismissed or not.",
    scope: "user:read",
    responses: { 200: notificationSchema },
    async handle({ deps, actor, params }) {
      return reply(notificationView(await findUserNotification(deps, actor, params.uuid)));
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/user/notifications/{uuid}",
    operationId: "updateUserNotification",
    summary: "Dismisses it, or takes that back.",
    scope: "user:admin",
    body: z.object({ dismissed: z.boolean().optional() }),
    responses: { 200: notificationSchema },
    async handle({ deps, actor, params, body }) {
      const changed = await setUserNotificationDismissed(deps, actor, params.uuid, body.dismissed ?? false);
      return reply(notificationView(changed));
    },
  }),
];

function notificationView(row: UserNotificationRow): z.infer<typeof notificationSchema> {
  return {
    id: row.uuid,
    organization: row.organization,
    kind: row.kind,
    created: rfc2822(row.createdMs),
    metadata: readConfig(row.metadata),
    dismissed: row.dismissed,
  };
}
