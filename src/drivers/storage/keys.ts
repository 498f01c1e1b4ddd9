import { AppError } from "../../lib/errors.ts";

const PART = /^[A-Za-z0-9._-]{1,255}$/;

/**
 * Refuses a key that could leave the engine's root: every part is of `[A-Za-z0-9._-]` and none is empty, `.` or
 * `..`. Callers build keys from parsed digests and uuids; this is the last line of defence.
 * @throws {AppError} `invalid_request`
 */
export function checkKey(key: string): void {
  if (key.length > 1024) throw badKey();
  for (const part of key.split("/")) {
    if (part === "." || part === ".." || !PART.test(part)) throw badKey();
  }
}

/** As {@link checkKey}, for the folder that `list` walks; a trailing `/` is allowed. @throws {AppError} `invalid_request` */
export function checkPrefix(prefix: string): string {
  const folder = prefix.endsWith("/") ? prefix.slice(0, -1) : prefix;
  if (folder !== "") checkKey(folder);
  return folder;
}

function badKey(): AppError {
  return new AppError("invalid_request", "not a storage key");
}
