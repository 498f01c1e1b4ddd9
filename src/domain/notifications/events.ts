/**
 * What can happen to a repository or a namespace that people want to be told of: Quay's events, what each tells, and which of them a
 * notification asks for (api.md §9). The words are what people read in mails and chats.
 */

import { formatBytes } from "../../lib/byte_size.ts";

/** In the order of Quay's table `externalnotificationevent`. */
export const REPOSITORY_EVENTS = [
  "repo_push",
  "build_queued",
  "build_start",
  "build_success",
  "build_cancelled",
  "build_failure",
  "vulnerability_found",
  "repo_mirror_sync_started",
  "repo_mirror_sync_success",
  "repo_mirror_sync_failed",
  "repo_image_expiry",
] as const;
export type RepositoryEvent = (typeof REPOSITORY_EVENTS)[number];

/** What happens to a whole namespace. */
export const NAMESPACE_EVENTS = ["quota_warning", "quota_error"] as const;
export type NamespaceEvent = (typeof NAMESPACE_EVENTS)[number];

export type NotificationEvent = RepositoryEvent | NamespaceEvent;

/** From the worst down; their places are the levels of a notification's `event_config`. */
export const SEVERITIES = ["Critical", "High", "Medium", "Low", "Negligible", "Unknown"] as const;

/** Facts of one event, in Quay's words: they are the fields of a webhook's body. */
export type EventData = Readonly<Record<string, unknown>>;

/** How loudly a chat shows it. */
export type EventTone = "info" | "success" | "warning" | "error";

/** What it happened to. */
export interface EventPlace {
  readonly namespace: string;
  /** Null: the namespace itself. */
  readonly repository: string | null;
}

interface Site {
  readonly SERVER_HOSTNAME: string;
  readonly PREFERRED_URL_SCHEME: string;
}

/** The body that tells of an event: the repository, where it is to be had and seen, and the event's own fields. */
export function eventBody(
  site: Site,
  { namespace, repository: name }: EventPlace,
  data: EventData,
): EventData {
  if (name === null) {
    const homepage = `${site.PREFERRED_URL_SCHEME}://${site.SERVER_HOSTNAME}/organization/${namespace}`;
    return { namespace, name: namespace, homepage, ...data };
  }
  const repository = `${namespace}/${name}`;
  return {
    repository,
    namespace,
    name,
    docker_url: `${site.SERVER_HOSTNAME}/${repository}`,
    homepage: `${site.PREFERRED_URL_SCHEME}://${site.SERVER_HOSTNAME}/repository/${repository}`,
    ...data,
  };
}

/** Whether a notification with that `event_config` wants to be told of this. */
export function wantsEvent(event: NotificationEvent, eventConfig: EventData, data: EventData): boolean {
  if (event !== "vulnerability_found") return true;
  const least = Number(eventConfig.level ?? SEVERITIES.length - 1);
  const { priority } = (data.vulnerability ?? {}) as { priority?: unknown };
  const found = SEVERITIES.findIndex((severity) => severity === priority);
  return (found === -1 ? SEVERITIES.length - 1 : found) <= least;
}

/** What the test button of a notification tells: an event that could have been. */
export function sampleEvent(event: NotificationEvent, eventConfig: EventData): EventData {
  switch (event) {
    case "quota_warning":
      return { usage_bytes: 858_993_459, quota_limit_bytes: 1_073_741_824, threshold_percent: 80 };
    case "quota_error":
      return { usage_bytes: 1_073_741_825, quota_limit_bytes: 1_073_741_824, threshold_percent: 100 };
    case "repo_push":
      return { updated_tags: ["latest", "foo"] };
    case "vulnerability_found":
      return {
        tags: ["latest", "prod", "foo", "bar", "baz"],
        vulnerability: {
          id: "CVE-1234-5678",
          description: "This is a sample vulnerability",
          link: "https://security-tracker.debian.org/tracker/CVE-1234-5678",
          priority: SEVERITIES[Number(eventConfig.level ?? 1)] ?? "High",
          has_fix: true,
        },
      };
    case "repo_mirror_sync_started":
      return { message: "TEST NOTIFICATION: the mirror has started to synchronise" };
    case "repo_mirror_sync_success":
      return { message: "TEST NOTIFICATION: the mirror has synchronised" };
    case "repo_mirror_sync_failed":
      return { message: "TEST NOTIFICATION: the mirror could not synchronise" };
    case "repo_image_expiry":
      return { tags: ["latest", "v1"], expiring_in: `${eventConfig.days ?? 1} days` };
    default:
      return sampleBuild(event);
  }
}

function sampleBuild(event: RepositoryEvent): EventData {
  return {
    build_id: "296ec063-5f86-4706-a469-f0a400bf9df2",
    build_name: "some-fake-build",
    is_manual: false,
    docker_tags: ["latest", "foo", "bar"],
    trigger_kind: "github",
    trigger_id: "1245634",
    trigger_metadata: { default_branch: "master", ref: "refs/heads/somebranch", commit: "42d4a62" },
    ...(event === "build_failure" ? { error_message: "This is a sample error message" } : {}),
  };
}

/** One sentence about the event, and how loud it is. @param body from {@link eventBody} */
export function describeEvent(
  event: NotificationEvent,
  body: EventData,
): { summary: string; tone: EventTone; details: readonly string[] } {
  const repository = String(body.repository);
  const tags = listOf(body.updated_tags ?? body.tags ?? body.docker_tags);
  switch (event) {
    case "quota_warning":
    case "quota_error": {
      const refuses = event === "quota_error";
      return {
        summary: `Namespace ${body.namespace} ${refuses ? "is full: pushes are refused" : "is nearly full"}`,
        tone: refuses ? "error" : "warning",
        details: [
          `It holds ${formatBytes(Number(body.usage_bytes))} of ${
            formatBytes(Number(body.quota_limit_bytes))
          }: more than ${body.threshold_percent} %.`,
        ],
      };
    }
    case "repo_push":
      return {
        summary: `Repository ${repository} updated`,
        tone: "info",
        details: tags.length === 0 ? [] : [`Tags updated: ${tags.join(", ")}`],
      };
    case "vulnerability_found": {
      const { id, priority, description, link } = (body.vulnerability ?? {}) as Record<string, unknown>;
      return {
        summary: `${priority} vulnerability detected in repository ${repository}`,
        tone: priority === "Critical" || priority === "High" ? "error" : "warning",
        details: [
          `${id} (${priority})`,
          ...[description, link].filter((text) => typeof text === "string" && text !== "") as string[],
          ...(tags.length === 0 ? [] : [`Tags affected: ${tags.join(", ")}`]),
        ],
      };
    }
    case "repo_mirror_sync_started":
      return {
        summary: `Repository mirror of ${repository} started`,
        tone: "info",
        details: textsOf(body.message),
      };
    case "repo_mirror_sync_success":
      return {
        summary: `Repository mirror of ${repository} successful`,
        tone: "success",
        details: textsOf(body.message),
      };
    case "repo_mirror_sync_failed":
      return {
        summary: `Repository mirror of ${repository} unsuccessful`,
        tone: "error",
        details: textsOf(body.message),
      };
    case "repo_image_expiry":
      return {
        summary: `Repository ${repository}: tags expire in ${body.expiring_in}`,
        tone: "warning",
        details: [`Tags: ${tags.join(", ")}`],
      };
    default: {
      const [, outcome] = event.split("_");
      const tone = event === "build_failure" ? "error" : event === "build_success" ? "success" : "info";
      return {
        summary: `Build of repository ${repository}: ${outcome}`,
        tone,
        details: textsOf(body.error_message),
      };
    }
  }
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function textsOf(value: unknown): string[] {
  return typeof value === "string" && value !== "" ? [value] : [];
}
