/**
 * Moves old rows of the action log to storage (`FEATURE_ACTION_LOG_ROTATION`). A batch of rows becomes a file and then is
 * deleted:
 *
 *     claim    a row of `logarchivebatch` names the rows and the file; a table has one batch at a time, so one node works
 *     write    the file appears whole and durable, or not at all
 *     delete   the rows, their counts and the claim, in one transaction
 *
 * Whoever dies in between leaves the claim, and after a while another node goes on with it: the same rows, the same file.
 */
import { durationMs } from "../../config/duration.ts";
import {
  type ArchiveBatch,
  deleteArchiveBatch,
  deleteLogs,
  insertArchiveBatch,
  type RawLogRow,
  releaseArchiveBatch,
  selectOldLogIds,
  selectRawLogs,
  takeOverArchiveBatch,
} from "../../drivers/database/queries/log_archive.ts";
import { LOG_TABLES, type LogTable } from "../../drivers/database/queries/log_reading.ts";
import type { StorageDriver, StorageLocation } from "../../drivers/storage/driver.ts";
import type { Deps } from "../deps.ts";
import { forgetEmptyCounts, holdCounts, uncountActions } from "./log_counts.ts";
import { metadataOf } from "./logs.ts";

type ArchiveDeps = Pick<Deps, "sql" | "config" | "storage" | "log" | "now">;

/** Rows of a file, as in Quay: some 2 MB of text. */
const BATCH = 5_000;
/** A batch takes seconds; whoever is silent for so long has died. */
const LEASE_MS = 600_000;

/** @returns how many rows were moved */
export async function archiveLogs(deps: ArchiveDeps, stop?: AbortSignal): Promise<number> {
  const driver = archiveDriver(deps);
  const { config, now, log } = deps;
  // Nothing younger than the minimum goes, whatever the threshold says.
  const ageMs = Math.max(
    durationMs(config.ACTION_LOG_ROTATION_THRESHOLD),
    durationMs(config.MINIMUM_LOGS_AGE_FOR_ARCHIVE),
  );
  let moved = 0;
  for (const table of LOG_TABLES) {
    while (!stop?.aborted) {
      const batch = await claimBatch(deps, table, now() - ageMs);
      if (batch === undefined) break;
      moved += await archiveBatch(deps, driver, batch);
    }
  }
  if (moved > 0) {
    await forgetEmptyCounts(deps.sql);
    log.info("old actions were archived", { rows: moved, path: config.ACTION_LOG_ARCHIVE_PATH });
  }
  return moved;
}

/** `ACTION_LOG_ARCHIVE_LOCATION`, else where new blobs go. @throws {Error} for a location that is none */
function archiveDriver({ config, storage }: ArchiveDeps): StorageDriver {
  const wanted = config.ACTION_LOG_ARCHIVE_LOCATION ?? storage.name;
  const { others = [] } = storage as StorageLocation & { readonly others?: readonly StorageLocation[] };
  const location = [storage, ...others].find(({ name }) => name === wanted);
  if (location === undefined) {
    throw new Error(
      `ACTION_LOG_ARCHIVE_LOCATION: there is no storage ${wanted}; choose one of ${
        [storage, ...others].map(({ name }) => name).join(", ")
      }`,
    );
  }
  return location.driver;
}

/** The next batch that is this node's to do; undefined when there is none, or it is another's. */
async function claimBatch(
  { sql, now }: ArchiveDeps,
  table: LogTable,
  beforeMs: number,
): Promise<ArchiveBatch | undefined> {
  const holder = crypto.randomUUID();
  const nowMs = now();
  const untilMs = nowMs + LEASE_MS;
  const left = await takeOverArchiveBatch(sql, { table, holder, nowMs, untilMs });
  if (left !== undefined) return left;
  return await sql.begin(async (tx) => {
    // Only what has been counted can be taken out of the counts.
    const countedMs = table === "logentry3" ? await holdCounts(tx) : beforeMs;
    const ids = await selectOldLogIds(tx, table, { beforeMs: Math.min(beforeMs, countedMs), limit: BATCH });
    const [first] = ids;
    if (first === undefined) return undefined;
    // A database that was put back from a backup gives ids away again: the file's name is its own nevertheless.
    const file = `${first}-${ids.at(-1)}-${table}-${holder.slice(0, 8)}.txt.gz`;
    const batch = { table, file, ids, holder };
    return await insertArchiveBatch(tx, batch, untilMs) ? batch : undefined;
  });
}

async function archiveBatch(deps: ArchiveDeps, driver: StorageDriver, batch: ArchiveBatch): Promise<number> {
  const { sql, config } = deps;
  const { table, ids, file } = batch;
  try {
    const rows = await selectRawLogs(sql, table, ids);
    await driver.write(archiveKey(config.ACTION_LOG_ARCHIVE_PATH, file), compressed(rows));
    return await sql.begin(async (tx) => {
      if (!await deleteArchiveBatch(tx, batch)) throw new Error("another node has taken the batch over");
      if (table === "logentry3") {
        await holdCounts(tx);
        await uncountActions(tx, ids);
      }
      await deleteLogs(tx, table, ids);
      return rows.length;
    });
  } catch (error) {
    // When that fails too, the lease runs out by itself.
    await releaseArchiveBatch(sql, batch).catch(() => {});
    throw error;
  }
}

function archiveKey(path: string, file: string): string {
  return [...path.split("/").filter((part) => part !== ""), file].join("/");
}

/** Quay's form: a JSON array, gzip; here with a row a line, so that line tools can read it too. */
function compressed(rows: readonly RawLogRow[]): AsyncIterable<Uint8Array> {
  return ReadableStream.from(lines(rows)).pipeThrough(new TextEncoderStream())
    .pipeThrough(new CompressionStream("gzip"));
}

function* lines(rows: readonly RawLogRow[]): Generator<string> {
  yield "[\n";
  for (const [at, row] of rows.entries()) {
    const text = JSON.stringify({ ...row, metadata_json: metadataOf({ metadataJson: row.metadata_json }) });
    yield at + 1 === rows.length ? `${text}\n` : `${text},\n`;
  }
  yield "]\n";
}
