/**
 * Exports of the action log: asked for over the API, written to storage by a worker, and fetched at an address that
 * nobody can guess, for `EXPORT_ACTION_LOGS_SECONDS`. Kept as `<EXPORT_ACTION_LOGS_STORAGE_PATH>/<file>/logs.json`.
 */
import * as z from "zod";
import { insertQueueItem } from "../../drivers/database/queries/queue.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import type { WebhookClient } from "../../lib/webhook_client.ts";
import type { Actor } from "../access/access.ts";
import { logAction } from "./action_log.ts";
import type { Deps } from "../deps.ts";
import { DAY_MS, listLogs, type LogPosition, type LogRow, metadataOf, type OpenLog } from "./logs.ts";
import { sendLogExportMail } from "../accounts/mails.ts";
import { utcDay } from "../../lib/utc_day.ts";

export const EXPORT_QUEUE = "exportactionlogs";
const TRIES = 3;
const PAGE = 1_000;
/** For the whole of an export; Quay's. */
const LONGEST_MS = 2 * 3600_000;
const OBJECT = "logs.json";

export interface ExportWish {
  readonly fromMs: number;
  readonly toMs: number;
  /** Told where the export is; at least one of the two. */
  readonly callbackUrl: string | undefined;
  readonly callbackEmail: string | undefined;
}

/** What waits in the queue, under Quay's names. */
const jobSchema = z.object({
  export_id: z.string(),
  namespace_id: z.int(),
  namespace_name: z.string(),
  repository_id: z.int().nullable(),
  repository_name: z.string().nullable(),
  /** Days, as Quay writes them; the moments follow. */
  start_time: z.string(),
  end_time: z.string(),
  callback_url: z.string().nullable(),
  callback_email: z.string().nullable(),
  from_ms: z.number(),
  to_ms: z.number(),
  except_kind_ids: z.array(z.int()),
});
type Job = z.infer<typeof jobSchema>;

/**
 * Queues an export; that it was asked for is an action of its own.
 * @param log opened by the caller for export: of a namespace or a repository
 * @returns its public id
 * @throws {AppError} `invalid_request` without a good address to tell
 */
export async function requestExport(
  deps: Pick<Deps, "sql" | "config" | "log" | "now">,
  actor: Actor,
  log: OpenLog,
  wish: ExportWish,
): Promise<string> {
  const { namespaceId, namespace = "", repository } = log;
  const about = {
    ...(repository === undefined ? {} : { repo: repository }),
    url: wish.callbackUrl ?? null,
    email: wish.callbackEmail ?? null,
  };
  const inLog = { namespaceId, repositoryId: log.filter.repositoryId };
  const problem = problemOf(wish);
  if (problem !== undefined) {
    await logAction(deps, actor, {
      ...inLog,
      kind: "export_logs_failure",
      metadata: { ...about, error: problem },
    });
    throw new AppError("invalid_request", problem);
  }
  const exportId = crypto.randomUUID();
  const job: Job = {
    export_id: exportId,
    namespace_id: namespaceId ?? 0,
    namespace_name: namespace,
    repository_id: log.filter.repositoryId ?? null,
    repository_name: repository ?? null,
    start_time: dayOf(wish.fromMs),
    end_time: dayOf(wish.toMs - DAY_MS),
    callback_url: wish.callbackUrl ?? null,
    callback_email: wish.callbackEmail ?? null,
    from_ms: wish.fromMs,
    to_ms: wish.toMs,
    except_kind_ids: [...log.filter.exceptKindIds ?? []],
  };
  await deps.sql.begin(async (tx) => {
    await insertQueueItem(tx, {
      queueName: `${EXPORT_QUEUE}/${job.namespace_id}/`,
      body: JSON.stringify(job),
      nowMs: deps.now(),
      retries: TRIES,
    });
    await logAction({ ...deps, sql: tx }, actor, {
      ...inLog,
      kind: "export_logs_success",
      metadata: { ...about, export_id: exportId },
    });
  });
  return exportId;
}

function problemOf({ callbackUrl, callbackEmail }: ExportWish): string | undefined {
  if (callbackUrl === undefined && callbackEmail === undefined) {
    return "Invalid export request: say where to tell you, callback_url or callback_email";
  }
  if (callbackUrl !== undefined && !(/^https?:\/\//.test(callbackUrl) && URL.canParse(callbackUrl))) {
    return "Invalid callback URL";
  }
  if (callbackEmail !== undefined && !/^[^@\s]+@[^@\s]+$/.test(callbackEmail)) {
    return "Invalid callback e-mail";
  }
  return undefined;
}

export type ExportDeps =
  & Pick<Deps, "sql" | "config" | "storage" | "mail" | "log" | "now">
  & { readonly webhooks: WebhookClient };

/**
 * Writes one export and tells who asked for it. Done twice, it is written twice, and the older one is cleaned away.
 * @param body of the queue
 * @throws what storage, or who is to be told, says: to be tried again
 */
export async function runExport(deps: ExportDeps, body: unknown, signal: AbortSignal): Promise<void> {
  const job = jobSchema.parse(body);
  const file = `${job.export_id}-${crypto.randomUUID()}`;
  try {
    await deps.storage.driver.write(objectKey(deps, file), document(deps, job), signal);
  } catch (error) {
    if (!isTooSlow(error)) throw error;
    deps.log.warn("an export of the action log took too long", { export: job.export_id, error });
    await logFailure(deps, job, "it took too long: ask for fewer days");
    return await report(deps, job, { status: "timedout", url: null }, signal);
  }
  const { PREFERRED_URL_SCHEME: scheme, SERVER_HOSTNAME: host } = deps.config;
  await report(deps, job, { status: "success", url: `${scheme}://${host}/exportedlogs/${file}` }, signal);
}

/** The last try has failed. */
export async function giveUpExport(deps: ExportDeps, body: unknown): Promise<void> {
  const { success, data: job } = jobSchema.safeParse(body);
  if (!success) return;
  await logFailure(deps, job, "it could not be written, or nobody could be told");
  await report(deps, job, { status: "failed", url: null }).catch((error) =>
    deps.log.warn("nobody could be told that an export failed", { export: job.export_id, error })
  );
}

async function logFailure(deps: Pick<Deps, "sql" | "config" | "now">, job: Job, error: string) {
  await logAction(deps, { kind: "operator" }, {
    kind: "export_logs_failure",
    namespaceId: job.namespace_id,
    repositoryId: job.repository_id ?? undefined,
    metadata: {
      ...(job.repository_name === null ? {} : { repo: job.repository_name }),
      export_id: job.export_id,
      url: job.callback_url,
      email: job.callback_email,
      error,
    },
  });
}

async function report(
  deps: ExportDeps,
  job: Job,
  { status, url }: { status: "success" | "failed" | "timedout"; url: string | null },
  signal?: AbortSignal,
): Promise<void> {
  if (job.callback_url !== null) {
    await deps.webhooks.postJson(job.callback_url, {
      export_id: job.export_id,
      start_time: job.start_time,
      end_time: job.end_time,
      namespace: job.namespace_name,
      repository: job.repository_name,
      exported_data_url: url,
      status,
    }, signal);
  }
  if (job.callback_email !== null) {
    const lifetimeS = deps.config.EXPORT_ACTION_LOGS_SECONDS;
    await sendLogExportMail(deps, job.callback_email, { exportId: job.export_id, url, lifetimeS });
  }
}

/** Quay's form, written while it is read: no more than a page of rows is in memory. */
async function* document(deps: ExportDeps, job: Job): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const details = {
    start_time: httpDate(job.from_ms),
    end_time: httpDate(job.to_ms),
    namespace: job.namespace_name,
    repository: job.repository_name,
  };
  const opening = { export_id: job.export_id, details };
  yield encoder.encode(`${JSON.stringify(opening).slice(0, -1)},"logs":[\n`);
  const endMs = deps.now() + LONGEST_MS;
  let after: LogPosition | undefined;
  do {
    if (deps.now() > endMs) throw new TooSlow("the export runs for too long");
    const { rows, next } = await deps.sql.begin((tx) => pageOf(tx, deps, job, after));
    yield encoder.encode(rows.map((row) => `${JSON.stringify(exported(row))},\n`).join(""));
    after = next;
  } while (after !== undefined);
  yield encoder.encode(`{"terminator":true}]}\n`);
}

async function pageOf(tx: Sql, { config }: ExportDeps, job: Job, after: LogPosition | undefined) {
  const limitMs = config.EXPORT_ACTION_LOGS_MAXIMUM_QUERY_TIME_SECONDS * 1000;
  await tx`select set_config('statement_timeout', ${`${limitMs}`}, true)`;
  const filter = job.repository_id !== null
    ? { repositoryId: job.repository_id }
    : { accountId: job.namespace_id };
  const log: OpenLog = {
    filter: { ...filter, exceptKindIds: job.except_kind_ids },
    namespace: job.namespace_name,
    namespaceId: job.namespace_id,
    repository: job.repository_name ?? undefined,
  };
  return await listLogs({ sql: tx }, log, { fromMs: job.from_ms, toMs: job.to_ms, after, limit: PAGE });
}

class TooSlow extends Error {}

/** The site's limits, or the server's `statement_timeout` (SQLSTATE 57014); storage may have wrapped it. */
function isTooSlow(error: unknown): boolean {
  if (error instanceof TooSlow || (error as { code?: unknown } | null)?.code === "57014") return true;
  return error instanceof Error && error.cause !== undefined && isTooSlow(error.cause);
}

function exported(row: LogRow): Record<string, unknown> {
  const { performerName: name, performerIsRobot } = row;
  return {
    kind: row.kind,
    metadata: metadataOf(row),
    ip: row.ip,
    datetime: httpDate(row.atMs),
    ...(name === null ? {} : { performer: { kind: "user", name, is_robot: performerIsRobot === true } }),
  };
}

const FILE = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** An export to be fetched; undefined when there is none of that name, or not any more. Knowing the name is the right. */
export async function findExport(
  deps: Pick<Deps, "config" | "storage" | "now">,
  file: string,
): Promise<{ sizeBytes: number; open(): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> } | undefined> {
  if (!FILE.test(file)) return undefined;
  const { driver } = deps.storage;
  for await (const { key, sizeBytes, modifiedMs } of driver.list(`${folderOf(deps)}/${file}`)) {
    if (deps.now() > modifiedMs + deps.config.EXPORT_ACTION_LOGS_SECONDS * 1000) return undefined;
    return { sizeBytes, open: () => driver.read(key) };
  }
  return undefined;
}

/** Removes exports that nobody can fetch any more. @returns how many */
export async function cleanExports(deps: Pick<Deps, "config" | "storage" | "now">): Promise<number> {
  const { driver } = deps.storage;
  const beforeMs = deps.now() - deps.config.EXPORT_ACTION_LOGS_SECONDS * 1000;
  let removed = 0;
  for await (const { key, modifiedMs } of driver.list(folderOf(deps))) {
    if (modifiedMs >= beforeMs) continue;
    await driver.remove(key);
    removed++;
  }
  return removed;
}

function objectKey(deps: Pick<Deps, "config">, file: string): string {
  return `${folderOf(deps)}/${file}/${OBJECT}`;
}

function folderOf({ config }: Pick<Deps, "config">): string {
  return config.EXPORT_ACTION_LOGS_STORAGE_PATH.split("/").filter((part) => part !== "").join("/");
}

/** Most of Quay's dates: RFC 2822. */
function httpDate(ms: number): string {
  return new Date(ms).toUTCString().replace("GMT", "-0000");
}

/** MM/DD/YYYY */
function dayOf(ms: number): string {
  const [year, month, day] = utcDay(ms).split("-");
  return `${month}/${day}/${year}`;
}
