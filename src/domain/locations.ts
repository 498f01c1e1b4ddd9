import type { Storage, StorageLocation } from "../drivers/storage/driver.ts";
import { AppError } from "../lib/errors.ts";

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
