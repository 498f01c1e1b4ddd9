import * as z from "zod";
import { REPOSITORY_EVENTS } from "../../domain/notifications/events.ts";
import { NOTIFICATION_METHODS } from "../../domain/notifications/methods.ts";
import { openRepository } from "../../domain/repositories/repositories.ts";
import {
  createRepositoryNotification,
  findRepositoryNotification,
  listRepositoryNotifications,
  readConfig,
  removeRepositoryNotification,
  type RepositoryNotificationRow,
  resetRepositoryNotification,
  testRepositoryNotification,
} from "../../domain/notifications/repository_notifications.ts";
import { type ApiRequest, defineRoute, NO_CONTENT, reply, repositoryPath, type Route } from "./route.ts";

const fieldsSchema = z.record(z.string(), z.unknown());

const notificationSchema = z.object({
  uuid: z.string(),
  title: z.string().nullable(),
  event: z.string(),
  method: z.string(),
  config: fieldsSchema,
  event_config: fieldsSchema,
  number_of_failures: z.int().meta({ description: "At 3 it is sent no more, until it is reset." }),
});

export const repositoryNotificationRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/notification/",
    operationId: "listRepoNotifications",
    summary: "What is told of this repository, and how.",
    scope: "repo:admin",
    responses: { 200: z.object({ notifications: z.array(notificationSchema) }) },
    async handle(request) {
      const rows = await listRepositoryNotifications(request.deps, await administered(request));
      return reply({ notifications: rows.map(notificationView) });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/notification/",
    operationId: "createRepoNotification",
    summary: "Has an event of the repository told.",
    scope: "repo:admin",
    body: z.object({
      event: z.enum(REPOSITORY_EVENTS),
      method: z.enum(NOTIFICATION_METHODS),
      config: fieldsSchema.meta({
        description:
          "quay_notification: target {kind, name}; email: email; webhook: url and perhaps template; slack: url.",
      }),
      eventConfig: fieldsSchema.meta({
        description: "vulnerability_found: level 0 to 5; repo_image_expiry: days; builds: ref-regex.",
      }),
      title: z.string().max(255).nullish(),
    }),
    responses: { 201: notificationSchema },
    async handle(request) {
      const { deps, actor, body } = request;
      const repository = await administered(request);
      const made = await createRepositoryNotification(deps, actor, repository, {
        ...body,
        title: body.title ?? null,
      });
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
        notificationView(await findRepositoryNotification(request.deps, repository, request.params.uuid)),
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
      await resetRepositoryNotification(deps, actor, await administered(request), params.uuid);
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
      await removeRepositoryNotification(deps, actor, await administered(request), params.uuid);
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
      await testRepositoryNotification(deps, await administered(request), params.uuid);
      return reply({});
    },
  }),
];

function administered({ deps, actor, params }: ApiRequest<"repository">) {
  return openRepository(deps, actor, repositoryPath(params.repository), "admin");
}

function notificationView(row: RepositoryNotificationRow): z.infer<typeof notificationSchema> {
  return {
    uuid: row.uuid,
    title: row.title,
    event: row.event,
    method: row.method,
    config: readConfig(row.config),
    event_config: readConfig(row.eventConfig),
    number_of_failures: row.failures,
  };
}
