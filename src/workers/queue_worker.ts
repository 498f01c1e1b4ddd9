import type { Deps } from "../domain/deps.ts";
import {
  type ClaimedItem,
  claimQueueItem,
  deleteQueueItem,
  deleteSpentQueueItems,
  releaseQueueItem,
  renewQueueItem,
} from "../drivers/database/queries/queue.ts";

export interface QueueWork {
  /** First part of `queueitem.queue_name`, such as `notification`. */
  readonly queue: string;
  /** Items that this node works on at once; 1 unless given. */
  readonly atOnce?: number;
  /** How long a holder may be silent before another takes the item; renewed while `run` runs. */
  readonly processingMs: number;
  /** Pause before the next try, by tries that are left. */
  backOffMs(retriesRemaining: number): number;
  /**
   * Does one item. It may be done twice when a node dies, so it must bear that. Rejects: tried again later.
   * @param signal aborted when another node has taken the item over, or this one stops
   */
  run(body: unknown, item: ClaimedItem, signal: AbortSignal): Promise<void>;
  /** The last try has failed, or whoever had it died: the item is gone. */
  givenUp?(body: unknown, error: unknown): Promise<void>;
}

type QueueDeps = Pick<Deps, "sql" | "metrics" | "log" | "now">;

const SPENT_AT_ONCE = 100;

/**
 * Works on the queue until nothing in it is due, or `stop` is aborted: then what runs is given back, untouched. Several
 * nodes may do so at once: an item has one holder, which keeps it by renewing its claim. For {@link startPeriodic}.
 * @returns how many items were taken
 */
export async function drainQueue(deps: QueueDeps, work: QueueWork, stop?: AbortSignal): Promise<number> {
  await removeSpent(deps, work);
  const lanes = Array.from({ length: work.atOnce ?? 1 }, () => drainLane(deps, work, stop));
  let taken = 0;
  // All lanes end before the caller hears of a failure: it starts the next round then.
  for (const lane of await Promise.allSettled(lanes)) {
    if (lane.status === "rejected") throw lane.reason;
    taken += lane.value;
  }
  return taken;
}

async function drainLane(
  deps: QueueDeps,
  work: QueueWork,
  stop: AbortSignal | undefined,
): Promise<number> {
  const { sql, metrics, now } = deps;
  const { queue, processingMs } = work;
  for (let taken = 0;; taken++) {
    if (stop?.aborted) return taken;
    const item = await claimQueueItem(sql, { queue, nowMs: now(), processingMs });
    metrics.queueItemGets.labels(queue, item === undefined ? "nonexistant" : "acquired").inc();
    if (item === undefined) return taken;
    await runItem(deps, work, item, stop);
  }
}

async function runItem(
  { sql, log, now }: QueueDeps,
  work: QueueWork,
  item: ClaimedItem,
  stop: AbortSignal | undefined,
): Promise<void> {
  const lost = new AbortController();
  const renew = setInterval(() => {
    renewQueueItem(sql, item, now() + work.processingMs).then((kept) => {
      if (!kept) lost.abort(new Error("another node has taken the item over"));
    }, () => {
      // The database is away for the moment: the claim may live on.
    });
  }, work.processingMs / 3);
  try {
    const body: unknown = JSON.parse(item.body);
    await work.run(body, item, stop === undefined ? lost.signal : AbortSignal.any([lost.signal, stop]));
    await deleteQueueItem(sql, item);
  } catch (error) {
    if (stop?.aborted) return await releaseQueueItem(sql, item, { againMs: now(), keepRetry: true });
    const last = item.retriesRemaining <= 0;
    log.warn(last ? "queued work failed for the last time" : "queued work failed; it is tried again", {
      queue: work.queue,
      item: item.id,
      error,
    });
    if (!last) {
      await releaseQueueItem(sql, item, {
        againMs: now() + work.backOffMs(item.retriesRemaining),
        keepRetry: false,
      });
    } else if (await deleteQueueItem(sql, item)) await work.givenUp?.(safeJson(item.body), error);
  } finally {
    clearInterval(renew);
  }
}

/** The last tries of nodes that died in them. */
async function removeSpent({ sql, metrics, log, now }: QueueDeps, work: QueueWork): Promise<void> {
  const spent = await deleteSpentQueueItems(sql, work.queue, { nowMs: now(), limit: SPENT_AT_ONCE });
  for (const body of spent) {
    metrics.queueItemDeletes.labels().inc();
    log.warn("queued work was given up: its last try did not end", { queue: work.queue });
    await work.givenUp?.(safeJson(body), new Error("the last try did not end"));
  }
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
