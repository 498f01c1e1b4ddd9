import {
  claimDigest,
  type DigestClaim,
  releaseDigestClaim,
  renewDigestClaim,
} from "../../drivers/database/queries/blob_claim.ts";
import { AppError } from "../../lib/errors.ts";
import type { Digest } from "../../oci/digest.ts";
import type { Deps } from "../deps.ts";
import { pause } from "../../lib/pause.ts";

/*
 * Who may touch the object `sha256/<2>/<hex>` of a digest: pushes that put it there, garbage collection and clean-ups that take
 * it away, repairs that replace it. One at a time, on all nodes. It is a row with an expiry instead of a database lock, so that
 * no transaction waits for storage: copying inside an object store may take minutes.
 *
 * A holder that dies is waited for until its claim expires. A holder that is cut off from the database stops by itself: work
 * gets a signal that aborts when a claim could not be renewed, and whatever it commits checks the token in the same statement.
 */

const CLAIM_SECONDS = 30;
const RENEW_MS = 8_000;
/** Longer than a dead holder's claim. */
const WAIT_MS = 45_000;
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 250;

/** A claim as its holder sees it. */
export interface HeldClaim extends DigestClaim {
  /** Aborts when the claim is lost. */
  readonly signal: AbortSignal;
  /** To be set by who has ended the claim in a statement of its own. */
  ended: boolean;
}

/**
 * Runs `work` as the only one who may touch the digest's object. The claim is given back afterwards, unless `work` has
 * ended it (`completeUpload` does so in its statement) and says so.
 * @throws {AppError} `storage_unavailable` when another holds it for too long; what `work` throws
 */
export async function withDigestClaim<T>(
  { sql }: Pick<Deps, "sql">,
  digest: Digest,
  work: (claim: HeldClaim) => Promise<T>,
): Promise<T> {
  const lost = new AbortController();
  const claim: HeldClaim = { digest, token: crypto.randomUUID(), signal: lost.signal, ended: false };
  const giveUpMs = performance.now() + WAIT_MS;
  for (let pauseMs = FIRST_PAUSE_MS; !await claimDigest(sql, claim, CLAIM_SECONDS);) {
    if (performance.now() > giveUpMs) {
      throw new AppError("storage_unavailable", "another request is storing the same content; retry later");
    }
    await pause(pauseMs);
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
  }
  let renewedMs = performance.now();
  const renew = setInterval(() => {
    renewDigestClaim(sql, claim, CLAIM_SECONDS).then((kept) => {
      if (kept) renewedMs = performance.now();
      else lost.abort(lostClaim());
    }, () => {
      // The database is away: the claim holds for a while yet.
      if (performance.now() - renewedMs > (CLAIM_SECONDS - 5) * 1000) lost.abort(lostClaim());
    });
  }, RENEW_MS);
  try {
    return await work(claim);
  } finally {
    clearInterval(renew);
    // It expires by itself otherwise.
    if (!claim.ended) await releaseDigestClaim(sql, claim).catch(() => {});
  }
}

export function lostClaim(): AppError {
  return new AppError("storage_unavailable", "another request has taken over the storing of this content");
}
