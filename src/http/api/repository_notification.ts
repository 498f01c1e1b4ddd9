import * as z from "zod";
import { REPOSITORY_EVENTS } from "../../domain/notifications/events.ts";
import { openRepository } from "../../domain/repositories/repositories.ts";
import {
  createNotification,
  findNotification,
  listNotifications,
  removeNotification,
  resetNotification,
  testNotification,
} from "../../domain/notifications/notification_settings.ts";
import { type NotificationOwner, ofRepository } from "../../domain/notifications/owner.ts";
import { notificationBody, notificationSchema, notificationView } from "./notification_view.ts";
import { type ApiRequest, defineRoute, NO_CONTENT, reply, repositoryPath, type Route } from "./route.ts";

export const repositoryNotificationRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/notification/",
    operationId: "listRepoNotifications",
    summary: "What is told of this repository, and how.",
    scope: "repo:admin",
    responses: { 200: z.object({ notifications: z.array(notificationSchema) }) },
    async handle(request) {
      const rows = await listNotifications(request.deps, await administered(request));
      return reply({ notifications: rows.map(notificationView) });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/notification/",
    operationId: "createRepoNotification",
    summary: "Has an event of the repository told.",
    scope: "repo:admin",
    body: notificationBody(
      REPOSITORY_EVENTS,
      "vulnerability_found: level 0 to 5; repo_image_expiry: days; builds: ref-regex.",
    ),
    responses: { 201: notificationSchema },
    async handle(request) {
      const { deps, actor, body } = request;
      const repository = await administered(request);
      const made = await createNotification(deps, actor, repository, body);
      return reply(notificationView(made), 201);
    },
  }),
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/notification/{uuid}",
    operationId: "getRepoNotification",
    summary: "One notification of the repository.",
    scope: "repo:admin",
    responses: { 200: notificationSchema },
    async handle(request) {
      const repository = await administered(request);
      return reply(
        notificationView(await findNotification(request.deps, repository, request.params.uuid)),
      );
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/notification/{uuid}",
    operationId: "resetRepositoryNotificationFailures",
    summary: "Sends it again after it has failed too often.",
    scope: "repo:admin",
    responses: { 204: null },
    async handle(request) {
      const { deps, actor, params } = request;
      await resetNotification(deps, actor, await administered(request), params.uuid);
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/repository/{repository}/notification/{uuid}",
    operationId: "deleteRepoNotification",
    summary: "Has it told no more.",
    scope: "repo:admin",
    responses: { 204: null },
    async handle(request) {
      const { deps, actor, params } = request;
      await removeNotification(deps, actor, await administered(request), params.uuid);
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/notification/{uuid}/test",
    operationId: "testRepoNotification",
    summary: "Tells of an event that did not happen, marked as a test.",
    scope: "repo:admin",
    responses: { 200: z.object({}) },
    async handle(request) {
      const { deps, params } = request;
      await testNotification(deps, await administered(request), params.uuid);
      return reply({});
    },
  }),
];

async function administered({ deps, actor, params }: ApiRequest<"repository">): Promise<NotificationOwner> {
  return ofRepository(await openRepository(deps, actor, repositoryPath(params.repository), "admin"));
}
