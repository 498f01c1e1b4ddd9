/** What is told of whole namespaces (Quay 3.18, `FEATURE_QUOTA_NOTIFICATIONS`): of organizations, and of one's own. */
import * as z from "zod";
import type { Actor } from "../../domain/access/access.ts";
import type { Deps } from "../../domain/deps.ts";
import { NAMESPACE_EVENTS } from "../../domain/notifications/events.ts";
import {
  createNotification,
  findNotification,
  listNotifications,
  removeNotification,
  resetNotification,
  testNotification,
} from "../../domain/notifications/notification_settings.ts";
import {
  type NotificationOwner,
  openOrganizationNotifications,
  openOwnNotifications,
  requireNamespaceNotifications,
} from "../../domain/notifications/owner.ts";
import { notificationBody, notificationSchema, notificationView } from "./notification_view.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";

const body = notificationBody(NAMESPACE_EVENTS, "Nothing is needed.");

/** One of the two addresses under which the same is done. */
interface Place {
  readonly path: "/organization/{orgname}/notifications" | "/user/namespacenotifications";
  readonly scope: "org:admin" | "user:admin";
  /** In the middle of the operationIds. */
  readonly name: "OrgNotification" | "UserNamespaceNotification";
  open(
    deps: Deps,
    actor: Actor,
    params: Readonly<Record<string, string>>,
    how: "read" | "change",
  ): Promise<NotificationOwner>;
}

function routesOf({ path, scope, name, open }: Place): readonly Route[] {
  const one = `${path}/{uuid}` as const;
  return [
    defineRoute({
      method: "GET",
      path,
      operationId: `list${name}s`,
      summary: "What is told of this namespace, and how.",
      scope,
      responses: { 200: z.object({ notifications: z.array(notificationSchema) }) },
      async handle({ deps, actor, params }) {
        requireNamespaceNotifications(deps);
        const rows = await listNotifications(deps, await open(deps, actor, params, "read"));
        return reply({ notifications: rows.map(notificationView) });
      },
    }),
    defineRoute({
      method: "POST",
      path,
      operationId: `create${name}`,
      summary: "Has it told when a quota is nearly, or wholly, used up.",
      scope,
      body,
      responses: { 201: notificationSchema },
      async handle({ deps, actor, params, body }) {
        requireNamespaceNotifications(deps);
        const owner = await open(deps, actor, params, "change");
        return reply(notificationView(await createNotification(deps, actor, owner, body)), 201);
      },
    }),
    defineRoute({
      method: "GET",
      path: one,
      operationId: `get${name}`,
      summary: "One notification of the namespace.",
      scope,
      responses: { 200: notificationSchema },
      async handle({ deps, actor, params }) {
        requireNamespaceNotifications(deps);
        const owner = await open(deps, actor, params, "read");
        return reply(notificationView(await findNotification(deps, owner, params.uuid)));
      },
    }),
    defineRoute({
      method: "POST",
      path: one,
      operationId: `reset${name}Failures`,
      summary: "Sends it again after it has failed too often.",
      scope,
      responses: { 204: null },
      async handle({ deps, actor, params }) {
        requireNamespaceNotifications(deps);
        await resetNotification(deps, actor, await open(deps, actor, params, "change"), params.uuid);
        return NO_CONTENT;
      },
    }),
    defineRoute({
      method: "DELETE",
      path: one,
      operationId: `delete${name}`,
      summary: "Has it told no more.",
      scope,
      responses: { 204: null },
      async handle({ deps, actor, params }) {
        requireNamespaceNotifications(deps);
        await removeNotification(deps, actor, await open(deps, actor, params, "change"), params.uuid);
        return NO_CONTENT;
      },
    }),
    defineRoute({
      method: "POST",
      path: `${one}/test`,
      operationId: `test${name}`,
      summary: "Tells of an event that did not happen, marked as a test.",
      scope,
      responses: { 200: z.object({}) },
      async handle({ deps, actor, params }) {
        requireNamespaceNotifications(deps);
        await testNotification(deps, await open(deps, actor, params, "change"), params.uuid);
        return reply({});
      },
    }),
  ];
}

export const namespaceNotificationRoutes: readonly Route[] = [
  ...routesOf({
    path: "/organization/{orgname}/notifications",
    scope: "org:admin",
    name: "OrgNotification",
    open: (deps, actor, params, how) => openOrganizationNotifications(deps, actor, params.orgname ?? "", how),
  }),
  ...routesOf({
    path: "/user/namespacenotifications",
    scope: "user:admin",
    name: "UserNamespaceNotification",
    open: (deps, actor) => openOwnNotifications(deps, actor),
  }),
];
