import type { Storage, StorageLocation } from "../../drivers/storage/driver.ts";
import { AppError } from "../../lib/errors.ts";
import type { Deps } from "../deps.ts";

/** Every engine of the site, the one that is written to first. */
export function allLocations(storage: Storage): readonly StorageLocation[] {
  return storage.others === undefined ? [storage] : [storage, ...storage.others];
}

/** The engine of that name. @throws {AppError} `storage_unavailable` when this node's configuration has none */
export function locationOf(storage: Storage, name: string): StorageLocation {
  const found = allLocations(storage).find((location) => location.name === name);
  if (found !== undefined) return found;
  throw new AppError("storage_unavailable", "the storage of this content is not known here", {}, {
    cause: new Error(`DISTRIBUTED_STORAGE_CONFIG has no ${name}`),
  });
}

/** A link may be cut for days: a try every ten minutes for three weeks. */
export const REPLICATION_RETRIES = 3000;

/** How often a new blob's copying may be tried; `undefined` where nothing is replicated. */
export function replicationRetries(
  { config, storage }: Pick<Deps, "config" | "storage">,
): number | undefined {
  return config.FEATURE_STORAGE_REPLICATION && storage.others !== undefined ? REPLICATION_RETRIES : undefined;
}

/** Where new bytes go: the first location in order of preference that has not been failing. */
export function writableLocation(storage: Storage): StorageLocation {
  return allLocations(storage).find(({ isDown }) => !isDown?.()) ?? storage;
}
