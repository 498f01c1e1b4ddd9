/** Notifications of repositories and namespaces, as every answer shows them. */
import * as z from "zod";
import type { NotificationEvent } from "../../domain/notifications/events.ts";
import { NOTIFICATION_METHODS } from "../../domain/notifications/methods.ts";
import { type NotificationRow, readConfig } from "../../domain/notifications/notification_settings.ts";

const fieldsSchema = z.record(z.string(), z.unknown());

export const notificationSchema = z.object({
  uuid: z.string(),
  title: z.string().nullable(),
  event: z.string(),
  method: z.string(),
  config: fieldsSchema,
  event_config: fieldsSchema,
  number_of_failures: z.int().meta({ description: "At 3 it is sent no more, until it is reset." }),
});

/** What is asked for. @param eventConfig what `eventConfig` may hold, for readers */
export function notificationBody<Event extends NotificationEvent>(
  events: readonly [Event, ...Event[]],
  eventConfig: string,
) {
  return z.object({
    event: z.enum(events),
    method: z.enum(NOTIFICATION_METHODS),
    config: fieldsSchema.meta({
      description:
        "quay_notification: target {kind, name}; email: email; webhook: url and perhaps template; slack: url.",
    }),
    eventConfig: fieldsSchema.meta({ description: eventConfig }),
    title: z.string().max(255).nullish().transform((title) => title ?? null),
  });
}

export function notificationView(row: NotificationRow): z.infer<typeof notificationSchema> {
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
