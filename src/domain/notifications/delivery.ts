/** Carries what `notifications.ts` has queued to where it belongs. Network: never inside a transaction. */
import {
  type DeliverableNotification,
  FAILURES_MAX,
  markNotificationDelivered,
  markNotificationFailed,
  selectDeliverableNotification,
} from "../../drivers/database/queries/notification.ts";
import { AppError } from "../../lib/errors.ts";
import { parseJsonTemplate } from "../../lib/json_template.ts";
import type { WebhookClient } from "../../lib/webhook_client.ts";
import type { Deps } from "../deps.ts";
import { describeEvent, type EventData, type EventTone, type NotificationEvent } from "./events.ts";
import { findTargets, GONE, hostOf, isOwnHost, mayBeMailed, type NotificationMethod } from "./methods.ts";
import { notifyUsers, type QueuedNotification, readConfig } from "./notifications.ts";

export type DeliveryDeps = Pick<Deps, "sql" | "config" | "mail" | "log" | "now"> & {
  readonly webhooks: WebhookClient;
};

/** Longest piece of an event that a chat or a mail shows. */
const DETAIL_MAX = 2000;

/**
 * Delivers one queued event by its notification's method. Nothing happens for a notification that is gone or has failed
 * too often, unless the event is a test. What no other try would change counts as a failure at once.
 * Done twice when a node dies in between: receivers must bear that, as with Quay.
 * @throws what the method says; to be tried again
 */
export async function deliverNotification(
  deps: DeliveryDeps,
  queued: unknown,
  signal?: AbortSignal,
): Promise<void> {
  const { notification_uuid: uuid, event_data: body } = queued as QueuedNotification;
  const notification = await selectDeliverableNotification(deps.sql, uuid);
  if (notification === undefined) return;
  if (notification.failures >= FAILURES_MAX && body.test !== true) return;
  try {
    await send(deps, notification, body, signal);
  } catch (error) {
    if (!(error instanceof Hopeless)) throw error;
    await giveUpNotification(deps, queued, error);
    return;
  }
  await markNotificationDelivered(deps.sql, notification, deps.now());
}

/** Counts an event that could not be delivered; the third in a row disables its notification. */
export async function giveUpNotification(
  { sql, log, now }: Pick<Deps, "sql" | "log" | "now">,
  queued: unknown,
  error: unknown,
): Promise<void> {
  const uuid = (queued as Partial<QueuedNotification> | undefined)?.notification_uuid;
  if (typeof uuid !== "string") return;
  const disabled = await markNotificationFailed(sql, uuid, now());
  log.warn(
    disabled
      ? "a notification failed too often: it is sent no more until it is reset"
      : "a notification could not be delivered",
    { notification: uuid, error },
  );
}

/** Another try would end the same. */
class Hopeless extends Error {}

async function send(
  deps: DeliveryDeps,
  notification: DeliverableNotification,
  body: EventData,
  signal: AbortSignal | undefined,
): Promise<void> {
  const config = readConfig(notification.config);
  const event = notification.event as NotificationEvent;
  const method = notification.method as NotificationMethod;
  switch (method) {
    case "quay_notification":
      return await putIntoApplication(deps, notification, body);
    case "email":
      return await mail(deps, notification, body, signal);
    case "webhook": {
      const url = webAddress(deps, config.url);
      return await deps.webhooks.postJson(url, webhookBody(config.template, body), signal);
    }
    case "slack": {
      const url = webAddress(deps, config.url);
      return await deps.webhooks.postJson(url, slackMessage(event, notification.title, body), signal);
    }
    default:
      throw new Hopeless(GONE[method] ?? `unknown method ${method}`);
  }
}

async function putIntoApplication(
  deps: DeliveryDeps,
  notification: DeliverableNotification,
  body: EventData,
): Promise<void> {
  const targetIds = await findTargets(deps, notification, readConfig(notification.config)).catch((cause) => {
    throw cause instanceof AppError ? new Hopeless(cause.publicMessage, { cause }) : cause;
  });
  if (targetIds.length === 0) return;
  await notifyUsers(deps, {
    kind: notification.event as NotificationEvent,
    targetIds,
    metadata: body,
  });
}

async function mail(
  deps: DeliveryDeps,
  notification: DeliverableNotification,
  body: EventData,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { email } = readConfig(notification.config);
  // It may have been allowed once and not be any more.
  if (typeof email !== "string" || !await mayBeMailed(deps.sql, notification, email)) {
    throw new Hopeless("the e-mail address is not authorized to receive these notifications");
  }
  const { summary, details } = describeEvent(notification.event as NotificationEvent, body);
  const lines = [...(body.test === true ? ["This is a test of the notification."] : []), ...details].map(cut);
  const homepage = String(body.homepage);
  const about = `Sent by ${deps.config.REGISTRY_TITLE} because of the notification ${
    notification.title === null || notification.title === "" ? notification.uuid : `"${notification.title}"`
  } of ${subjectOf(body)}.`;
  await deps.mail.send({
    to: email,
    subject: body.test === true ? `[Test] ${summary}` : summary,
    text: `${[summary, ...lines, homepage].join("\n\n")}\n\n-- \n${about}\n`,
    html: [
      `<p><strong>${escapeHtml(summary)}</strong></p>`,
      ...lines.map((line) => `<p>${escapeHtml(line)}</p>`),
      `<p><a href="${escapeHtml(homepage)}">${escapeHtml(homepage)}</a></p>`,
      `<p><small>${escapeHtml(about)}</small></p>`,
    ].join("\n"),
  }, signal);
}

/** The event's body, or what the template makes of it. */
function webhookBody(template: unknown, body: EventData): unknown {
  return typeof template === "string" && template !== "" ? parseJsonTemplate(template).render(body) : body;
}

/** Slack's own names of colours where it has one. */
const COLORS: Readonly<Record<EventTone, string>> = {
  info: "#3999DF",
  success: "good",
  warning: "warning",
  error: "danger",
};

/** What it happened to, by name. */
function subjectOf(body: EventData): string {
  return String(body.repository ?? body.namespace);
}

function slackMessage(event: NotificationEvent, title: string | null, body: EventData) {
  const { summary, tone, details } = describeEvent(event, body);
  const subject = escapeSlack(subjectOf(body));
  const linked = `<${escapeSlack(String(body.homepage))}|${subject}>`;
  const lines = [
    escapeSlack(summary).replace(subject, () => linked),
    ...details.map((detail) => escapeSlack(cut(detail))),
  ];
  return {
    attachments: [{
      fallback: summary,
      ...(title === null || title === "" ? {} : { title }),
      text: lines.join("\n"),
      color: COLORS[tone],
      mrkdwn_in: ["text"],
      ...(body.test === true ? { footer: "This is a test of the notification." } : {}),
    }],
  };
}

/** @throws {Hopeless} for an address that was allowed once and is not any more */
function webAddress({ config }: DeliveryDeps, url: unknown): string {
  if (typeof url !== "string" || !URL.canParse(url)) throw new Hopeless("the notification has no address");
  const host = hostOf(new URL(url));
  if (isOwnHost(config, host)) throw new Hopeless(`webhooks may not go to ${host}`);
  return url;
}

function cut(text: string): string {
  return text.length > DETAIL_MAX ? `${text.slice(0, DETAIL_MAX)}…` : text;
}

const HTML: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => HTML[sign] ?? sign);
}

function escapeSlack(text: string): string {
  return text.replace(/[&<>]/g, (sign) => HTML[sign] ?? sign);
}
