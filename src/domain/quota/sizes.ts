/**
 * How much namespaces and repositories hold, kept while it changes: distinct blobs of their manifests, each once. The rows
 * of `quotablob` say what is in the sums. A push adds to them; triggers take away (migration 0025), so that no way in
 * which manifests go can forget it. What was there before counting is added by the backfill, beside pushes: a blob
 * counts once, whoever comes first.
 */
import type { Sql, Transaction } from "../../drivers/database/postgres.ts";
import {
  beginNamespaceCount,
  beginRepositoryCount,
  type BlobsOfRepository,
  endNamespaceCount,
  endRepositoryCount,
  insertCountedBlobs,
  lockCountedBlobs,
  lockNamespaceSize,
  selectAnythingCounted,
  selectBlobsOfRepository,
  selectUncountedNamespaces,
  selectUncountedRepositories,
  truncateSizes,
} from "../../drivers/database/queries/quota_size.ts";
import type { Deps } from "../deps.ts";

/** Blobs that one transaction counts: others of the namespace wait so long. */
const BLOBS = 500;
const REPOSITORIES = 100;

/**
 * Counts the blobs of a manifest whose rows this transaction has made: at its end, since from here on other pushes that
 * bring something new into the namespace wait for it. One look-up when nothing is new; nothing without
 * `FEATURE_QUOTA_MANAGEMENT`. With `FEATURE_QUOTA_SUPPRESS_FAILURES` a failure is logged and passed over.
 */
export async function countBlobs(
  deps: Pick<Deps, "config" | "now" | "log">,
  tx: Transaction,
  blobs: BlobsOfRepository,
): Promise<void> {
  const { config, log } = deps;
  if (!config.FEATURE_QUOTA_MANAGEMENT || blobs.blobIds.length === 0) return;
  if (!config.FEATURE_QUOTA_SUPPRESS_FAILURES) return await count(deps, tx, blobs);
  try {
    await tx.savepoint((inner) => count(deps, inner, blobs));
  } catch (error) {
    log.error("a push was not counted", { repositoryId: blobs.repositoryId, error });
  }
}

async function count({ now }: Pick<Deps, "now">, tx: Sql, blobs: BlobsOfRepository): Promise<void> {
  if (await lockCountedBlobs(tx, blobs)) return;
  await lockNamespaceSize(tx, blobs.repositoryId);
  await insertCountedBlobs(tx, blobs, now());
}

type BackfillDeps = Pick<Deps, "sql" | "now">;

/**
 * Counts what namespaces held before counting. Ended in the middle it goes on with the repository that it was at.
 * @param page namespaces by id
 * @returns the id to go on after; undefined when there are none left
 */
export async function backfillSizes(
  deps: BackfillDeps,
  page: { afterId: number; limit: number },
  stop: AbortSignal,
): Promise<number | undefined> {
  const ids = await selectUncountedNamespaces(deps.sql, page.afterId, page.limit);
  for (const id of ids) {
    if (stop.aborted) break;
    await countNamespace(deps, id, stop);
  }
  return ids.length < page.limit ? undefined : ids.at(-1);
}

async function countNamespace(deps: BackfillDeps, namespaceId: number, stop: AbortSignal): Promise<void> {
  const { sql, now } = deps;
  await beginNamespaceCount(sql, namespaceId, now());
  while (!stop.aborted) {
    const repositories = await selectUncountedRepositories(sql, namespaceId, REPOSITORIES);
    for (const id of repositories) await countRepository(deps, id, stop);
    if (repositories.length === 0 && await endNamespaceCount(sql, namespaceId)) return;
  }
}

async function countRepository(deps: BackfillDeps, repositoryId: number, stop: AbortSignal): Promise<void> {
  const { sql, now } = deps;
  if (!await beginRepositoryCount(sql, repositoryId, now())) return;
  for (let afterId = 0;;) {
    if (stop.aborted) return;
    const blobIds = await selectBlobsOfRepository(sql, repositoryId, afterId, BLOBS);
    if (blobIds.length > 0) {
      await sql.begin(async (tx) => {
        await lockNamespaceSize(tx, repositoryId);
        await insertCountedBlobs(tx, { repositoryId, blobIds }, now());
      });
    }
    const last = blobIds.at(-1);
    if (last === undefined || blobIds.length < BLOBS) break;
    afterId = last;
  }
  await endRepositoryCount(sql, repositoryId);
}

/**
 * Forgets the sizes of a registry that does not count at present, so that they are counted anew when it does again: what
 * is pushed meanwhile would be missing. @returns whether there was something to forget
 */
export async function forgetSizes({ sql, config }: Pick<Deps, "sql" | "config">): Promise<boolean> {
  if (config.FEATURE_QUOTA_MANAGEMENT || !config.QUOTA_INVALIDATE_TOTALS) return false;
  if (!await selectAnythingCounted(sql)) return false;
  await truncateSizes(sql);
  return true;
}
