/** How people can be told, and what each way must be told before (api.md §9). Delivery: `notification_delivery.ts`. */
import { isEmailAuthorized } from "../../drivers/database/queries/authorized_email.ts";
import { selectTeam, selectTeamMembers } from "../../drivers/database/queries/team.ts";
import { isEmailOfAdministrator, selectAccount } from "../../drivers/database/queries/user.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import { parseJsonTemplate, TemplateError } from "../../lib/json_template.ts";
import { createHostGuard } from "../../lib/ssrf.ts";
import type { Deps } from "../deps.ts";
import { type EventData, type NotificationEvent, SEVERITIES } from "./events.ts";
import type { NotificationOwner } from "./owner.ts";

/** In the order of Quay's table `externalnotificationmethod`. */
export const NOTIFICATION_METHODS = [
  "quay_notification",
  "email",
  "webhook",
  "flowdock",
  "hipchat",
  "slack",
] as const;
export type NotificationMethod = (typeof NOTIFICATION_METHODS)[number];

/** Ways whose other end was switched off, and what to use now. */
export const GONE: Readonly<Partial<Record<NotificationMethod, string>>> = {
  flowdock: "Flowdock was shut down in 2022: nothing can be delivered there. Use webhook, slack or email.",
  hipchat: "HipChat was shut down in 2019: nothing can be delivered there. Use webhook, slack or email.",
};

/** Never the target of a webhook, whatever is allowed otherwise (config.md). */
const OWN_NAMES = ["localhost", "127.0.0.1", "::1", "0.0.0.0"];
const LONGEST_URL = 2048;

/**
 * Holds a new notification's `config` to what its method needs.
 * @param owner the caller may administer it
 * @throws {AppError} `invalid_request` in words about what to change
 */
export async function checkMethodConfig(
  deps: Pick<Deps, "sql" | "config">,
  owner: NotificationOwner,
  method: NotificationMethod,
  config: EventData,
): Promise<void> {
  switch (method) {
    case "quay_notification":
      return void await findTargets(deps, owner, config);
    case "email":
      return await checkEmail(deps, owner, config);
    case "webhook":
      await checkUrl(deps, config.url, "webhook");
      return checkTemplate(config.template);
    case "slack":
      return await checkUrl(deps, config.url, "Slack webhook");
    default:
      throw invalid(GONE[method] ?? `There is no method ${method}`);
  }
}

/** @throws {AppError} `invalid_request`: what an event needs to be told, and is not or is told wrongly */
export function checkEventConfig(event: NotificationEvent, eventConfig: EventData): void {
  if (event === "vulnerability_found" && eventConfig.level !== undefined) {
    if (!isWhole(eventConfig.level, 0, SEVERITIES.length - 1)) {
      const levels = SEVERITIES.map((severity, level) => `${level} ${severity}`).join(", ");
      throw invalid(`eventConfig.level must be one of: ${levels}`);
    }
  }
  if (event === "repo_image_expiry" && !isWhole(eventConfig.days, 1, 36_500)) {
    throw invalid("eventConfig.days must be a whole number of days, 1 or more");
  }
  const pattern = eventConfig["ref-regex"];
  if (pattern !== undefined && pattern !== null && (typeof pattern !== "string" || pattern.length > 1024)) {
    throw invalid("eventConfig.ref-regex must be a text of at most 1024 characters");
  }
}

/**
 * Ids of the accounts that a `quay_notification` goes to: a person, an organization (its administrators see it), or the
 * members of a team.
 * @throws {AppError} `invalid_request`
 */
export async function findTargets(
  { sql }: Pick<Deps, "sql">,
  owner: Pick<NotificationOwner, "namespaceId">,
  config: EventData,
): Promise<number[]> {
  const { kind, name } = (config.target ?? {}) as { kind?: unknown; name?: unknown };
  if (typeof kind !== "string" || typeof name !== "string") {
    throw invalid("Missing target: config.target is {kind: user, team or org, name}");
  }
  switch (kind) {
    case "user": {
      const user = await selectAccount(sql, name);
      if (user === undefined || user.organization || user.robot) throw invalid(`Unknown user ${name}`);
      return [user.id];
    }
    case "org": {
      const organization = await selectAccount(sql, name);
      if (organization?.organization !== true) throw invalid(`Unknown organization ${name}`);
      if (organization.id !== owner.namespaceId) {
        throw invalid("Organization name must match repository namespace");
      }
      return [organization.id];
    }
    case "team": {
      const team = await selectTeam(sql, owner.namespaceId, name);
      if (team === undefined) throw invalid(`Unknown team ${name}`);
      const members = await selectTeamMembers(sql, team.id);
      return members.filter((member) => !member.isRobot).map((member) => member.id);
    }
    default:
      throw invalid("config.target.kind must be user, team or org");
  }
}

async function checkEmail({ sql }: Pick<Deps, "sql">, owner: NotificationOwner, config: EventData) {
  const { email } = config;
  if (typeof email !== "string" || email === "") throw invalid("Missing e-mail address");
  const repositoryId = owner.kind === "repository" ? owner.id : null;
  if (await mayBeMailed(sql, { repositoryId, namespaceId: owner.namespaceId }, email)) return;
  throw invalid(
    repositoryId === null
      ? "The specified e-mail address is not the confirmed one of an administrator of this namespace"
      : "The specified e-mail address is not authorized to receive notifications for this repository",
  );
}

/**
 * Whether an address may get such mails: of a repository those whose owner has agreed, of a namespace its
 * administrators' and its own. Nobody else is mailed because somebody typed an address.
 */
export async function mayBeMailed(
  sql: Sql,
  { repositoryId, namespaceId }: { readonly repositoryId: number | null; readonly namespaceId: number },
  email: string,
): Promise<boolean> {
  return repositoryId === null
    ? await isEmailOfAdministrator(sql, namespaceId, email)
    : await isEmailAuthorized(sql, repositoryId, email);
}

/**
 * An http or https address that leads to others. Asks for its name's addresses; one that does not resolve is taken, since
 * the link may be down, and looked at again when it is dialled. @throws {AppError} `invalid_request`
 */
async function checkUrl({ config }: Pick<Deps, "config">, url: unknown, what: string): Promise<void> {
  if (typeof url !== "string" || url === "") throw invalid(`Missing ${what} URL`);
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || url.length > LONGEST_URL) {
    throw invalid(`The ${what} URL must be an http or https address of at most ${LONGEST_URL} characters`);
  }
  const host = hostOf(parsed);
  if (isOwnHost(config, host)) throw invalid(`The ${what} URL must not lead to ${host}`);
  await createHostGuard(config.SSRF_ALLOWED_HOSTS).assertPublicIfKnown(parsed.hostname);
}

/** Whether the host is this machine by name, or is in `WEBHOOK_HOSTNAME_BLACKLIST`. */
export function isOwnHost(config: Pick<Deps["config"], "WEBHOOK_HOSTNAME_BLACKLIST">, host: string): boolean {
  const refused = [...OWN_NAMES, ...config.WEBHOOK_HOSTNAME_BLACKLIST].map((name) => name.toLowerCase());
  return refused.includes(host) || host.endsWith(".localhost");
}

/** Lower-case, without brackets and the root's dot. */
export function hostOf(url: URL): string {
  return url.hostname.toLowerCase().replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

function checkTemplate(template: unknown): void {
  if (template === undefined || template === null || template === "") return;
  if (typeof template !== "string") throw invalid("config.template must be a text that holds JSON");
  try {
    parseJsonTemplate(template);
  } catch (cause) {
    if (cause instanceof TemplateError) throw invalid(`config.template: ${cause.message}`);
    throw cause;
  }
}

function isWhole(value: unknown, least: number, most: number): boolean {
  const number = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : value;
  return Number.isInteger(number) && (number as number) >= least && (number as number) <= most;
}

function invalid(message: string): AppError {
  return new AppError("invalid_request", message);
}
