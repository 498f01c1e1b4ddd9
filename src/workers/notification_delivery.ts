import {
  deliverNotification,
  type DeliveryDeps,
  giveUpNotification,
} from "../domain/notifications/delivery.ts";
import { NOTIFICATION_QUEUE } from "../domain/notifications/notifications.ts";
import type { Deps } from "../domain/deps.ts";
import { drainQueue, type QueueWork } from "./queue_worker.ts";

/** Seconds before the second, third, fourth and fifth try: a receiver that restarts, one that is being mended. */
const BACK_OFF_S = [10, 60, 300, 900];
/** A slow receiver holds up no more than its lane. */
const AT_ONCE = 4;
const PROCESSING_MS = 60_000;

/** Delivers the notifications that are due. @returns how many were taken from the queue */
export function deliverNotifications(
  deps: DeliveryDeps & Pick<Deps, "metrics">,
  stop?: AbortSignal,
): Promise<number> {
  const work: QueueWork = {
    queue: NOTIFICATION_QUEUE,
    atOnce: AT_ONCE,
    processingMs: PROCESSING_MS,
    backOffMs: (left) => (BACK_OFF_S[BACK_OFF_S.length - left] ?? BACK_OFF_S[0]!) * 1000,
    run: (body, _item, signal) => deliverNotification(deps, body, signal),
    givenUp: (body, error) => giveUpNotification(deps, body, error),
  };
  return drainQueue(deps, work, stop);
}
