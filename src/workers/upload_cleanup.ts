import type { Deps } from "../domain/deps.ts";
import { deleteStaleFetches, selectFetchUuids } from "../drivers/database/queries/blob_fetch.ts";
import { deleteStaleUploads, selectUploadUuids } from "../drivers/database/queries/upload.ts";

const BATCH = 500;
/** A mirror may wait for its link, or for its window, for days. */
const STALE_FETCH_DAYS = 14;

export interface CleanedUploads {
  /** Sessions that were too old, and fetches from other registries that stood still for too long. */
  readonly sessions: number;
  /** Files under `uploads/` that no session owns. */
  readonly files: number;
}

/**
 * Ends sessions older than `BLOBUPLOAD_DELETION_DATE_THRESHOLD` (minutes) and removes what crashes left in `uploads/`.
 * Safe to run on several nodes at once and to repeat. Expired `uploadedblob` rows are garbage collection's.
 * @param orphanAgeMs a file without a session goes once it has not changed for so long. Uploads without a session
 *   (POST with `digest`) are given up after a minute of silence, so ten minutes are safe at any time; 0 is
 *   safe only while no node serves requests.
 */
export async function cleanUploads(
  { sql, storage, config, log, now }: Pick<Deps, "sql" | "storage" | "config" | "log" | "now">,
  { orphanAgeMs }: { orphanAgeMs: number },
): Promise<CleanedUploads> {
  let sessions = 0;
  while (true) {
    const uuids = await deleteStaleUploads(sql, config.BLOBUPLOAD_DELETION_DATE_THRESHOLD, BATCH);
    sessions += uuids.length;
    for (const uuid of uuids) await storage.driver.remove(`uploads/${uuid}`);
    if (uuids.length < BATCH) break;
  }
  while (true) {
    const uuids = await deleteStaleFetches(sql, STALE_FETCH_DAYS, BATCH);
    sessions += uuids.length;
    for (const uuid of uuids) await storage.driver.remove(`uploads/${uuid}`);
    if (uuids.length < BATCH) break;
  }

  let files = 0;
  if (config.CLEAN_BLOB_UPLOAD_FOLDER) {
    const oldest = now() - orphanAgeMs;
    let batch: string[] = [];
    const removeOrphans = async () => {
      const uuids = batch.map((key) => key.slice("uploads/".length));
      const owned = (await selectUploadUuids(sql, uuids)).union(await selectFetchUuids(sql, uuids));
      for (const key of batch) {
        if (owned.has(key.slice("uploads/".length))) continue;
        await storage.driver.remove(key);
        files++;
      }
      batch = [];
    };
    for await (const { key, modifiedMs } of storage.driver.list("uploads/")) {
      if (modifiedMs > oldest) continue;
      batch.push(key);
      if (batch.length === BATCH) await removeOrphans();
    }
    if (batch.length > 0) await removeOrphans();
  }
  if (sessions + files > 0) log.info("stale uploads removed", { sessions, files });
  return { sessions, files };
}
