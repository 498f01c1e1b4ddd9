import {
  type ClaimedUpload,
  claimUpload,
  releaseUpload,
  renewLease,
  selectUpload,
} from "../../drivers/database/queries/upload.ts";
import { AppError } from "../../lib/errors.ts";
import type { Deps } from "../deps.ts";
import type { UploadWorkspace } from "./upload_workspace.ts";
import { pause } from "../../lib/pause.ts";

/*
 * One writer a session: the row carries a lease (compare-and-set, renewed while bytes flow), and the filesystem driver
 * adds an flock. The row's byte_count is the durable end; bytes beyond it were never acknowledged and are cut off.
 */

export type UploadDeps = Pick<Deps, "sql" | "config" | "storage" | "metrics" | "now"> & {
  readonly uploads: UploadWorkspace;
};

const LEASE_SECONDS = 60;
const RENEW_MS = 20_000;
/** The server may notice late that a connection has dropped; a client that resumes at once is made to wait for so long. */
const CLAIM_ATTEMPTS = 8;
const CLAIM_WAIT_MS = 250;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether it is of the form that `startUpload` hands out. */
export const isUploadId = (uuid: string) => UUID.test(uuid);

/** Where a session's bytes wait in storage. */
export const uploadKey = (uuid: string) => `uploads/${uuid}`;
export const unknownUpload = () =>
  new AppError("upload_unknown", "there is no such upload in this repository");
export const lostLease = () => new AppError("upload_invalid", "another request has taken this upload over");

/**
 * Runs `work` as the session's only writer. `work` ends the claim itself when it succeeds; a failure gives it back.
 * @param start where the client says that its bytes begin; `undefined`: wherever the session ends
 * @param work its signal is aborted when another request has taken the session over
 * @throws {AppError} `upload_unknown`, `range_invalid`, `upload_invalid` (another request is writing)
 */
export async function withSession<T>(
  deps: UploadDeps,
  repositoryId: number,
  uuid: string,
  start: number | undefined,
  work: (upload: ClaimedUpload, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const upload = await claim(deps, repositoryId, uuid, start);
  const lost = new AbortController();
  const renew = setInterval(() => {
    renewLease(deps.sql, upload, LEASE_SECONDS).then((kept) => kept || lost.abort(lostLease()), () => {
      // The database is away for the moment: the lease may live on, and the final statement checks it.
    });
  }, RENEW_MS);
  try {
    return await work(upload, lost.signal);
  } catch (error) {
    await releaseUpload(deps.sql, upload).catch(() => {}); // the lease runs out by itself
    throw error;
  } finally {
    clearInterval(renew);
  }
}

async function claim(
  { sql }: UploadDeps,
  repositoryId: number,
  uuid: string,
  offset: number | undefined,
): Promise<ClaimedUpload> {
  if (!isUploadId(uuid)) throw unknownUpload();
  const lease = crypto.randomUUID();
  for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt++) {
    const claimed = await claimUpload(sql, {
      repositoryId,
      uuid,
      offset,
      lease,
      leaseSeconds: LEASE_SECONDS,
    });
    if (claimed) return claimed;
    const found = await selectUpload(sql, repositoryId, uuid);
    if (!found) throw unknownUpload();
    if (!found.busy && offset !== undefined && found.sizeBytes !== offset) {
      throw new AppError("range_invalid", "the chunk does not start where the upload ends", {
        expected: found.sizeBytes,
      });
    }
    if (found.busy) await pause(CLAIM_WAIT_MS);
  }
  throw new AppError("upload_invalid", "another request is writing to this upload");
}
