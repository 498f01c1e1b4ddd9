/**
 * What namespaces and repositories hold, beside what they may. The sizes are those of `quotanamespacesize` and
 * `quotarepositorysize`: whoever counts keeps them (`sizes.ts`), nothing is counted when it is asked for.
 */
import {
  type QuotaRow,
  selectNamespaceSizes,
  selectQuotas,
  selectRepositorySizes,
  type StoredSizeRow,
} from "../../drivers/database/queries/quota.ts";
import type { Deps } from "../deps.ts";

type QuotaDeps = Pick<Deps, "sql" | "config">;

/** What a namespace or repository holds, and what it may hold. */
export interface QuotaReport {
  readonly sizeBytes: number;
  /** The namespace's quota, else `DEFAULT_SYSTEM_REJECT_QUOTA_BYTES`; null: none. */
  readonly configuredBytes: number | null;
  /** How far counting what was there before counting has come. */
  readonly backfill: "" | "waiting" | "running" | "complete";
}

/** Quotas and sizes of some namespaces in two statements, by id; nothing without `FEATURE_QUOTA_MANAGEMENT`. */
export async function reportNamespaces(
  deps: QuotaDeps,
  namespaceIds: readonly number[],
): Promise<ReadonlyMap<number, { quota: QuotaRow | undefined; report: QuotaReport }> | undefined> {
  const { sql, config } = deps;
  if (!config.FEATURE_QUOTA_MANAGEMENT) return undefined;
  const [quotas, sizes] = await Promise.all([
    selectQuotas(sql, namespaceIds),
    selectNamespaceSizes(sql, namespaceIds),
  ]);
  const quotaOf = new Map(quotas.map((quota) => [quota.namespaceId, quota]));
  const sizeOf = new Map(sizes.map((size) => [size.id, size]));
  return new Map(namespaceIds.map((id) => {
    const quota = quotaOf.get(id);
    return [id, { quota, report: report(deps, quota, sizeOf.get(id)) }];
  }));
}

/** What some repositories hold, by id; nothing without `FEATURE_QUOTA_MANAGEMENT`. */
export async function reportRepositories(
  deps: QuotaDeps,
  repositories: readonly { id: number; namespaceId: number }[],
): Promise<ReadonlyMap<number, QuotaReport> | undefined> {
  const { sql, config } = deps;
  if (!config.FEATURE_QUOTA_MANAGEMENT) return undefined;
  const [quotas, sizes] = await Promise.all([
    selectQuotas(sql, [...new Set(repositories.map(({ namespaceId }) => namespaceId))]),
    selectRepositorySizes(sql, repositories.map(({ id }) => id)),
  ]);
  const quotaOf = new Map(quotas.map((quota) => [quota.namespaceId, quota]));
  const sizeOf = new Map(sizes.map((size) => [size.id, size]));
  return new Map(
    repositories.map(({ id, namespaceId }) => [id, report(deps, quotaOf.get(namespaceId), sizeOf.get(id))]),
  );
}

function report(
  { config }: Pick<Deps, "config">,
  quota: QuotaRow | undefined,
  size: StoredSizeRow | undefined,
): QuotaReport {
  const started = size?.countingSinceMs != null;
  return {
    sizeBytes: size?.sizeBytes ?? 0,
    configuredBytes: quota?.limitBytes ?? (config.DEFAULT_SYSTEM_REJECT_QUOTA_BYTES || null),
    backfill: size === undefined || !started && !size.counted
      ? "waiting"
      : !started
      ? ""
      : size.counted
      ? "complete"
      : "running",
  };
}
