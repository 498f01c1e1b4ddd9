/*
 * Looks whether stored bytes are still what they were, and mends them. One copy at a time:
 *
 *   read, hash -> good
 *              -> rotten or missing: [claim on the digest: looked at once more; a rotten one goes to quarantine/]
 *                   -> written anew from another location whose copy is good
 *                   -> or fetched from the registry that a mirror of it names
 *                   -> or lost: `imagestorage.uploading` is set, so that clients hear "unknown" and push it again
 *
 * A push, a mirror's run or a copy that is found later ends the loss. Nothing is deleted: quarantine is for whoever looks
 * into it, and empties it.
 */
import {
  type CopyToCheck,
  markLost,
  selectBlobHolders,
  selectBlobsAfter,
  type StoredBlobRow,
} from "../../drivers/database/queries/scrub.ts";
import type { StorageLocation } from "../../drivers/storage/driver.ts";
import { AppError } from "../../lib/errors.ts";
import { blobKey, type Digest } from "../../oci/digest.ts";
import { copyBlob, type CopyState, inspectCopy } from "../content/blob_copies.ts";
import type { Deps } from "../deps.ts";
import { withDigestClaim } from "../content/digest_claim.ts";
import { allLocations, locationOf } from "./locations.ts";
import { fetchBlob } from "../mirroring/blob_fetch.ts";
import { unlimited } from "../mirroring/limits.ts";
import { findMirror } from "../mirroring/mirrors.ts";
import { openSource } from "../mirroring/source.ts";
import { notifyUsersOnce } from "../notifications/notifications.ts";
import { superuserIds } from "../site/superusers.ts";
import { BufferPool } from "../content/upload_workspace.ts";

export type ScrubDeps = Pick<
  Deps,
  "sql" | "config" | "storage" | "metrics" | "changes" | "secrets" | "upstream" | "log" | "now"
>;

/**
 * What became of a copy. `unreadable`: its location, or the one that could mend it, does not answer; nothing is known.
 */
export type Verdict = "good" | "healed" | "lost" | "unreadable";

export interface ScrubOptions {
  readonly signal: AbortSignal;
  /** Called with the size of each piece that was read: waits as long as reading is to be held back. */
  readonly pace?: (sizeBytes: number) => Promise<void>;
}

const HOLDERS_MOST = 20;

/** Looks at one copy, and mends it. Reports what was wrong: log, metric, superusers. */
export async function checkCopy(deps: ScrubDeps, copy: CopyToCheck, options: ScrubOptions): Promise<Verdict> {
  const location = locationOf(deps.storage, copy.location);
  const state = await inspectCopy(deps, location, copy.digest, options.pace);
  const verdict = await judge(deps, copy, location, state, options);
  deps.metrics.scrubbedCopies.labels(copy.location, verdict).inc();
  return verdict;
}

async function judge(
  deps: ScrubDeps,
  copy: CopyToCheck,
  location: StorageLocation,
  state: CopyState,
  options: ScrubOptions,
): Promise<Verdict> {
  const { digest, blobId } = copy;
  if (state === "unreadable") return state;
  if (state === "good") {
    if (copy.isLost && await markLost(deps.sql, blobId, false)) await tellReaders(deps, blobId);
    return state;
  }
  deps.log.error("a stored blob is damaged", { location: location.name, digest, state });
  const now = await quarantine(deps, location, digest);
  if (now === "good" || now === "unreadable") return now;

  const others = await healFromOthers(deps, copy, location, options.signal);
  if (others === "unreadable") return others;
  if (others === "healed") return await healed(deps, copy, "another location");
  await markLost(deps.sql, blobId, true);
  await tellReaders(deps, blobId);
  if (await healFromUpstream(deps, copy, options.signal)) return await healed(deps, copy, "its upstream");
  await reportLoss(deps, copy, state);
  return "lost";
}

async function healed(
  deps: ScrubDeps,
  { digest, location, blobId }: CopyToCheck,
  from: string,
): Promise<Verdict> {
  deps.log.info("a damaged blob was mended", { location, digest, from });
  await markLost(deps.sql, blobId, false);
  return "healed";
}

/** Looks once more, as the only one who may touch it, and puts a rotten object out of the way. */
async function quarantine(deps: ScrubDeps, location: StorageLocation, digest: Digest): Promise<CopyState> {
  return await withDigestClaim(deps, digest, async (claim) => {
    const state = await inspectCopy(deps, location, digest);
    if (state !== "rotten") return state;
    claim.signal.throwIfAborted();
    await location.driver.move(blobKey(digest), `quarantine/${digest.replace(":", "-")}`);
    return state;
  });
}

async function healFromOthers(
  deps: ScrubDeps,
  copy: CopyToCheck,
  location: StorageLocation,
  signal: AbortSignal,
): Promise<"healed" | "unreadable" | undefined> {
  let unknown = false;
  for (const source of allLocations(deps.storage)) {
    if (source.name === location.name) continue;
    try {
      if (await copyBlob(deps, copy, location, { source, signal })) return "healed";
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      // It has none, or a rotten one: its own turn comes.
      unknown ||= error.code !== "blob_unknown" && error.code !== "digest_invalid";
    }
  }
  return unknown ? "unreadable" : undefined;
}

/** Asks the registries that mirrors of the blob's repositories name. */
async function healFromUpstream(deps: ScrubDeps, copy: CopyToCheck, signal: AbortSignal): Promise<boolean> {
  for (const { id } of await selectBlobHolders(deps.sql, copy.blobId, HOLDERS_MOST)) {
    const mirror = await findMirror(deps.sql, id);
    if (mirror === undefined) continue;
    try {
      const upstream = await openSource(deps, mirror);
      try {
        const context = { repositoryId: id, upstream, limits: unlimited(), report: () => {}, signal };
        await fetchBlob({ ...deps, buffers: new BufferPool() }, copy, context);
        return true;
      } finally {
        await upstream.close();
      }
    } catch (error) {
      if (signal.aborted) throw error;
      deps.log.warn("a damaged blob could not be fetched from its upstream", { digest: copy.digest, error });
    }
  }
  return false;
}

/** Threads remember which blobs there are. */
async function tellReaders({ sql, changes }: ScrubDeps, blobId: number): Promise<void> {
  if (changes === undefined) return;
  for (const { id } of await selectBlobHolders(sql, blobId, 100_000)) changes.changed(id);
}

async function reportLoss(deps: ScrubDeps, copy: CopyToCheck, state: CopyState): Promise<void> {
  const { digest, location } = copy;
  const holders = await selectBlobHolders(deps.sql, copy.blobId, HOLDERS_MOST);
  const repositories = holders.map(({ name }) => name);
  deps.log.error("a blob is lost: push its images again", { digest, location, state, repositories });
  await notifyUsersOnce(deps, {
    kind: "storage_damaged",
    targetIds: await superuserIds(deps),
    metadata: { digest, location, state, repositories },
  });
}

export interface MissingBlob extends StoredBlobRow {
  readonly repositories: readonly string[];
  /** Locations that did not answer: they may have it. */
  readonly unreachable: readonly string[];
}

/** Blobs that no location has, by asking each of them; reads no bytes. */
export async function* findMissing(deps: Pick<Deps, "sql" | "storage">): AsyncGenerator<MissingBlob> {
  for (let afterId = 0;;) {
    const blobs = await selectBlobsAfter(deps.sql, afterId, 200);
    const last = blobs.at(-1);
    if (last === undefined) return;
    afterId = last.id;
    for (let at = 0; at < blobs.length; at += LOOKS_AT_ONCE) {
      const batch = blobs.slice(at, at + LOOKS_AT_ONCE);
      const looked = await Promise.all(batch.map((blob) => look(deps.storage, blob.digest)));
      for (const [i, blob] of batch.entries()) {
        const { found, unreachable } = looked[i]!;
        if (found) continue;
        const holders = await selectBlobHolders(deps.sql, blob.id, HOLDERS_MOST);
        // Nobody misses what nothing names: garbage collection has not come by yet.
        if (holders.length === 0) continue;
        yield { ...blob, repositories: holders.map(({ name }) => name), unreachable };
      }
    }
  }
}

const LOOKS_AT_ONCE = 16;

async function look(
  storage: Deps["storage"],
  digest: Digest,
): Promise<{ found: boolean; unreachable: string[] }> {
  const unreachable: string[] = [];
  for (const { name, driver } of allLocations(storage)) {
    try {
      if (await driver.stat(blobKey(digest)) !== undefined) return { found: true, unreachable };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      unreachable.push(name);
    }
  }
  return { found: false, unreachable };
}
