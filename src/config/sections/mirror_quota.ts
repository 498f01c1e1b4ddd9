import * as z from "zod";
import { LINK_LIMITS } from "../link_limits.ts";
import { parseWindow } from "../../lib/daily_windows.ts";
import { flag, optionalText, texts, whole } from "../field.ts";

const autoprunePolicy = z.discriminatedUnion("method", [
  z.object({ method: z.literal("number_of_tags"), value: z.int().min(1) }),
  z.object({
    method: z.literal("creation_date"),
    value: z.string().regex(/^[0-9]+[smdwy]$/, "must be a whole number and one of s, m, d, w, y"),
  }),
]);

/** What a mirror, or all of one upstream, may take; the same fields as `limits` of a mirror. */
const linkLimits = z.strictObject({
  ...LINK_LIMITS,
  windows: z.array(
    z.string().superRefine((text, context) => {
      try {
        parseWindow(text);
      } catch (error) {
        context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
      }
    }),
  ).optional(),
});

/** Mirroring, proxy cache, quotas and auto-pruning. */
export const mirrorQuotaKeys = {
  FEATURE_REPO_MIRROR: flag(false, "Repositories may mirror others."),
  REPO_MIRROR_INTERVAL: whole(30, "s", "How often due mirrors are looked for.", { min: 1 }),
  REPO_MIRROR_PARALLEL: whole(4, "repositories", "How many this node mirrors at once.", { min: 1 }),
  REPO_MIRROR_TLS_VERIFY: flag(true, "Check the certificate of the registry that is mirrored into."),
  REPO_MIRROR_SERVER_HOSTNAME: optionalText(
    "Host that mirrored content is pushed to; not set: SERVER_HOSTNAME.",
    { unit: "host[:port]" },
  ),
  REPO_MIRROR_ROLLBACK: flag(false, "After a failure put all tags back, not only the failed ones."),
  REPO_MIRROR_TAG_ROLLBACK_PAGE_SIZE: whole(100, "tags", "How many at a time.", { min: 1 }),
  REPO_MIRROR_MAX_MANIFEST_LIST_SIZE: whole(
    10485760,
    "bytes",
    "Largest index that is mirrored with an architecture filter.",
    { since: "3.17", min: 1 },
  ),
  REPO_MIRROR_MAX_MANIFEST_ENTRIES: whole(1000, "manifests", "Most entries of such an index.", {
    since: "3.17",
    min: 1,
  }),
  REPO_MIRROR_UPSTREAM_LIMITS: z.record(z.string(), linkLimits).default({}).meta({
    kind: "object",
    description:
      "Quaylet's own. By registry (host[:port] as references name it): what all its mirrors may take together; bytes_per_second and concurrency of a node, daily_bytes and monthly_bytes of all nodes, windows such as 02:00-05:00 Europe/Berlin.",
  }),
  REPO_MIRROR_DEFAULT_LIMITS: linkLimits.default({}).meta({
    kind: "object",
    description:
      "Quaylet's own. What each mirror without limits of its own may take, with the fields of REPO_MIRROR_UPSTREAM_LIMITS; not set: no limits. One that has any is not subject to these.",
  }),
  FEATURE_ORG_MIRROR: flag(false, "Organizations may mirror others.", { since: "3.17" }),
  ORG_MIRROR_INTERVAL: whole(30, "s", "How often due ones are looked for.", { since: "3.17", min: 1 }),
  ORG_MIRROR_MAX_DISCOVERY_DURATION: whole(1800, "s", "Longest search for repositories.", {
    since: "3.17",
    min: 1,
  }),
  SSRF_ALLOWED_HOSTS: texts([], "Private hosts that mirrors and export callbacks may go to.", {
    since: "3.17",
  }),
  FEATURE_PROXY_CACHE: flag(
    false,
    "Organizations may cache another registry: it can be set up and validated; pulls do not go through it yet.",
  ),
  FEATURE_PROXY_CACHE_BLOB_DOWNLOAD: flag(true, "Keep the blobs of a cached image too.", { since: "3.18" }),
  FEATURE_QUOTA_MANAGEMENT: flag(false, "Count what is stored, and limit it."),
  FEATURE_EDIT_QUOTA: flag(true, "Administrators of an organization may change its quota."),
  FEATURE_VERIFY_QUOTA: flag(true, "Check quotas when something is pushed."),
  FEATURE_QUOTA_SUPPRESS_FAILURES: flag(false, "Let a push pass when counting fails."),
  DEFAULT_SYSTEM_REJECT_QUOTA_BYTES: whole(
    0,
    "bytes",
    "Limit of namespaces that have none of their own; 0: no limit.",
  ),
  QUOTA_BACKFILL: flag(true, "Count what was there before counting."),
  QUOTA_TOTAL_DELAY_SECONDS: whole(1800, "s", "Wait before that starts."),
  QUOTA_BACKFILL_POLL_PERIOD: whole(15, "s", "How often it looks for work.", { min: 1 }),
  QUOTA_BACKFILL_BATCH_SIZE: whole(100, "namespaces", "How many at a time.", { min: 1 }),
  QUOTA_INVALIDATE_TOTALS: flag(true, "Count anew when counting was off for a while."),
  QUOTA_REGISTRY_SIZE_POLL_PERIOD: whole(60, "s", "How often the size of the whole registry is asked for.", {
    min: 1,
  }),
  FEATURE_QUOTA_NOTIFICATIONS: flag(false, "Notifications when a quota is nearly used up.", {
    since: "3.18",
  }),
  QUOTA_NOTIFICATION_COOLDOWN_SECONDS: whole(86400, "s", "Shortest time between two of them.", {
    since: "3.18",
  }),
  FEATURE_AUTO_PRUNE: flag(false, "Tags may be deleted by rules."),
  DEFAULT_NAMESPACE_AUTOPRUNE_POLICY: autoprunePolicy.nullable().default(null)
    .meta({
      kind: "object",
      description:
        "Rule for all namespaces: {method: number_of_tags, value: 10} or {method: creation_date, value: 4w}.",
    }),
  AUTO_PRUNING_POLL_PERIOD: whole(30, "s", "How often due rules are looked for.", { min: 1 }),
  AUTO_PRUNING_BATCH_SIZE: whole(10, "namespaces", "How many at a time.", { min: 1 }),
  AUTO_PRUNING_DEFAULT_POLICY_POLL_PERIOD: whole(86400, "s", "How often the rule for all is applied.", {
    min: 1,
  }),
  AUTO_PRUNING_DEFAULT_POLICY_BATCH_SIZE: whole(10, "namespaces", "How many at a time.", { min: 1 }),
  AUTOPRUNE_TASK_RUN_MINIMUM_INTERVAL_MINUTES: whole(
    60,
    "min",
    "Shortest time between two runs for one namespace.",
  ),
  AUTOPRUNE_FETCH_TAGS_PAGE_LIMIT: whole(100, "tags", "Tags read at a time.", { min: 1 }),
  AUTOPRUNE_FETCH_REPOSITORIES_PAGE_LIMIT: whole(50, "repositories", "Repositories read at a time.", {
    min: 1,
  }),
  AUTOPRUNE_DEFAULT_POLICY_TIMEOUT: whole(3600, "s", "Longest run of the rule for all.", { min: 1 }),
};
