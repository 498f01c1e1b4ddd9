import { AppError } from "../../../lib/errors.ts";

/** What an object store answered instead of doing what it was asked: HTTP status and S3's error code. */
export class S3Refusal extends Error {
  constructor(
    readonly status: number,
    /** S3's code, such as `NoSuchKey`; `""` when the answer had none. */
    readonly code: string,
    /** For operators: what is wrong and where, without secrets. */
    words: string,
  ) {
    super(words);
    this.name = "S3Refusal";
  }
}

const MINUTES_MS = 60_000;

/** What a refusal means to whoever set the engine up. `dateHeader`: the server's clock, if it told. */
export function refusalWords(
  place: { readonly host: string; readonly bucket: string },
  status: number,
  code: string,
  dateHeader: string | undefined,
  nowMs: number,
): string {
  const { host, bucket } = place;
  switch (code) {
    case "NoSuchBucket":
      return `there is no bucket ${bucket} at ${host}; create it, or correct the bucket's name`;
    case "InvalidBucketName":
      return `${host} takes ${bucket} for no bucket name; correct it`;
    case "InvalidAccessKeyId":
      return `${host} does not know the access key; correct it`;
    case "SignatureDoesNotMatch":
      return `${host} refuses the signature: the secret key does not belong to the access key, or the region is wrong`;
    case "AuthorizationHeaderMalformed":
      return `${host} refuses the signature: correct the region`;
    case "RequestTimeTooSkewed":
      return `${host} refuses the request's time: ${skewWords(dateHeader, nowMs)}; set the clock`;
    case "ExpiredToken":
    case "InvalidToken":
      return `${host} says that the session token is no longer valid`;
    case "SlowDown":
    case "Throttling":
    case "TooManyRequests":
      return `${host} asks to be used more slowly (${status} ${code}): it is overloaded, or limits this user`;
    case "QuotaExceeded":
      return `the quota at ${host} is used up`;
    case "AccessDenied":
      return `${host} denies access to bucket ${bucket}: wrong keys, or a user who may not read and write there`;
  }
  if (status === 401 || status === 403) {
    return `${host} denies access to bucket ${bucket} (${status} ${code}): wrong keys, a clock that is off, or missing rights`;
  }
  if (status === 404) {
    return `${host} knows nothing of it (404 ${code}): is that an S3 endpoint, and the bucket there?`;
  }
  if (status >= 300 && status < 400) {
    return `${host} sends elsewhere (${status}): the region or the endpoint is wrong`;
  }
  return `${host} answers ${status} ${code}`.trimEnd();
}

function skewWords(dateHeader: string | undefined, nowMs: number): string {
  const theirs = dateHeader === undefined ? NaN : Date.parse(dateHeader);
  if (Number.isNaN(theirs)) return "the clocks differ by more than 15 minutes";
  const minutes = Math.round((nowMs - theirs) / MINUTES_MS);
  return `this machine's clock is ${Math.abs(minutes)} minutes ${
    minutes > 0 ? "ahead of" : "behind"
  } the store's`;
}

/** The failure as callers are meant to see it; the cause has the operator's words. */
export function asStorageError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof S3Refusal && (error.code === "QuotaExceeded" || error.status === 507)) {
    return new AppError("storage_full", "no space left to store this; retry when space is available", {}, {
      cause: error,
    });
  }
  return new AppError("storage_unavailable", "storage cannot be used now; retry later", {}, { cause: error });
}

export function isRefusal(error: unknown, ...codes: string[]): boolean {
  const refusal = error instanceof AppError ? error.cause : error;
  return refusal instanceof S3Refusal && codes.includes(refusal.code);
}
