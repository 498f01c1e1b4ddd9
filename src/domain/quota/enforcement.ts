/**
 * What a full namespace refuses (registry.md §8): a limit is exceeded by more than so many percent of the quota, and of those
 * exceeded the highest counts. A namespace without a quota has `DEFAULT_SYSTEM_REJECT_QUOTA_BYTES`.
 */
import type { Sql } from "../../drivers/database/postgres.ts";
import type { QuotaLimitType } from "../../drivers/database/queries/quota.ts";
import { type NamespaceRoomRow, selectRoom } from "../../drivers/database/queries/quota_size.ts";
import { claimQuotaNotification } from "../../drivers/database/queries/quota_notification.ts";
import { AppError } from "../../lib/errors.ts";
import type { Deps } from "../deps.ts";
import { notifyNamespace, notifyUsersOnce } from "../notifications/notifications.ts";

type CheckDeps = Pick<Deps, "config" | "now" | "metrics"> & { readonly sql: Sql };

/** A limit, and by how much of what it is exceeded. */
interface Excess {
  readonly type: QuotaLimitType;
  /** Of the quota. */
  readonly percent: number;
  readonly limitBytes: number;
  readonly heldBytes: number;
}

/** In Quay's words. */
class QuotaExceeded extends AppError {
  constructor(readonly room: NamespaceRoomRow, readonly excess: Excess) {
    super("quota_exceeded", "Quota has been exceeded on namespace", { namespace: room.namespace });
  }
}

/**
 * Refuses bytes for a full namespace, and tells its administrators, once until they dismiss it. One look-up; none without
 * `FEATURE_QUOTA_MANAGEMENT` and `FEATURE_VERIFY_QUOTA`.
 * @param during an upload's end or middle counts what the repository's uploads have brought so far
 * @throws {AppError} `quota_exceeded`
 */
export async function requireRoom(
  deps: CheckDeps,
  repositoryId: number,
  during: "start" | "upload",
): Promise<void> {
  const room = await findRoom(deps, repositoryId);
  if (room === undefined) return;
  const heldBytes = room.sizeBytes + (during === "upload" ? room.uploadingBytes : 0);
  const excess = excessOf(deps, room, heldBytes);
  if (excess === undefined) return;
  await tellAdministrators(deps, room, excess);
  if (excess.type === "Reject") throw new QuotaExceeded(room, excess);
}

/**
 * After a manifest is stored and counted, in its transaction. The refusal undoes both; whoever catches it has
 * {@link tellOfRefusal} say so.
 * @throws {AppError} `quota_exceeded`
 */
export async function requireRoomForManifest(
  deps: Omit<CheckDeps, "sql">,
  tx: Sql,
  repositoryId: number,
): Promise<void> {
  const room = await findRoom({ ...deps, sql: tx }, repositoryId);
  if (room === undefined) return;
  const excess = excessOf(deps, room, room.sizeBytes);
  if (excess === undefined) return;
  if (excess.type === "Reject") throw new QuotaExceeded(room, excess);
  await tellAdministrators({ ...deps, sql: tx }, room, excess);
}

/** Tells the administrators of what {@link requireRoomForManifest} has refused; nothing for another error. */
export async function tellOfRefusal(deps: CheckDeps, error: unknown): Promise<void> {
  if (error instanceof QuotaExceeded) await tellAdministrators(deps, error.room, error.excess);
}

async function findRoom(
  { sql, config }: CheckDeps,
  repositoryId: number,
): Promise<NamespaceRoomRow | undefined> {
  if (!config.FEATURE_QUOTA_MANAGEMENT || !config.FEATURE_VERIFY_QUOTA) return undefined;
  return await selectRoom(sql, repositoryId);
}

/** What so many bytes exceed; a `Reject` where a `Warning` is as high. */
function excessOf(
  { config }: Pick<Deps, "config">,
  { limitBytes, limits }: NamespaceRoomRow,
  heldBytes: number,
): Excess | undefined {
  if (limitBytes === null) {
    const most = config.DEFAULT_SYSTEM_REJECT_QUOTA_BYTES;
    if (most === 0 || heldBytes <= most) return undefined;
    return { type: "Reject", percent: 100, limitBytes: most, heldBytes };
  }
  const exceeded = limits.filter(({ percent }) => heldBytes > limitBytes * percent / 100);
  const highest = Math.max(...exceeded.map(({ percent }) => percent));
  const types = exceeded.filter(({ percent }) => percent === highest).map(({ type }) => type);
  const type = types.includes("Reject") ? "Reject" : types[0];
  return type && { type, percent: highest, limitBytes, heldBytes };
}

/** In the application, and with `FEATURE_QUOTA_NOTIFICATIONS` as the namespace's notifications say. */
async function tellAdministrators(
  deps: CheckDeps,
  { namespaceId, namespace }: NamespaceRoomRow,
  { type, percent, limitBytes, heldBytes }: Excess,
): Promise<void> {
  const { sql, config, now } = deps;
  const event = type === "Reject" ? "quota_error" : "quota_warning";
  // An organization is told as such: its administrators see it.
  await notifyUsersOnce(deps, {
    kind: event,
    targetIds: [namespaceId],
    metadata: { severity: type, namespace },
  });
  if (!config.FEATURE_QUOTA_NOTIFICATIONS) return;
  const quietMs = config.QUOTA_NOTIFICATION_COOLDOWN_SECONDS * 1000;
  if (!await claimQuotaNotification(sql, { namespaceId, percent, nowMs: now(), quietMs })) return;
  await notifyNamespace(deps, {
    namespaceId,
    event,
    data: {
      usage_bytes: heldBytes,
      quota_limit_bytes: limitBytes,
      threshold_percent: percent,
      severity: type,
    },
  });
}
