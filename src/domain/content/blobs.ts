import {
  type BlobPlace,
  type BlobRow,
  hideBlob,
  insertMount,
  selectBlob,
  selectBlobInUse,
  selectBlobPlace,
  selectHolders,
} from "../../drivers/database/queries/blob.ts";
import { AppError } from "../../lib/errors.ts";
import type { Digest } from "../../oci/digest.ts";
import type { ByteRange } from "../../oci/range.ts";
import { type Actor, canReadRepository } from "../access/access.ts";
import type { RepositoryName } from "../../oci/reference.ts";
import { readBlob } from "./blob_reading.ts";
import type { Deps } from "../deps.ts";
import { HOT_MAX_BYTES, HotBlobs } from "./hot_blobs.ts";
import { perPool } from "../per_pool.ts";
import { type Ask, rememberAnswers } from "../repositories/repository_memory.ts";

export type { BlobRow };
export { HOT_MAX_BYTES };

/** The blob as the repository's readers see it: pushed or mounted lately, or named by a manifest. One statement. */
export function findBlob(
  { sql }: Pick<Deps, "sql">,
  repositoryId: number,
  digest: Digest,
): Promise<BlobRow | undefined> {
  return selectBlob(sql, repositoryId, digest);
}

/** What one service remembers of blobs. */
const memoryOf = perPool(() => ({
  hot: new HotBlobs(),
  find: undefined as Ask<Digest, BlobPlace> | undefined,
}));

type FindDeps = Pick<Deps, "sql" | "changes" | "now" | "metrics">;

/**
 * As {@link findBlob}, from the repository's name: what a pull costs the database is one statement, or none where
 * `Deps.changes` tells of each change. The caller has checked pull permission on the name.
 * @returns `undefined` when there is no such repository
 */
export async function findBlobByName(
  deps: FindDeps,
  repository: RepositoryName,
  digest: Digest,
): Promise<BlobPlace | undefined> {
  return await (memoryOf(deps.sql).find ??= findOf(deps))(repository, digest);
}

function findOf({ sql, changes, now, metrics }: FindDeps): Ask<Digest, BlobPlace> {
  const ask: Ask<Digest, BlobPlace> = async (repository, digest) => {
    const place = await selectBlobPlace(sql, repository, digest);
    if (place === undefined || place.blob !== undefined) return place;
    return { ...place, blob: await selectBlob(sql, place.repositoryId, digest) };
  };
  if (changes === undefined) return ask;
  const keyOf = ({ namespace, name }: RepositoryName, digest: Digest) => `${namespace}/${name}@${digest}`;
  const hasFound = ({ blob }: BlobPlace) => blob !== undefined;
  return rememberAnswers({ ask, keyOf, hasFound }, { changes, now, metrics });
}

/**
 * The blob's bytes. The caller reads to the end or cancels, which closes the file.
 * @throws {AppError} `blob_unknown` when the object is gone from storage although its row is there
 */
export async function openBlob(
  deps: Pick<Deps, "sql" | "storage" | "log">,
  blob: BlobRow,
  range: ByteRange = { start: 0, lengthBytes: blob.sizeBytes },
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const whole = { start: 0, lengthBytes: blob.sizeBytes };
  return await memoryOf(deps.sql).hot.open(blob, range, () => readBlob(deps, blob, whole)) ??
    await readBlob(deps, blob, range);
}

/** Repositories that the caller may pull from besides public ones, as `namespace/name`. */
export type Readable = readonly string[] | "all";

/**
 * Makes a blob readable that another repository holds; no bytes move. Distribution-spec, "Mounting a blob".
 * The caller has checked push permission on the target; `readable` is what decides about the source.
 * @param source `namespace/name`, or `undefined` to take any readable repository
 * @returns `undefined` when no readable repository has the blob: the client is to upload it
 */
export function mountBlob(
  { sql, config }: Pick<Deps, "sql" | "config">,
  repositoryId: number,
  digest: Digest,
  { source, readable }: { source: string | undefined; readable: Readable },
): Promise<BlobRow | undefined> {
  return insertMount(sql, {
    repositoryId,
    digest,
    source,
    readable,
    publicReadable: config.FEATURE_ANONYMOUS_ACCESS,
    keepSeconds: config.PUSH_TEMP_TAG_EXPIRATION_SEC,
  });
}

/**
 * Repositories with the blob that `actor` may read: clients ask for a mount with a token for the target alone, and the
 * distribution-spec lets them leave the source out. At most {@link MOST_SOURCES} holders are looked at.
 */
export async function readableSources(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  digest: Digest,
  source: string | undefined,
): Promise<string[]> {
  const names: string[] = [];
  for (const holder of await selectHolders(deps.sql, digest, source, MOST_SOURCES)) {
    if (await canReadRepository(deps, actor, holder)) names.push(`${holder.namespace}/${holder.name}`);
  }
  return names;
}

const MOST_SOURCES = 16;

/**
 * Takes a blob away from the repository. The object goes when garbage collection finds that nothing names it. The
 * caller has checked push permission.
 * @throws {AppError} `blob_unknown`; `unsupported` while a live manifest of the repository needs it
 */
export async function unlinkBlob(
  { sql, changes }: Pick<Deps, "sql" | "changes">,
  repositoryId: number,
  digest: Digest,
): Promise<void> {
  const blob = await selectBlob(sql, repositoryId, digest);
  if (!blob) throw unknownBlob(digest);
  if (await selectBlobInUse(sql, repositoryId, blob.id)) {
    throw new AppError(
      "unsupported",
      "a manifest of this repository needs the blob; delete the manifest first",
      {
        digest,
      },
    );
  }
  await hideBlob(sql, repositoryId, blob.id);
  changes?.changed(repositoryId);
}

export function unknownBlob(digest: Digest): AppError {
  return new AppError("blob_unknown", "the repository has no such blob", { digest });
}
