import { AggregatorRegistry, Registry } from "prom-client";
import { processMetrics } from "./process_metrics.ts";
import {
  counterFamily,
  gaugeFamily,
  histogramFamily,
  type MetricSnapshot,
  type Snapshotting,
} from "./series.ts";

/**
 * Quay's metrics for what exists so far, under the names that Quay exports (its client adds `_total` to counters).
 * Each is a family of series: `metrics.imagePulls.labels("v2", "tag", "200").inc()`, `metrics.pushedBytes.labels()
 * .inc(n)`. Keep the series where the labels are known beforehand.
 */
export function createMetrics() {
  const families = {
    /** Seconds; `route` is the handler's name, never the URL. */
    requestDuration: histogramFamily(
      "quay_request_duration_seconds",
      "Seconds from the arrival of a request to the start of its answer.",
      ["method", "route", "status"],
    ),
    /** `kind`: cookie, basic, oauth, signed_grant, credentials, ssojwt, federated. `success`: True, False. */
    authenticationAttempts: counterFamily(
      "quay_authentication_attempts_total",
      "Credential checks of the API, the browser UI and the registry.",
      ["auth_kind", "success"],
    ),
    /** `success`: True, False. */
    bearerTokensDecoded: counterFamily(
      "bearer_token_decoded_total",
      "Checks of a registry bearer token.",
      ["success"],
    ),
    /** Manifest GET and HEAD. `ref`: tag, manifest. */
    imagePulls: counterFamily(
      "quay_registry_image_pulls_total",
      "Manifests asked for, by GET and HEAD.",
      ["protocol", "ref", "status"],
    ),
    /** Manifest PUT; `media_type` is empty on failure. */
    imagePushes: counterFamily(
      "quay_registry_image_pushes_total",
      "Manifests pushed.",
      ["protocol", "status", "media_type"],
    ),
    /** Bytes of blobs that were asked for. */
    pulledBytes: counterFamily(
      "quay_registry_image_pulled_estimated_bytes_total",
      "Bytes of the blobs that were asked for.",
      ["protocol"],
    ),
    /** Bytes of uploads that reached storage. */
    pushedBytes: counterFamily(
      "quay_registry_image_pushed_bytes_total",
      "Bytes of uploads that reached storage.",
      [],
    ),
    /** Seconds; `region` is the storage location's name. */
    chunkUploadDuration: histogramFamily(
      "quay_chunk_upload_duration_seconds",
      "Seconds taken to store a chunk of an upload.",
      ["region"],
    ),
    multipartUploadsStarted: counterFamily(
      "quay_multipart_uploads_started_total",
      "Multipart uploads begun in an object store.",
      [],
    ),
    multipartUploadsCompleted: counterFamily(
      "quay_multipart_uploads_completed_total",
      "Multipart uploads that became an object.",
      [],
    ),
    /** Quaylet's own. `result`: good, healed, lost, unreadable. */
    scrubbedCopies: counterFamily(
      "quaylet_scrubbed_copies_total",
      "Stored copies of blobs that were read and compared with their digests.",
      ["location", "result"],
    ),
    /** `type`: hit, miss. */
    modelCache: counterFamily("quay_model_cache_total", "Look-ups in the in-memory caches.", [
      "type",
    ]),
    queueItemPuts: counterFamily("quay_queue_item_puts_total", "Items that were put into a queue.", [
      "queue_name",
    ]),
    /** `availability`: acquired, claimed (another was faster), nonexistant (so spelled by Quay). */
    queueItemGets: counterFamily("quay_queue_item_gets_total", "Looks for an item of a queue.", [
      "queue_name",
      "availability",
    ]),
    queueItemDeletes: counterFamily(
      "quay_queue_item_deletes_total",
      "Items that were removed because nobody is to try them any more.",
      [],
    ),
    queueItemsLocked: gaugeFamily("quay_queue_items_locked", "Queue names that are worked on.", [
      "queue_name",
    ]),
    queueItemsAvailable: gaugeFamily("quay_queue_items_available", "Queue names with items that are due.", [
      "queue_name",
    ]),
    queueItemsAvailableUnlocked: gaugeFamily(
      "quay_queue_items_available_unlocked",
      "Queue names with items that are due and that nobody works on.",
      ["queue_name"],
    ),
    repositoryRows: gaugeFamily("quay_repository_rows", "Active repositories.", []),
    userRows: gaugeFamily("quay_user_rows", "Active users.", []),
    orgRows: gaugeFamily("quay_org_rows", "Active organizations.", []),
    robotRows: gaugeFamily("quay_robot_rows", "Robots.", []),
    /** `success`: True, False. */
    instanceKeyRenewals: counterFamily(
      "quay_instance_key_renewal_self_total",
      "Renewals of this instance's service key.",
      ["success"],
    ),
    repositoryRowsUnmirrored: gaugeFamily(
      "quay_repository_rows_unmirrored",
      "Mirrors that are due and that nobody works on.",
      [],
    ),
    mirrorPendingTags: gaugeFamily(
      "quay_repository_mirror_pending_tags",
      "Tags of the mirror's run that are still to be copied.",
      ["namespace", "repository"],
    ),
    mirrorSyncComplete: gaugeFamily(
      "quay_repository_mirror_sync_complete",
      "1 when the last run copied every tag.",
      ["namespace", "repository"],
    ),
    /** Epoch seconds. */
    mirrorLastSyncTimestamp: gaugeFamily(
      "quay_repository_mirror_last_sync_timestamp",
      "When the last run ended.",
      ["namespace", "repository"],
    ),
    /** 0 failed, 1 success, 2 running; on failure a second series has the reason. */
    mirrorLastSyncStatus: gaugeFamily(
      "quay_repository_mirror_last_sync_status",
      "How the last run ended: 0 failed, 1 success, 2 running.",
      ["namespace", "repository", "last_error_reason"],
    ),
    mirrorSyncFailures: counterFamily(
      "quay_repository_mirror_sync_failures_total",
      "Runs that failed.",
      ["namespace", "reason"],
    ),
    mirrorSyncDuration: histogramFamily(
      "quay_repository_mirror_sync_duration_seconds",
      "Seconds that a run took.",
      ["namespace"],
      [60, 300, 900, 3600],
    ),
    mirrorWorkersActive: gaugeFamily(
      "quay_repository_mirror_workers_active",
      "Mirrors that this node works on now.",
      [],
    ),
    /** Quaylet's own, as the next two: while a run is under way, or pauses. */
    mirrorPercentDone: gaugeFamily(
      "quaylet_mirror_percent_done",
      "How much of the mirror's run is behind it, 0 to 100.",
      ["namespace", "repository"],
    ),
    mirrorBytesPerSecond: gaugeFamily(
      "quaylet_mirror_bytes_per_second",
      "Bytes a second that the mirror's run receives, smoothed.",
      ["namespace", "repository"],
    ),
    mirrorPaused: gaugeFamily(
      "quaylet_mirror_paused",
      "1 while the mirror's run waits for its window or budget.",
      ["namespace", "repository"],
    ),
    orgMirrors: gaugeFamily("quay_org_mirrors_total", "Organizations that follow another registry.", []),
    orgMirrorsEnabled: gaugeFamily(
      "quay_org_mirrors_enabled",
      "Organizations that follow another registry and are enabled.",
      [],
    ),
    orgMirrorRepositoriesUnmirrored: gaugeFamily(
      "quay_org_mirror_repositories_unmirrored",
      "Repositories of organizations' mirrors that are due and that nobody works on.",
      [],
    ),
    orgMirrorsPendingDiscovery: gaugeFamily(
      "quay_org_mirror_configs_pending_discovery",
      "Organizations' mirrors whose discovery is due and that nobody works on.",
      [],
    ),
    orgMirrorReposDiscovered: gaugeFamily(
      "quay_org_mirror_repos_discovered",
      "Repositories that organizations' mirrors follow.",
      [],
    ),
    /** `status`: success, failure. */
    orgMirrorDiscoveries: counterFamily(
      "quay_org_mirror_discovery_total",
      "Searches for the repositories of another registry.",
      ["status"],
    ),
    /** `status`: success, failure. */
    orgMirrorRepoSyncs: counterFamily(
      "quay_org_mirror_repo_sync_total",
      "Runs of repositories that organizations' mirrors have made.",
      ["status"],
    ),
    orgMirrorReposCreated: counterFamily(
      "quay_org_mirror_repos_created_total",
      "Repositories that organizations' mirrors have made.",
      [],
    ),
    orgMirrorDiscoveryDuration: histogramFamily(
      "quay_org_mirror_discovery_duration_seconds",
      "Seconds that a search for repositories took.",
      [],
      [1, 5, 10, 30, 60, 300, 600, 1800],
    ),
    orgMirrorRepoSyncDuration: histogramFamily(
      "quay_org_mirror_repo_sync_duration_seconds",
      "Seconds that a run of such a repository took.",
      [],
      [60, 300, 900, 3600],
    ),
    /** Bytes from other registries, as they came over the network. */
    mirroredBytes: counterFamily(
      "quaylet_mirror_received_bytes_total",
      "Bytes of blobs received from other registries.",
      [],
    ),
  };
  const all: readonly Snapshotting[] = Object.values(families);
  return {
    ...families,
    /** The state of this thread's metrics: plain data that can be posted to the main thread. */
    snapshot: (): Promise<MetricSnapshot[]> => Promise.resolve(all.map((family) => family.snapshot())),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;

/** The media type of what {@link renderMetrics} makes. */
export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/**
 * Prometheus text of all threads' snapshots added up, with the `process_*` metrics of this process.
 * @param snapshots one {@link Metrics.snapshot} a thread
 */
export function renderMetrics(snapshots: readonly object[]): Promise<string> {
  return AggregatorRegistry.aggregate([...snapshots.filter(Array.isArray), processMetrics()]).metrics();
}

/** Quay's spelling of a truth in a label. */
export const successLabel = (success: boolean): "True" | "False" => success ? "True" : "False";
