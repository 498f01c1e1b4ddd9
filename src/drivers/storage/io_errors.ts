import { AppError } from "../../lib/errors.ts";

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
/** The file system refuses or fails; `stale` is a network file system that went away. */
const UNAVAILABLE = new Set([
  "EROFS",
  "EIO",
  "EACCES",
  "EPERM",
  "ESTALE",
  "ENOTCONN",
  "ETIMEDOUT",
  "EMFILE",
  "ENFILE",
  "ENOTDIR",
  "EISDIR",
]);

/** errno name of a failed file operation, or `undefined`. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? code : undefined;
}

/**
 * The failure of a file operation as callers are meant to see it: `storage_full` when space or quota ran out,
 * `storage_unavailable` when the device or the file system fails; anything else comes back as it was (a defect).
 */
export function asStorageError(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const errno = errnoOf(error);
  if (errno !== undefined && FULL.has(errno)) {
    return new AppError("storage_full", "no space left to store this; retry when space is available", {}, {
      cause: error,
    });
  }
  if (errno !== undefined && UNAVAILABLE.has(errno)) {
    return new AppError("storage_unavailable", "storage cannot be used now; retry later", {}, {
      cause: error,
    });
  }
  return error;
}

/** Runs a file operation, turning its failure into what {@link asStorageError} says. */
export async function withStorageErrors<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw asStorageError(error);
  }
}
