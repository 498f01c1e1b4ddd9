import {
  claimExpiryNotification,
  insertToldTags,
  selectUntoldEndingTags,
} from "../../drivers/database/queries/image_expiry.ts";
import { insertQueueItems } from "../../drivers/database/queries/queue.ts";
import type { Deps } from "../deps.ts";
import { queuedItem, readConfig } from "../notifications/notifications.ts";

const DAY_MS = 86_400_000;
/** Tags that one event names; what is left comes with the next round. */
const TAGS_MAX = 500;

/**
 * Queues the event `repo_image_expiry` for one notification whose turn it is: every
 * `NOTIFICATION_TASK_RUN_MINIMUM_INTERVAL_MINUTES` each looks for tags that end within its days. A tag is told of once,
 * and again when its end was changed. Any number of nodes may do so at once.
 * @returns false when it is nobody's turn
 */
export async function tellOfEndingTags(
  deps: Pick<Deps, "sql" | "config" | "metrics" | "now">,
): Promise<boolean> {
  const nowMs = deps.now();
  const pauseMs = deps.config.NOTIFICATION_TASK_RUN_MINIMUM_INTERVAL_MINUTES * 60_000;
  return await deps.sql.begin(async (tx) => {
    const notification = await claimExpiryNotification(tx, { ranBeforeMs: nowMs - pauseMs, nowMs });
    if (notification === undefined) return false;
    const days = Number(readConfig(notification.eventConfig).days);
    if (!Number.isInteger(days) || days < 1) return true;
    const tags = await selectUntoldEndingTags(tx, {
      notificationId: notification.id,
      repositoryId: notification.repositoryId,
      fromMs: nowMs,
      untilMs: nowMs + days * DAY_MS,
      limit: TAGS_MAX,
    });
    if (tags.length === 0) return true;
    await insertQueueItems(tx, [
      queuedItem(deps, notification, "repo_image_expiry", {
        tags: tags.map((tag) => tag.name),
        expiring_in: `${days} days`,
      }),
    ]);
    await insertToldTags(tx, {
      notificationId: notification.id,
      methodId: notification.methodId,
      tagIds: tags.map((tag) => tag.id),
    });
    return true;
  });
}
