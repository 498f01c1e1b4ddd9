import { countQueueItems } from "../../drivers/database/queries/queue.ts";
import type { Deps } from "../deps.ts";

/** Queues that Quaylet puts items into. */
const QUEUES = ["notification", "namespacegc", "repositorygc", "exportactionlogs", "imagestoragereplication"];

/**
 * Sets the gauges of what waits in the queues. To be called by one thread of the node, every
 * `QUEUE_WORKER_METRICS_REFRESH_SECONDS`.
 */
export async function refreshQueueGauges({ sql, metrics, now }: Pick<Deps, "sql" | "metrics" | "now">) {
  const counts = await countQueueItems(sql, now());
  const found = new Map(counts.map((count) => [count.queue, count]));
  for (const queue of new Set([...QUEUES, ...found.keys()])) {
    const count = found.get(queue);
    metrics.queueItemsLocked.labels(queue).set(count?.locked ?? 0);
    metrics.queueItemsAvailable.labels(queue).set(count?.available ?? 0);
    metrics.queueItemsAvailableUnlocked.labels(queue).set(count?.availableUnlocked ?? 0);
  }
}
