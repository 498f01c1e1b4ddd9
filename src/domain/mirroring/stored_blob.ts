/** A blob's object and its rows. */
import { completeUpload } from "../../drivers/database/queries/upload.ts";
import type { StorageLocation } from "../../drivers/storage/driver.ts";
import { blobKey, type Digest } from "../../oci/digest.ts";
import { lostClaim, withDigestClaim } from "../content/digest_claim.ts";
import type { Deps } from "../deps.ts";
import { allLocations, replicationRetries } from "../storage/locations.ts";

export interface WantedBlob {
  readonly digest: Digest;
  /** As the manifest says. */
  readonly sizeBytes: number;
}

/** For so long the repository keeps what a run has brought and no manifest names yet: a slow link may take days. */
export const HOLD_SECONDS = 7 * 24 * 3600;

/** Whether an engine really has the object, in its full length: a row alone does not say so. */
export async function isInStorage(
  { storage }: Pick<Deps, "storage">,
  { digest, sizeBytes }: WantedBlob,
): Promise<boolean> {
  for (const { driver } of allLocations(storage)) {
    if ((await driver.stat(blobKey(digest)))?.sizeBytes === sizeBytes) return true;
  }
  return false;
}

/**
 * Puts a verified object into its place and links it to the repository, under a claim on its digest.
 * @param whole key of the object, which may be its place already
 * @returns false when it is there no more
 */
export async function storeVerified(
  deps: Pick<Deps, "sql" | "config" | "storage" | "now">,
  { repositoryId, blob, location, whole }: {
    readonly repositoryId: number;
    readonly blob: WantedBlob;
    readonly location: StorageLocation;
    readonly whole: string;
  },
): Promise<boolean> {
  const { name, driver } = location;
  const { digest } = blob;
  const rows = {
    ...blob,
    repositoryId,
    locationName: name,
    keepSeconds: HOLD_SECONDS,
    replicationRetries: replicationRetries(deps),
  };
  return await withDigestClaim(deps, digest, async (claim) => {
    if (whole !== blobKey(digest)) await driver.move(whole, blobKey(digest));
    else if (await driver.stat(whole) === undefined) return false;
    claim.signal.throwIfAborted();
    if (!await completeUpload(deps.sql, rows, undefined, claim)) throw lostClaim();
    claim.ended = true;
    return true;
  });
}
