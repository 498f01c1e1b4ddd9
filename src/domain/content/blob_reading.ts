import { selectPlacements } from "../../drivers/database/queries/blob.ts";
import type { StorageLocation } from "../../drivers/storage/driver.ts";
import { AppError } from "../../lib/errors.ts";
import { blobKey, type Digest } from "../../oci/digest.ts";
import type { ByteRange } from "../../oci/range.ts";
import type { Deps } from "../deps.ts";
import { allLocations } from "../storage/locations.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type ReadableBlob = { readonly digest: Digest };
type ReadDeps = Pick<Deps, "sql" | "storage" | "log">;

/** Long enough to begin a download behind a queue of others, short enough that a leaked address is soon worth nothing. */
const ADDRESS_SECONDS = 600;

/**
 * Bytes of a blob from the nearest engine that has it; where there are several, from another when that one is down, or
 * fails in the middle. The caller reads to the end or cancels.
 * @throws {AppError} `blob_unknown` when no engine has it; `storage_unavailable` when one that may have it does not answer
 */
export async function readBlob(
  deps: ReadDeps,
  blob: ReadableBlob,
  { start, lengthBytes }: ByteRange,
): Promise<ReadableStream<Bytes>> {
  const key = blobKey(blob.digest);
  if (deps.storage.others === undefined) return await deps.storage.driver.read(key, start, lengthBytes);
  const locations = await nearest(deps, blob);
  const open = (from: number) =>
    firstThatWorks(deps, locations, blob, ({ driver }) => driver.read(key, start + from, lengthBytes - from));
  return failOver(await open(0), open, lengthBytes);
}

/**
 * An address from which a client can GET the blob itself for some minutes; `undefined` when its engine makes none.
 * @param namespace of the repository that it is pulled from
 */
export async function blobAddress(
  deps: ReadDeps,
  blob: ReadableBlob,
  namespace: string,
): Promise<URL | undefined> {
  const key = blobKey(blob.digest);
  const options = { seconds: ADDRESS_SECONDS, namespace };
  if (deps.storage.others === undefined) return await deps.storage.driver.presign?.(key, options);
  // The client cannot fall back by itself: look before sending it there.
  return await firstThatWorks(deps, await nearest(deps, blob), blob, async ({ driver }) => {
    if (await driver.stat(key) === undefined) throw new AppError("blob_unknown", "no such object in storage");
    return await driver.presign?.(key, options);
  });
}

/** Those that are known to have it, those that work before those that do not; then the rest, which may have it. */
async function nearest({ sql, storage }: ReadDeps, blob: ReadableBlob): Promise<readonly StorageLocation[]> {
  const placed = new Set(await selectPlacements(sql, blob.digest));
  const rank = ({ name, isDown }: StorageLocation) => (placed.has(name) ? 0 : 2) + (isDown?.() ? 1 : 0);
  return [...allLocations(storage)].sort((a, b) => rank(a) - rank(b));
}

async function firstThatWorks<T>(
  { log }: ReadDeps,
  locations: readonly StorageLocation[],
  { digest }: ReadableBlob,
  use: (location: StorageLocation) => Promise<T>,
): Promise<T> {
  let unavailable: AppError | undefined;
  let unknown: AppError | undefined;
  for (const location of locations) {
    try {
      return await use(location);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.code === "blob_unknown") unknown = error;
      else if (error.code === "storage_unavailable") unavailable = error;
      else throw error;
      log.warn("a location does not serve a blob; the next one is asked", {
        location: location.name,
        digest,
        reason: reasonOf(error),
      });
    }
  }
  throw unavailable ?? unknown ?? new AppError("blob_unknown", "no such object in storage");
}

/** What operators are told of a storage failure. */
export function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}

/** `stream`, gone on with from `open` when it breaks off. Each break has to be behind the one before it. */
function failOver(
  stream: ReadableStream<Bytes>,
  open: (from: number) => Promise<ReadableStream<Bytes>>,
  lengthBytes: number,
): ReadableStream<Bytes> {
  let reader = stream.getReader();
  let sentBytes = 0;
  let brokenAt = -1;
  return new ReadableStream<Bytes>({
    async pull(controller) {
      while (true) {
        try {
          const { value, done } = await reader.read();
          if (done && sentBytes < lengthBytes) throw new Error("the stored object ends early");
          if (done) return controller.close();
          sentBytes += value.length;
          return controller.enqueue(value);
        } catch (error) {
          if (sentBytes <= brokenAt) throw error;
          brokenAt = sentBytes;
          reader = (await open(sentBytes)).getReader();
        }
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
