/**
 * Limits of what a namespace may hold, and reports of what it holds. The sizes are those of `quotanamespacesize` and
 * `quotarepositorysize`: whoever counts keeps them, nothing is counted when it is asked for.
 */
import {
  deleteQuota,
  deleteQuotaLimit,
  insertQuota,
  insertQuotaLimit,
  lockQuota,
  type QuotaLimitRow,
  type QuotaLimitType,
  type QuotaRow,
  selectNamespaceSizes,
  selectQuotas,
  selectRepositorySizes,
  type StoredSizeRow,
  updateQuota,
  updateQuotaLimit,
} from "../../drivers/database/queries/quota.ts";
import { isOrganizationMember } from "../../drivers/database/queries/team.ts";
import { selectNamespace, type UserRow } from "../../drivers/database/queries/user.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, isGlobalReadonlySuperuser, isSuperuser } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import type { LogKind } from "../logs/log_kinds.ts";
import {
  hasScope,
  isOperator,
  refusal,
  requirePerson,
  requireSuperuser,
  requireSuperuserOrReader,
} from "../access/rights.ts";

export type { QuotaLimitRow, QuotaLimitType, QuotaRow };

type QuotaDeps = Pick<Deps, "sql" | "config">;
type ChangeDeps = QuotaDeps & Pick<Deps, "now">;

/** No database of ours counts further. */
const MOST_BYTES = Number.MAX_SAFE_INTEGER;

/** @throws {AppError} `feature_disabled` while quotas are not managed here */
export function requireQuotas({ config }: Pick<Deps, "config">): void {
  if (config.FEATURE_QUOTA_MANAGEMENT && config.FEATURE_EDIT_QUOTA && config.FEATURE_SUPER_USERS) return;
  throw new AppError("feature_disabled", "Not Found");
}

/** The organization, for its members, superusers and global read-only superusers. @throws {AppError} */
export async function openForQuota(deps: QuotaDeps, actor: Actor, name: string): Promise<UserRow> {
  const account = await selectNamespace(deps.sql, name);
  const organization = account?.organization ? account : undefined;
  const seesAll = isOperator(actor) || isSuperuser(deps.config, actor) ||
    isGlobalReadonlySuperuser(deps.config, actor) && hasScope(actor, "super:user");
  const isMember = organization !== undefined && actor.kind === "user" && hasScope(actor, "org:admin") &&
    await isOrganizationMember(deps.sql, organization.id, actor.id);
  if (!seesAll && !isMember) throw refusal(actor);
  if (organization === undefined) throw new AppError("not_found", "Organization not found");
  return organization;
}

/** The caller's own account. @throws {AppError} `unauthenticated`, `insufficient_scope` */
export async function openOwnForQuota(deps: QuotaDeps, actor: Actor): Promise<UserRow> {
  const account = await selectNamespace(deps.sql, requirePerson(actor, "user:admin").username);
  if (account === undefined) throw refusal(actor);
  return account;
}

/** Any namespace, for superusers and global read-only superusers. @throws {AppError} `not_found` */
export async function openAnyForQuota(deps: QuotaDeps, actor: Actor, name: string): Promise<UserRow> {
  requireSuperuserOrReader(deps.config, actor);
  const account = await selectNamespace(deps.sql, name);
  if (account === undefined) throw new AppError("not_found", "Not Found");
  return account;
}

/** A namespace whose quota is to be changed. @param actor a superuser @throws {AppError} `not_found` */
export async function openToLimit(
  deps: QuotaDeps,
  actor: Actor,
  name: string,
  kind?: "organization",
): Promise<UserRow> {
  requireSuperuser(deps.config, actor);
  const account = await selectNamespace(deps.sql, name);
  if (account === undefined || kind === "organization" && !account.organization) {
    throw new AppError("not_found", "Not Found");
  }
  return account;
}

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

function checkBytes(limitBytes: number): void {
  if (Number.isSafeInteger(limitBytes) && limitBytes > 0 && limitBytes <= MOST_BYTES) return;
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
