import { type QuotaRow, selectNamespaceSize, selectQuota } from "../drivers/database/queries/quota.ts";
import type { Deps } from "./deps.ts";

/** What a namespace holds and may hold. */
export interface QuotaReport {
  /** Of its own; undefined where only the site's default applies. */
  readonly quota: QuotaRow | undefined;
  readonly usedBytes: number;
  /** Null: no limit. */
  readonly limitBytes: number | null;
  /** How far counting has come that began after the first pushes. */
  readonly backfill: "" | "waiting" | "running" | "complete";
}

/**
 * The namespace's quota and what has been counted of it; undefined where nothing is (`FEATURE_QUOTA_MANAGEMENT`). The caller
 * has checked that the actor may see it.
 */
export async function reportQuota(
  { sql, config }: Pick<Deps, "sql" | "config">,
  namespaceId: number,
): Promise<QuotaReport | undefined> {
  if (!config.FEATURE_QUOTA_MANAGEMENT) return undefined;
  const [quota, size] = await Promise.all([
    selectQuota(sql, namespaceId),
    selectNamespaceSize(sql, namespaceId),
  ]);
  return {
    quota,
    usedBytes: size?.sizeBytes ?? 0,
    limitBytes: quota?.limitBytes ?? (config.DEFAULT_SYSTEM_REJECT_QUOTA_BYTES || null),
    backfill: size === undefined
      ? ""
      : size.backfillComplete
      ? "complete"
      : size.backfillStartMs === null
      ? "waiting"
      : "running",
  };
}
