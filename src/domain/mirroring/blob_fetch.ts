import { sizeBytes as parseSize } from "../../config/size.ts";
import { insertLinks } from "../../drivers/database/queries/blob.ts";
import { claimFetch, renewFetch } from "../../drivers/database/queries/blob_fetch.ts";
import { AppError } from "../../lib/errors.ts";
import { pause } from "../../lib/pause.ts";
import type { Digest } from "../../oci/digest.ts";
import { perPool } from "../per_pool.ts";
import { requireRoom } from "../quota/enforcement.ts";
import {
  type FetchContext,
  type FetchDeps,
  FetchSession,
  LEASE_SECONDS,
  lostLease,
} from "./fetch_session.ts";
import { HOLD_SECONDS, isInStorage, type WantedBlob } from "./stored_blob.ts";
import { untilAborted } from "./waiting.ts";

/*
 * One blob, from another registry into storage. As an upload (`domain/content/new_blob.ts`: the same order, the same protocol with
 * garbage collection), but for what a bad link asks for:
 *
 *   row in blobfetch (lease) -> uploads/<uuid> grows -> digest verified -> [claim on the digest: object made -> rows, claim ends] -> the row ends
 *
 * The row says how many bytes are durable. After `kill -9` the file has more: those count, too, since the digest is
 * verified in the end; when it is wrong, what was taken over is not trusted any more, and the blob comes anew, once. The
 * hash of what is there is computed once a session, by reading it locally.
 */

const RENEW_MS = 20_000;
const BUSY_WAIT_MS = 500;

/** Blobs that this process is fetching now, for whatever run. */
const underWay = perPool(() => new Map<Digest, Promise<unknown>>());

/**
 * Brings a blob into storage and links it to the repository; one that is stored by now, or that another run brings
 * meanwhile, only gets the link.
 * @throws {UpstreamError}; {AppError} `blob_too_large`, `storage_full`, `quota_exceeded`, …; {MirrorPaused}; the signal's reason
 */
export async function fetchBlob(deps: FetchDeps, blob: WantedBlob, context: FetchContext): Promise<void> {
  const { config, sql } = deps;
  if (blob.sizeBytes > parseSize(config.MAXIMUM_LAYER_SIZE)) {
    throw new AppError("blob_too_large", `blob ${blob.digest} is larger than MAXIMUM_LAYER_SIZE`);
  }
  await requireRoom(deps, context.repositoryId, "start");
  const others = underWay(sql);
  while (true) {
    const other = others.get(blob.digest);
    if (other !== undefined) {
      await untilAborted(other.catch(() => {}), context.signal);
      if (await link(deps, blob, context)) return;
      continue;
    }
    const own = fetchAlone(deps, blob, context);
    others.set(blob.digest, own);
    try {
      if (await own) return;
    } finally {
      others.delete(blob.digest);
    }
    // Another node has it.
    await pause(BUSY_WAIT_MS, context.signal);
    if (await link(deps, blob, context)) return;
  }
}

async function link(deps: FetchDeps, blob: WantedBlob, { repositoryId }: FetchContext): Promise<boolean> {
  const link = { repositoryId, digests: [blob.digest], keepSeconds: HOLD_SECONDS };
  return (await insertLinks(deps.sql, link)).length > 0 && await isInStorage(deps, blob);
}

/** @returns false while another process holds the fetch */
async function fetchAlone(deps: FetchDeps, blob: WantedBlob, context: FetchContext): Promise<boolean> {
  context.signal.throwIfAborted();
  const lease = { lease: crypto.randomUUID(), leaseSeconds: LEASE_SECONDS };
  const claim = await claimFetch(deps.sql, blob.digest, lease);
  if (claim === undefined) return false;
  const lost = new AbortController();
  const renew = setInterval(() => {
    renewFetch(deps.sql, claim, LEASE_SECONDS).then((kept) => kept || lost.abort(lostLease()), () => {
      // The database is away for the moment: the end of the fetch checks the lease.
    });
  }, RENEW_MS);
  const signal = AbortSignal.any([context.signal, lost.signal]);
  const session = new FetchSession(deps, blob, { ...context, signal }, claim);
  try {
    await session.run();
    return true;
  } finally {
    clearInterval(renew);
  }
}
