import type { Deps } from "../domain/deps.ts";
import { allLocations } from "../domain/storage/locations.ts";
import type { Pool } from "../drivers/database/postgres.ts";
import { deleteStaleFetches, selectFetchUuids } from "../drivers/database/queries/blob_fetch.ts";
import {
  deleteStaleUploads,
  type EndedUpload,
  selectUploadUuids,
} from "../drivers/database/queries/upload.ts";
import { AppError } from "../lib/errors.ts";
import type { StorageDriver } from "../drivers/storage/driver.ts";

const BATCH = 500;
/** A mirror may wait for its link, or for its window, for days. */
const STALE_FETCH_DAYS = 14;

export interface CleanedUploads {
  /** Sessions that were too old, and fetches from other registries that stood still for too long. */
  readonly sessions: number;
  /** What no session owns: files under `uploads/`, unfinished multipart uploads. */
  readonly files: number;
}

/**
 * Ends sessions older than `BLOBUPLOAD_DELETION_DATE_THRESHOLD` (minutes) and removes what crashes left in `uploads/`.
 * Safe to run on several nodes at once and to repeat. Expired `uploadedblob` rows are garbage collection's.
 * @param orphanAgeMs a file without a session goes once it has not changed for so long. Uploads without a session
 *   (POST with `digest`, mirrors) are given up after a minute of silence, so ten minutes are safe at any time; 0 is
 *   safe only while no node serves requests.
 */
export async function cleanUploads(
  { sql, storage, config, log, now }: Pick<Deps, "sql" | "storage" | "config" | "log" | "now">,
  { orphanAgeMs }: { orphanAgeMs: number },
): Promise<CleanedUploads> {
  let sessions = 0;
  const endAll = async (next: () => Promise<EndedUpload[]>) => {
    while (true) {
      const ended = await next();
      sessions += ended.length;
      for (const { uuid, locationName, storageState } of ended) {
        const location = allLocations(storage).find(({ name }) => name === locationName);
        // What stays is an orphan, and found below.
        await location?.driver.discard(`uploads/${uuid}`, storageState).catch(() => {});
      }
      if (ended.length < BATCH) break;
    }
  };
  await endAll(() => deleteStaleUploads(sql, config.BLOBUPLOAD_DELETION_DATE_THRESHOLD, BATCH));
  await endAll(() => deleteStaleFetches(sql, STALE_FETCH_DAYS, BATCH));

  let files = 0;
  if (config.CLEAN_BLOB_UPLOAD_FOLDER) {
    for (const { name, driver } of allLocations(storage)) {
      try {
        files += await cleanLocation(sql, driver, now() - orphanAgeMs);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        log.warn("a location could not be tidied up; it is tried again", { location: name, error });
      }
    }
  }
  if (sessions + files > 0) log.info("stale uploads removed", { sessions, files });
  return { sessions, files };
}

/** Removes what belongs to no session and has not changed since `newestMs`. @returns how many */
async function cleanLocation(sql: Pool, driver: StorageDriver, newestMs: number): Promise<number> {
  let removed = 0;
  const look = async <Entry extends { key: string; modifiedMs: number }>(
    entries: AsyncIterable<Entry>,
    remove: (entry: Entry) => Promise<void>,
  ) => {
    let batch: Entry[] = [];
    const removeOrphans = async () => {
      const uuids = batch.map(({ key }) => uuidOf(key));
      const owned = (await selectUploadUuids(sql, uuids)).union(await selectFetchUuids(sql, uuids));
      for (const entry of batch) {
        if (owned.has(uuidOf(entry.key))) continue;
        await remove(entry);
        removed++;
      }
      batch = [];
    };
    for await (const entry of entries) {
      if (entry.modifiedMs > newestMs) continue;
      batch.push(entry);
      if (batch.length === BATCH) await removeOrphans();
    }
    if (batch.length > 0) await removeOrphans();
  };
  await look(driver.list("uploads/"), ({ key }) => driver.remove(key));
  if (driver.listUnfinished !== undefined) {
    await look(driver.listUnfinished(), async (upload) => await driver.removeUnfinished?.(upload));
  }
  return removed;
}

/** `uploads/<uuid>` and `uploads/<uuid>.<more>`: the uuid. */
function uuidOf(key: string): string {
  return key.slice("uploads/".length).split(".", 1)[0] as string;
}
