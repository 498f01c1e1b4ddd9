/**
 * What a full namespace refuses (registry.md §8): a limit is exceeded by more than so many percent of the quota, and of those
 * exceeded the highest counts. A namespace without a quota has `DEFAULT_SYSTEM_REJECT_QUOTA_BYTES`.
 */
import type { Sql } from "../../drivers/database/postgres.ts";
import type { QuotaLimitType } from "../../drivers/database/queries/quota.ts";
import { type NamespaceRoomRow, selectRoom } from "../../drivers/database/queries/quota_size.ts";
import { insertMissingUserNotifications } from "../../drivers/database/queries/user_notification.ts";
import { AppError } from "../../lib/errors.ts";
import type { Deps } from "../deps.ts";

type CheckDeps = Pick<Deps, "config" | "now"> & { readonly sql: Sql };

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
  const exceeded = exceededLimit(deps, room, heldBytes);
  if (exceeded === undefined) return;
  await notifyAdministrators(deps, room, exceeded);
  if (exceeded === "Reject") throw quotaExceeded(room);
}

/**
 * After a manifest is stored and counted, in its transaction. The refusal undoes both; whoever catches it has
 * {@link tellOfQuota} said.
 * @throws {AppError} `quota_exceeded`
 */
export async function requireRoomForManifest(
  deps: Omit<CheckDeps, "sql">,
  tx: Sql,
  repositoryId: number,
): Promise<void> {
  const room = await findRoom({ ...deps, sql: tx }, repositoryId);
  if (room === undefined) return;
  const exceeded = exceededLimit(deps, room, room.sizeBytes);
  if (exceeded === "Reject") throw quotaExceeded(room);
  if (exceeded === "Warning") await notifyAdministrators({ ...deps, sql: tx }, room, exceeded);
}

/** Tells the administrators of the repository's namespace of a refusal or a warning. */
export async function tellOfQuota(
  deps: CheckDeps,
  repositoryId: number,
  exceeded: QuotaLimitType,
): Promise<void> {
  const room = await selectRoom(deps.sql, repositoryId);
  if (room !== undefined) await notifyAdministrators(deps, room, exceeded);
}

export function isQuotaExceeded(error: unknown): boolean {
  return error instanceof AppError && error.code === "quota_exceeded";
}

async function findRoom(
  { sql, config }: CheckDeps,
  repositoryId: number,
): Promise<NamespaceRoomRow | undefined> {
  if (!config.FEATURE_QUOTA_MANAGEMENT || !config.FEATURE_VERIFY_QUOTA) return undefined;
  return await selectRoom(sql, repositoryId);
}

/** What so many bytes exceed; a `Reject` where a `Warning` is as high. */
function exceededLimit(
  { config }: Pick<Deps, "config">,
  { limitBytes, limits }: NamespaceRoomRow,
  heldBytes: number,
): QuotaLimitType | undefined {
  if (limitBytes === null) {
    const most = config.DEFAULT_SYSTEM_REJECT_QUOTA_BYTES;
    return most > 0 && heldBytes > most ? "Reject" : undefined;
  }
  const exceeded = limits.filter(({ percent }) => heldBytes > limitBytes * percent / 100);
  const highest = Math.max(...exceeded.map(({ percent }) => percent));
  const types = exceeded.filter(({ percent }) => percent === highest).map(({ type }) => type);
  return types.includes("Reject") ? "Reject" : types[0];
}

/** Organizations are told as such: their administrators see it. */
async function notifyAdministrators(
  { sql, now }: CheckDeps,
  { namespaceId, namespace }: NamespaceRoomRow,
  exceeded: QuotaLimitType,
): Promise<void> {
  await insertMissingUserNotifications(sql, {
    kind: exceeded === "Reject" ? "quota_error" : "quota_warning",
    targetIds: [namespaceId],
    metadata: { severity: exceeded, namespace },
    nowMs: now(),
  });
}

/** Quay's words. */
function quotaExceeded({ namespace }: NamespaceRoomRow): AppError {
  return new AppError("quota_exceeded", "Quota has been exceeded on namespace", { namespace });
}
