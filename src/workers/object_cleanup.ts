import type { Deps } from "../domain/deps.ts";
import { reasonOf } from "../domain/content/blob_reading.ts";
import { allLocations } from "../domain/storage/locations.ts";
import type { StorageLocation } from "../drivers/storage/driver.ts";
import { AppError } from "../lib/errors.ts";
import { withDigestClaim } from "../domain/content/digest_claim.ts";
import { selectStoredDigests } from "../drivers/database/queries/blob.ts";
import { blobKey, type Digest } from "../oci/digest.ts";

/** A push commits its row within moments of making its object; a day leaves room for clocks and for whoever looks into it. */
const MIN_AGE_MS = 24 * 3600_000;
const BATCH = 500;
const ALGORITHMS = ["sha256", "sha512"] as const;
/** A run looks through every 32nd folder, so that the whole of a large storage is looked through in a day and a half. */
export const SLICES = 32;
/** Crashes leave few. More than these, and more than a tenth, means that database and storage do not belong together. */
const CREDIBLE = 16;

type CleanDeps = Pick<Deps, "sql" | "storage" | "config" | "log" | "now">;

export interface CleanedObjects {
  /** Objects old enough to be looked up. */
  readonly seen: number;
  readonly removed: number;
}

/**
 * Removes objects that have no row in `imagestorage`: what a crash before the commit of a push leaves.
 * One slice a run, chosen by the clock, so that nothing needs to be remembered between runs. Safe on several nodes at
 * once and beside pushes: `domain/content/new_blob.ts` has the protocol. Refuses when too many rows are missing, since an empty or
 * older database would cost all blobs then; and does nothing under `REGISTRY_STATE: readonly`.
 */
export async function cleanObjects(
  deps: CleanDeps,
  slice = Math.floor(deps.now() / 3600_000) % SLICES,
): Promise<CleanedObjects> {
  const cleaned = { seen: 0, removed: 0 };
  if (deps.config.REGISTRY_STATE === "readonly") return cleaned;
  for (const location of allLocations(deps.storage)) {
    try {
      const { seen, removed } = await cleanLocation(deps, location, slice);
      cleaned.seen += seen;
      cleaned.removed += removed;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      deps.log.warn("a location could not be tidied up; it is tried again", {
        location: location.name,
        reason: reasonOf(error),
      });
    }
  }
  return cleaned;
}

async function cleanLocation(
  deps: CleanDeps,
  location: StorageLocation,
  slice: number,
): Promise<CleanedObjects> {
  const { sql, log, now } = deps;
  const orphans: Digest[] = [];
  let seen = 0;
  let batch: Digest[] = [];
  const lookUp = async () => {
    const known = await selectStoredDigests(sql, batch);
    orphans.push(...batch.filter((digest) => !known.has(digest)));
    seen += batch.length;
    batch = [];
  };
  const newest = now() - MIN_AGE_MS;
  for (const prefix of prefixesOf(slice)) {
    for await (const { key, modifiedMs } of location.driver.list(prefix)) {
      const digest = digestOfKey(key);
      if (digest === undefined || modifiedMs > newest) continue;
      batch.push(digest);
      if (batch.length === BATCH) await lookUp();
    }
  }
  if (batch.length > 0) await lookUp();

  if (orphans.length > CREDIBLE && orphans.length > seen / 10) {
    log.error("many stored objects are unknown to the database; none is removed: is it the right database?", {
      location: location.name,
      unknown: orphans.length,
      seen,
    });
    return { seen, removed: 0 };
  }
  let removed = 0;
  for (const digest of orphans) if (await removeOrphan(deps, location, digest)) removed++;
  if (removed > 0) log.info("stored objects without a row removed", { location: location.name, removed });
  return { seen, removed };
}

/** @returns false when a push has made it a blob meanwhile */
async function removeOrphan(
  { sql }: CleanDeps,
  { driver }: StorageLocation,
  digest: Digest,
): Promise<boolean> {
  // Waits for a push between making its object and its commit.
  return await withDigestClaim({ sql }, digest, async (claim) => {
    if ((await selectStoredDigests(sql, [digest])).size > 0) return false;
    claim.signal.throwIfAborted();
    await driver.remove(blobKey(digest));
    return true;
  });
}

function* prefixesOf(slice: number): Generator<string> {
  for (const algorithm of ALGORITHMS) {
    for (let folder = slice; folder < 256; folder += SLICES) {
      yield `${algorithm}/${folder.toString(16).padStart(2, "0")}/`;
    }
  }
}

/** `undefined` for what is not a finished blob in its place: left alone. */
function digestOfKey(key: string): Digest | undefined {
  const match = /^(?:(sha256)\/..\/([0-9a-f]{64})|(sha512)\/..\/([0-9a-f]{128}))$/.exec(key);
  if (match === null) return undefined;
  const digest = `${match[1] ?? match[3]}:${match[2] ?? match[4]}` as Digest;
  return blobKey(digest) === key ? digest : undefined;
}
