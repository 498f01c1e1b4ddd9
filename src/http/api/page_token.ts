import type { Deps } from "../../domain/deps.ts";
import { openPageToken, sealPageToken } from "../../domain/secrets.ts";
import { AppError } from "../../lib/errors.ts";

/** The field `next_page` of an answer; nothing on the last page. */
export function pageToken(
  deps: Pick<Deps, "config" | "now">,
  next: string | undefined,
): { next_page?: string } {
  return next === undefined ? {} : { next_page: sealPageToken(deps, next) };
}

/** Where a page starts. A token that is no longer good means the first page, as in Quay. */
export function pageStart(deps: Pick<Deps, "config" | "now">, token: string | undefined): string {
  if (token === undefined) return "";
  try {
    const position = openPageToken(deps, token);
    return typeof position === "string" ? position : "";
  } catch (error) {
    if (error instanceof AppError) return "";
    throw error;
  }
}
