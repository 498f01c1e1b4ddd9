import { durationMs } from "./config/duration.ts";
import type { Deps } from "./domain/deps.ts";
import { cleanServiceKeys } from "./domain/site/managed_service_keys.ts";
import { archiveLogs } from "./domain/logs/log_archive.ts";
import { cleanExports } from "./domain/logs/log_export.ts";
import { countActions } from "./domain/logs/log_counts.ts";
import { replicationRetries } from "./domain/storage/locations.ts";
import { refreshQueueGauges } from "./domain/site/queue_gauges.ts";
import { countRepositoryActions } from "./domain/repositories/popularity.ts";
import { refreshRowGauges } from "./domain/site/row_gauges.ts";
import { refreshInstanceKey } from "./domain/site/service_keys.ts";
import { autopruner, defaultAutopruner } from "./workers/autoprune.ts";
import { cleanObjects } from "./workers/object_cleanup.ts";
import { createWebhookClient } from "./lib/webhook_client.ts";
import { applyImmutabilityPolicies } from "./workers/immutability_policy.ts";
import { exportLogs } from "./workers/log_export.ts";
import { deliverNotifications } from "./workers/notification_delivery.ts";
import { findEndingTags } from "./workers/image_expiry.ts";
import type { PeriodicWork } from "./workers/periodic.ts";
import { replicateBlobs } from "./workers/replication.ts";
import { cleanTokens } from "./workers/token_cleanup.ts";
import { workOnRegistrySize } from "./workers/registry_size.ts";
import { invalidateSizes, sizeBackfiller } from "./workers/quota_backfill.ts";
import { scrubber } from "./workers/scrub.ts";
import { cleanUploads } from "./workers/upload_cleanup.ts";

/** An upload's file without a session is given up for lost after this. */
export const ORPHAN_AGE_MS = 600_000;

/** How long what happened waits at most to be told; looking costs two look-ups in an index. */
const NOTIFICATION_POLL_MS = 10_000;

/** How long a new blob waits at most for its copies to be begun. */
const REPLICATION_POLL_MS = 5000;

/** Nothing is due most of the time: one look-up in an index. */
const SCRUB_POLL_MS = 60_000;

/** What goes on with `ACCOUNT_RECOVERY_MODE`: what sign-ins and health need. */
const NEEDED_FOR_RECOVERY: ReadonlySet<string> = new Set(["row_gauges", "service_key", "token_cleanup"]);

/** What runs once per node beside the requests; one entry a worker. */
export function backgroundWork(deps: Deps): PeriodicWork[] {
  const work = allWork(deps);
  return deps.config.ACCOUNT_RECOVERY_MODE ? work.filter(({ name }) => NEEDED_FOR_RECOVERY.has(name)) : work;
}

function allWork(deps: Deps): PeriodicWork[] {
  const { config } = deps;
  const scrubIntervalMs = durationMs(config.STORAGE_SCRUB_INTERVAL);
  const webhooks = createWebhookClient({
    allowedHosts: config.SSRF_ALLOWED_HOSTS,
    authorities: deps.authorities,
    timeoutMs: config.NOTIFICATION_SEND_TIMEOUT * 1000,
  });
  return [
    {
      name: "row_gauges",
      everyMs: config.GLOBAL_PROMETHEUS_STATS_FREQUENCY * 1000,
      atStart: true,
      run: () => refreshRowGauges(deps),
    },
    {
      name: "service_key",
      everyMs: config.INSTANCE_SERVICE_KEY_REFRESH * 60_000,
      run: () => refreshInstanceKey(deps),
    },
    {
      name: "upload_cleanup",
      everyMs: config.BLOBUPLOAD_CLEANUP_FREQUENCY * 1000,
      run: () => cleanUploads(deps, { orphanAgeMs: ORPHAN_AGE_MS }),
    },
    { name: "token_cleanup", everyMs: 3600_000, run: () => cleanTokens(deps) },
    { name: "service_key_cleanup", everyMs: 3600_000, run: () => cleanServiceKeys(deps) },
    {
      name: "repository_action_counts",
      everyMs: 3600_000,
      atStart: true,
      run: () => countRepositoryActions(deps),
    },
    {
      name: "registry_size",
      everyMs: config.QUOTA_REGISTRY_SIZE_POLL_PERIOD * 1000,
      run: (stop) => workOnRegistrySize(deps, stop),
    },
    ...(config.FEATURE_QUOTA_MANAGEMENT && config.QUOTA_BACKFILL
      ? [{
        name: "quota_backfill",
        everyMs: config.QUOTA_BACKFILL_POLL_PERIOD * 1000,
        run: sizeBackfiller(deps),
      }]
      : []),
    {
      name: "quota_invalidation",
      everyMs: 3600_000,
      atStart: true,
      run: () => invalidateSizes(deps),
    },
    ...(config.FEATURE_LOG_EXPORT
      ? [{
        name: "log_export",
        everyMs: config.EXPORT_ACTION_LOGS_WORKER_POLL_PERIOD * 1000,
        run: (stop: AbortSignal) => exportLogs({ ...deps, webhooks }, stop),
      }, { name: "log_export_cleanup", everyMs: 600_000, run: () => cleanExports(deps) }]
      : []),
    ...(config.FEATURE_ACTION_LOG_ROTATION
      ? [{
        name: "log_rotation",
        everyMs: config.ACTION_LOG_ROTATION_FREQUENCY * 1000,
        atStart: true,
        run: (stop: AbortSignal) => archiveLogs(deps, stop),
      }]
      : []),
    { name: "log_counts", everyMs: 30_000, atStart: true, run: () => countActions(deps) },
    {
      name: "queue_gauges",
      everyMs: config.QUEUE_WORKER_METRICS_REFRESH_SECONDS * 1000,
      atStart: true,
      run: () => refreshQueueGauges(deps),
    },
    {
      name: "notifications",
      everyMs: NOTIFICATION_POLL_MS,
      run: (stop) => deliverNotifications({ ...deps, webhooks }, stop),
    },
    ...(config.FEATURE_AUTO_PRUNE
      ? [{
        name: "autoprune",
        everyMs: config.AUTO_PRUNING_POLL_PERIOD * 1000,
        run: autopruner(deps),
      }]
      : []),
    ...(config.FEATURE_AUTO_PRUNE && config.DEFAULT_NAMESPACE_AUTOPRUNE_POLICY !== null
      ? [{
        name: "autoprune_default",
        everyMs: config.AUTO_PRUNING_DEFAULT_POLICY_POLL_PERIOD * 1000,
        atStart: true,
        run: defaultAutopruner(deps),
      }]
      : []),
    ...(config.FEATURE_IMMUTABLE_TAGS
      ? [{
        name: "immutability_policies",
        everyMs: 30_000,
        atStart: true,
        run: (stop: AbortSignal) => applyImmutabilityPolicies(deps, stop),
      }]
      : []),
    ...(config.FEATURE_IMAGE_EXPIRY_TRIGGER
      ? [{
        name: "image_expiry",
        everyMs: 60_000,
        atStart: true,
        run: (stop: AbortSignal) => findEndingTags(deps, stop),
      }]
      : []),
    ...(replicationRetries(deps) === undefined ? [] : [{
      name: "replication",
      everyMs: REPLICATION_POLL_MS,
      atStart: true,
      run: (stop: AbortSignal) => replicateBlobs(deps, stop),
    }]),
    ...(scrubIntervalMs > 0
      ? [{ name: "scrub", everyMs: SCRUB_POLL_MS, run: scrubber(deps, scrubIntervalMs) }]
      : []),
    { name: "object_cleanup", everyMs: 3600_000, atStart: true, run: () => cleanObjects(deps) },
  ];
}
