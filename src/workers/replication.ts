import { copyBlob } from "../domain/content/blob_copies.ts";
import type { Deps } from "../domain/deps.ts";
import { allLocations } from "../domain/storage/locations.ts";
import { selectPlacedBlob } from "../drivers/database/queries/placement.ts";
import { REPLICATION_RETRIES } from "../domain/storage/locations.ts";
import { drainQueue, type QueueWork } from "./queue_worker.ts";

const QUEUE = "imagestoragereplication";
const LONGEST_PAUSE_MS = 600_000;
/** Blobs on their way at once, for small ones' sake. */
const LANES = 3;

type ReplicationDeps = Pick<Deps, "sql" | "storage" | "config" | "metrics" | "log" | "now">;

/**
 * Copies what waits in the queue to each of `DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS` that lacks it. Several nodes may do so
 * at once; a copy that is made twice is the same copy.
 */
export async function replicateBlobs(deps: ReplicationDeps, stop: AbortSignal): Promise<number> {
  const work: QueueWork = {
    queue: QUEUE,
    processingMs: deps.config.STORAGE_REPLICATION_PROCESSING_SECONDS * 1000,
    backOffMs: (left) => Math.min(LONGEST_PAUSE_MS, 5_000 * 2 ** Math.min(20, REPLICATION_RETRIES - left)),
    atOnce: LANES,
    run: (body, _item, signal) => replicateOne(deps, body, signal),
    givenUp: (body, error) => {
      const mend = "quaylet backfill-replication queues it again";
      deps.log.error("a blob could not be replicated", { item: body, error, mend });
      return Promise.resolve();
    },
  };
  return await drainQueue(deps, work, stop);
}

async function replicateOne(deps: ReplicationDeps, body: unknown, signal: AbortSignal): Promise<void> {
  const uuid = (body as { storage_id?: unknown } | null)?.storage_id;
  const blob = typeof uuid === "string" ? await selectPlacedBlob(deps.sql, uuid) : undefined;
  if (blob === undefined) return; // collected meanwhile
  const failures: unknown[] = [];
  for (const name of deps.config.DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS) {
    const to = allLocations(deps.storage).find((location) => location.name === name);
    if (to === undefined || blob.locations.includes(name)) continue;
    // One location that is down keeps no other from its copy.
    await copyBlob(deps, blob, to, { signal }).catch((error) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}
