/** What an operator does with whole locations: fill one, empty one, take one away. */
import {
  deleteLocation,
  deletePlacementsAt,
  type LocationUse,
  queueMissing,
  selectBlobsMissingAt,
  selectLocationUse,
} from "../../drivers/database/queries/placement.ts";
import { AppError } from "../../lib/errors.ts";
import { forEachLimited } from "../../lib/for_each_limited.ts";
import { copyBlob } from "../content/blob_copies.ts";
import { reasonOf } from "../content/blob_reading.ts";
import type { Deps } from "../deps.ts";
import { allLocations, REPLICATION_RETRIES } from "./locations.ts";

const BATCH = 500;

/**
 * Queues copying for every blob that one of `DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS` lacks; running nodes do it. May be
 * repeated: what is queued is not queued twice.
 * @returns how many blobs were queued
 * @throws {AppError} `feature_disabled` without FEATURE_STORAGE_REPLICATION
 */
export async function backfillReplication(
  { sql, config, now }: Pick<Deps, "sql" | "config" | "now">,
): Promise<number> {
  if (!config.FEATURE_STORAGE_REPLICATION) {
    throw new AppError("feature_disabled", "FEATURE_STORAGE_REPLICATION is false: nothing is replicated");
  }
  const wanted = config.DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS;
  let queued = 0;
  for (let afterId = 0;;) {
    const batch = await queueMissing(sql, {
      wanted,
      afterId,
      limit: BATCH,
      nowMs: now(),
      retries: REPLICATION_RETRIES,
    });
    queued += batch.queued;
    if (batch.lastId === undefined) return queued;
    afterId = batch.lastId;
  }
}

/**
 * Forgets a location. What it holds stays there, for whoever empties the bucket. With `dryRun` nothing changes.
 * @returns what depended on it
 * @throws {AppError} `not_found`; `invalid_request` while new blobs go there, or it alone has some
 */
export async function removeLocation(
  { sql, config }: Pick<Deps, "sql" | "config">,
  name: string,
  { dryRun }: { dryRun: boolean },
): Promise<LocationUse> {
  const use = await selectLocationUse(sql, name);
  if (use === undefined) throw new AppError("not_found", `no blob was ever stored at a location ${name}`);
  if (config.DISTRIBUTED_STORAGE_PREFERENCE[0] === name) {
    throw refused(`new blobs go to ${name}: put another location first in DISTRIBUTED_STORAGE_PREFERENCE`);
  }
  if (config.FEATURE_STORAGE_REPLICATION && config.DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS.includes(name)) {
    throw refused(`blobs are copied to ${name}: take it out of DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS`);
  }
  if (use.onlyHere > 0) {
    throw refused(
      `${use.onlyHere} blobs are nowhere but at ${name}: copy them with "quaylet storage migrate ${name} OTHER"`,
    );
  }
  if (use.uploads > 0) {
    throw refused(
      `${use.uploads} uploads are under way at ${name}: wait until they have ended or were cleaned up`,
    );
  }
  if (dryRun) return use;
  while (await deletePlacementsAt(sql, name, BATCH) > 0);
  if (!await deleteLocation(sql, name)) {
    throw refused(
      `blobs were stored at ${name} meanwhile; does a node with another configuration still run?`,
    );
  }
  return use;
}

const refused = (message: string) => new AppError("invalid_request", message);

export interface MoveResult {
  readonly copied: number;
  readonly copiedBytes: number;
  /** Blobs that could not be copied: the log says why. */
  readonly failed: number;
}

/**
 * Copies what `from` has and `to` lacks, each blob verified by its digest, while the registry runs. What is copied is
 * recorded at once, so that it can be stopped and started again at any time.
 * @param options.report called after each blob
 * @throws {AppError} `not_found` when the configuration lacks one of them
 */
export async function copyLocation(
  deps: Pick<Deps, "sql" | "storage" | "log">,
  { from, to, atOnce, report }: {
    from: string;
    to: string;
    atOnce: number;
    report?: (result: MoveResult) => void;
  },
): Promise<MoveResult> {
  const byName = (name: string) => {
    const found = allLocations(deps.storage).find((location) => location.name === name);
    if (found === undefined) {
      throw new AppError("not_found", `DISTRIBUTED_STORAGE_CONFIG has no location ${name}`);
    }
    return found;
  };
  const [source, target] = [byName(from), byName(to)];
  if (source === target) throw new AppError("invalid_request", "FROM and TO are the same location");
  const result = { copied: 0, copiedBytes: 0, failed: 0 };
  for (let afterId = 0;;) {
    const batch = await selectBlobsMissingAt(deps.sql, { wanted: to, from, afterId, limit: BATCH });
    const last = batch.at(-1);
    if (last === undefined) return result;
    afterId = last.id;
    await forEachLimited(batch, atOnce, async (blob) => {
      try {
        if (!await copyBlob(deps, blob, target, { source })) return;
        result.copied++;
        result.copiedBytes += blob.sizeBytes;
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        result.failed++;
        deps.log.error("a blob could not be copied", {
          digest: blob.digest,
          from,
          to,
          code: error.code,
          reason: reasonOf(error),
        });
      }
      report?.(result);
    });
  }
}
