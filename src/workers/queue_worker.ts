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
  /** How long a holder may be silent before another takes the item; renewed while `run` runs. */
  readonly processingMs: number;
  /** Pause before the next try, by tries that are left. */
  backOffMs(retriesRemaining: number): number;
  /** Does one item. It may be done twice when a node dies, so it must bear that. Rejects: tried again later. */
  run(body: unknown, item: ClaimedItem, signal: AbortSignal): Promise<void>;
  /** The last try has failed: the item goes. */
  givenUp?(body: unknown, error: unknown): Promise<void>;
}

type QueueDeps = Pick<Deps, "sql" | "log" | "now">;

/**
 * Works on the queue until nothing in it is due. Several nodes may do so at once: an item has one holder, which keeps it by
 * renewing its claim. For {@link startPeriodic}.
 * @returns how many items were done
 */
export async function drainQueue(deps: QueueDeps, work: QueueWork): Promise<number> {
  const { sql, now } = deps;
  await deleteSpentQueueItems(sql, work.queue, now());
  for (let done = 0;; done++) {
    const item = await claimQueueItem(sql, {
      queue: work.queue,
      nowMs: now(),
      processingMs: work.processingMs,
    });
    if (item === undefined) return done;
    await runItem(deps, work, item);
  }
}

async function runItem({ sql, log, now }: QueueDeps, work: QueueWork, item: ClaimedItem): Promise<void> {
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
    await work.run(body, item, lost.signal);
    await deleteQueueItem(sql, item);
  } catch (error) {
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

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
