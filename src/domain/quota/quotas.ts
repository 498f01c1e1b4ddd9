/** Limits of what a namespace may hold. */
import {
  deleteQuota,
  deleteQuotaLimit,
  insertQuota,
  insertQuotaLimit,
  lockQuota,
  type QuotaLimitRow,
  type QuotaLimitType,
  type QuotaRow,
  selectQuotas,
  updateQuota,
  updateQuotaLimit,
} from "../../drivers/database/queries/quota.ts";
import type { UserRow } from "../../drivers/database/queries/user.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import type { LogKind } from "../logs/log_kinds.ts";

export type { QuotaLimitRow, QuotaLimitType, QuotaRow };

type ChangeDeps = Pick<Deps, "sql" | "config" | "now">;

/** No database of ours counts further. */
/** The greatest number that is one here and fits into the column: automation says 8 EB for "as good as no limit". */
const MOST_BYTES = 2 ** 63 - 1024;

/** @param namespace opened by the caller */
export async function findQuota(
  { sql }: { readonly sql: Sql },
  namespace: UserRow,
): Promise<QuotaRow | undefined> {
  return (await selectQuotas(sql, [namespace.id]))[0];
}

/** The quota of that id, when it is the namespace's. @throws {AppError} `not_found` */
export async function getQuota(
  deps: { readonly sql: Sql },
  namespace: UserRow,
  id: string,
): Promise<QuotaRow> {
  const quota = await findQuota(deps, namespace);
  if (quota === undefined || `${quota.id}` !== id) throw new AppError("not_found", "Not Found");
  return quota;
}

/** @throws {AppError} `not_found` */
export function limitOf(quota: QuotaRow, id: string): QuotaLimitRow {
  const limit = quota.limits.find((known) => `${known.id}` === id);
  if (limit === undefined) throw new AppError("not_found", "Not Found");
  return limit;
}

/** @param namespace opened to be limited @throws {AppError} `invalid_request`: a size that is none, or there is a quota */
export async function createQuota(
  deps: ChangeDeps,
  actor: Actor,
  namespace: UserRow,
  limitBytes: number,
): Promise<void> {
  checkBytes(limitBytes);
  await deps.sql.begin(async (tx) => {
    if (await insertQuota(tx, namespace.id, limitBytes) === undefined) {
      throw new AppError("invalid_request", `Quota for '${namespace.username}' already exists`);
    }
    await log({ ...deps, sql: tx }, actor, namespace, "org_create_quota", { limit: limitBytes });
  });
}

/** @param namespace opened to be limited @throws {AppError} `not_found`, `invalid_request` */
export async function changeQuota(
  deps: ChangeDeps,
  actor: Actor,
  namespace: UserRow,
  id: string,
  limitBytes: number | undefined,
): Promise<QuotaRow> {
  if (limitBytes !== undefined) checkBytes(limitBytes);
  return await deps.sql.begin(async (tx) => {
    const quota = await getQuota({ sql: tx }, namespace, id);
    if (limitBytes === undefined) return quota;
    await updateQuota(tx, quota.id, limitBytes);
    const told = { limit: limitBytes, previous_limit: quota.limitBytes };
    await log({ ...deps, sql: tx }, actor, namespace, "org_change_quota", told);
    return { ...quota, limitBytes };
  });
}

/** @param namespace opened to be limited @throws {AppError} `not_found` */
export async function removeQuota(
  deps: ChangeDeps,
  actor: Actor,
  namespace: UserRow,
  id: string,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    const quota = await getQuota({ sql: tx }, namespace, id);
    await deleteQuota(tx, quota.id);
    await log({ ...deps, sql: tx }, actor, namespace, "org_delete_quota", { limit: quota.limitBytes });
  });
}

/** What a limit says, as clients write it. */
export interface LimitWish {
  readonly type?: string | undefined;
  readonly percent?: number | undefined;
}

/**
 * Adds a limit, or changes the one of that id. @param namespace opened to be limited
 * @throws {AppError} `not_found`; `invalid_request`: type, percentage, or an equal one is there
 */
export async function putQuotaLimit(
  deps: ChangeDeps,
  actor: Actor,
  namespace: UserRow,
  ids: { quota: string; limit?: string },
  wish: LimitWish,
): Promise<QuotaRow> {
  return await deps.sql.begin(async (tx) => {
    const { id } = await getQuota({ sql: tx }, namespace, ids.quota);
    await lockQuota(tx, id);
    const quota = await getQuota({ sql: tx }, namespace, ids.quota);
    const known = ids.limit === undefined ? undefined : limitOf(quota, ids.limit);
    const type = readType(wish.type ?? known?.type);
    const percent = readPercent(wish.percent ?? known?.percent);
    const equal = quota.limits.find((limit) => limit.type === type && limit.percent === percent);
    if (equal !== undefined && equal.id !== known?.id) {
      throw new AppError("invalid_request", "Quota limit already exists");
    }
    const told = { type, threshold_percent: percent };
    if (known === undefined) {
      await insertQuotaLimit(tx, quota.id, { type, percent });
      await log({ ...deps, sql: tx }, actor, namespace, "org_create_quota_limit", told);
    } else {
      await updateQuotaLimit(tx, known.id, { type, percent });
      const before = { previous_type: known.type, previous_threshold_percent: known.percent };
      await log({ ...deps, sql: tx }, actor, namespace, "org_change_quota_limit", { ...told, ...before });
    }
    return await getQuota({ sql: tx }, namespace, ids.quota);
  });
}

/** @param namespace opened to be limited @throws {AppError} `not_found` */
export async function removeQuotaLimit(
  deps: ChangeDeps,
  actor: Actor,
  namespace: UserRow,
  ids: { quota: string; limit: string },
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    const limit = limitOf(await getQuota({ sql: tx }, namespace, ids.quota), ids.limit);
    await deleteQuotaLimit(tx, limit.id);
    const told = { type: limit.type, threshold_percent: limit.percent };
    await log({ ...deps, sql: tx }, actor, namespace, "org_delete_quota_limit", told);
  });
}

function checkBytes(limitBytes: number): void {
  if (Number.isInteger(limitBytes) && limitBytes > 0 && limitBytes <= MOST_BYTES) return;
  throw new AppError("invalid_request", `Invalid quota size limit value: '${limitBytes}'`);
}

function readType(type: string | undefined): QuotaLimitType {
  switch (type?.toLowerCase()) {
    case "warning":
      return "Warning";
    case "reject":
      return "Reject";
    default:
      throw new AppError("invalid_request", "Quota type must be one of Warning, Reject");
  }
}

function readPercent(percent: number | undefined): number {
  if (percent !== undefined && Number.isInteger(percent) && percent >= 1 && percent <= 100) return percent;
  throw new AppError("invalid_request", "Quota limit threshold must be between 1 and 100");
}

async function log(
  deps: { readonly sql: Sql } & Pick<Deps, "config" | "now">,
  actor: Actor,
  namespace: UserRow,
  kind: LogKind,
  metadata: Record<string, unknown>,
): Promise<void> {
  await logAction(deps, actor, {
    kind,
    namespaceId: namespace.id,
    metadata: { ...metadata, namespace: namespace.username },
  });
}
