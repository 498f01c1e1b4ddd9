import * as z from "zod";
import { createMessage, listMessages, removeMessage } from "../../domain/notifications/messages.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";
import { FOR_SUPERUSERS, requireSuperuserFeature } from "./superuser.ts";

const content = z.string();
const mediaType = z.enum(["text/plain", "text/markdown"]);
const severity = z.enum(["info", "warning", "error"]);

export const messageRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/messages",
    operationId: "getGlobalMessages",
    summary: "What superusers tell everybody.",
    responses: {
      200: z.object({
        messages: z.array(z.object({ uuid: z.string(), content, severity, media_type: mediaType })),
      }),
    },
    async handle({ deps }) {
      const messages = await listMessages(deps);
      return reply({
        messages: messages.map(({ mediaType, ...rest }) => ({ ...rest, media_type: mediaType })),
      });
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "POST",
    path: "/messages",
    operationId: "createGlobalMessage",
    summary: "Tells everybody something.",
    body: z.object({ message: z.object({ content, media_type: mediaType, severity }) }),
    responses: { 201: null },
    async handle({ deps, actor, body: { message } }) {
      requireSuperuserFeature(deps);
      await createMessage(deps, actor, {
        content: message.content,
        mediaType: message.media_type,
        severity: message.severity,
      });
      return { status: 201 };
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "DELETE",
    path: "/message/{uuid}",
    operationId: "deleteGlobalMessage",
    summary: "Takes a message back.",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      requireSuperuserFeature(deps);
      await removeMessage(deps, actor, params.uuid);
      return NO_CONTENT;
    },
  }),
];
