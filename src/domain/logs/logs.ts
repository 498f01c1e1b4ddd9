/** Reading the action log: who may, which rows, in pages of the same cost wherever they are. */
import { selectCountedMs } from "../../drivers/database/queries/log_count.ts";
import {
  countLogs,
  LOG_TABLES,
  type LogCountRow,
  type LogFilter,
  type LogPlace,
  type LogRow,
  selectLogs,
} from "../../drivers/database/queries/log_reading.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { selectAccount } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, isGlobalReadonlySuperuser } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { LOG_KINDS, type LogKind } from "./log_kinds.ts";
import { findNamespace, findOrganization, openOrganization } from "../organizations/organizations.ts";
import { openRepository } from "../repositories/repositories.ts";
import { requirePerson, requireSuperuser } from "../access/rights.ts";

export type { LogCountRow, LogRow };

/** Whose log, opened for reading. */
export interface OpenLog {
  readonly filter: Pick<LogFilter, "accountId" | "repositoryId" | "exceptKindIds">;
  /** What it is called in exports. */
  readonly namespace: string | undefined;
  readonly namespaceId: number | undefined;
  readonly repository: string | undefined;
}

type OpenDeps = Pick<Deps, "sql" | "config">;

/** What superusers do to service keys is filed under their names, and nothing of the log of their namespace. */
const SERVICE_KINDS: readonly LogKind[] = [
  "service_key_create",
  "service_key_approve",
  "service_key_delete",
  "service_key_modify",
  "service_key_extend",
  "service_key_rotate",
];

/** Global read-only superusers read every log; an export, which changes something, is for administrators only. */
export type LogPurpose = "read" | "export";

/** @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated` unless administrator, or reader of everything */
export async function openRepositoryLog(
  deps: OpenDeps,
  actor: Actor,
  path: { namespace: string; name: string },
  purpose: LogPurpose = "read",
): Promise<OpenLog> {
  const need = purpose === "read" && isGlobalReadonlySuperuser(deps.config, actor) ? "read" : "admin";
  const { id, namespace, namespaceId, name } = await openRepository(deps, actor, path, need);
  return { filter: { repositoryId: id }, namespace, namespaceId, repository: name };
}

/** @throws as {@link openRepositoryLog} */
export async function openOrganizationLog(
  deps: OpenDeps,
  actor: Actor,
  name: string,
  purpose: LogPurpose = "read",
): Promise<OpenLog> {
  const { id, username } = purpose === "read" && isGlobalReadonlySuperuser(deps.config, actor)
    ? await findOrganization(deps, name)
    : await openOrganization(deps, actor, name);
  return { filter: { accountId: id }, namespace: username, namespaceId: id, repository: undefined };
}

/** The log of a user's or an organization's namespace. @throws {AppError} `not_found`, unless superuser as {@link openSiteLog} */
export async function openNamespaceLog(deps: OpenDeps, actor: Actor, name: string): Promise<OpenLog> {
  requireSuperuser(deps.config, actor);
  const { id, username } = await findNamespace(deps, name);
  return { filter: { accountId: id }, namespace: username, namespaceId: id, repository: undefined };
}

/** The log of the person's own namespace. @throws {AppError} `insufficient_scope`, `unauthenticated` */
export function openOwnLog(actor: Actor): OpenLog {
  const { id, username } = requirePerson(actor, "user:admin");
  const exceptKindIds = SERVICE_KINDS.map((kind) => LOG_KINDS[kind]);
  return {
    filter: { accountId: id, exceptKindIds },
    namespace: username,
    namespaceId: id,
    repository: undefined,
  };
}

/** Everything. @throws {AppError} `insufficient_scope`, `unauthenticated` */
export function openSiteLog({ config }: OpenDeps, actor: Actor): OpenLog {
  if (!isGlobalReadonlySuperuser(config, actor)) requireSuperuser(config, actor);
  return { filter: {}, namespace: undefined, namespaceId: undefined, repository: undefined };
}

export interface LogRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Where a page ended. */
export interface LogPosition extends LogPlace {
  /** Of {@link LOG_TABLES}. */
  readonly table: number;
}

export interface LogQuery extends LogRange {
  /** Only what that user or robot did. */
  readonly performer?: string | undefined;
  readonly kind?: LogKind | undefined;
}

/**
 * A page, the youngest rows first. Quay's older tables are read after the one that is written.
 * @param log opened by the caller for this reader
 * @throws {AppError} `invalid_request` for a performer that is not there
 */
export async function listLogs(
  deps: { readonly sql: Sql },
  log: OpenLog,
  query: LogQuery & { readonly after: LogPosition | undefined; readonly limit: number },
): Promise<{ rows: LogRow[]; next: LogPosition | undefined }> {
  const { after, limit, fromMs, toMs } = query;
  const filter: LogFilter = {
    ...log.filter,
    fromMs,
    toMs,
    performerId: await performerId(deps, query.performer),
    ...(query.kind === undefined ? {} : { kindIds: [LOG_KINDS[query.kind]] }),
  };
  const found: { row: LogRow; table: number }[] = [];
  for (let table = after?.table ?? 0; table < LOG_TABLES.length && found.length <= limit; table++) {
    const rows = await selectLogs(deps.sql, LOG_TABLES[table]!, {
      ...filter,
      after: table === after?.table ? after : undefined,
      limit: limit + 1 - found.length,
    });
    found.push(...rows.map((row) => ({ row, table })));
  }
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const next = found.length > limit && last !== undefined
    ? { table: last.table, at: last.row.at, id: last.row.id }
    : undefined;
  return { rows: page.map(({ row }) => row), next };
}

/** Longest range of {@link aggregateLogs}. */
const MOST_DAYS = 31;
export const DAY_MS = 86_400_000;

/**
 * Rows by day and kind; the first day is counted whole.
 * @param log opened by the caller for this reader
 * @throws {AppError} `invalid_request` for a performer that is not there, or more than 31 days
 */
export async function aggregateLogs(
  deps: Pick<Deps, "sql">,
  log: OpenLog,
  query: Omit<LogQuery, "kind">,
): Promise<LogCountRow[]> {
  if (query.toMs - query.fromMs >= (MOST_DAYS + 1) * DAY_MS) {
    throw new AppError("invalid_request", `Invalid date range for logs: at most ${MOST_DAYS} days`);
  }
  return await countLogs(deps.sql, {
    ...log.filter,
    fromMs: Math.floor(query.fromMs / DAY_MS) * DAY_MS,
    toMs: Math.ceil(query.toMs / DAY_MS) * DAY_MS,
    performerId: await performerId(deps, query.performer),
  }, await selectCountedMs(deps.sql));
}

async function performerId(
  { sql }: { readonly sql: Sql },
  name: string | undefined,
): Promise<number | undefined> {
  if (name === undefined || name === "") return undefined;
  const account = await selectAccount(sql, name);
  if (account === undefined) throw new AppError("invalid_request", `Unknown performer: ${name}`);
  return account.id;
}

/** What a row says of what was done; text that is no JSON object is passed on as `__raw`, as in Quay's archives. */
export function metadataOf({ metadataJson }: Pick<LogRow, "metadataJson">): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(metadataJson);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // written by something else
  }
  return { __raw: metadataJson };
}
