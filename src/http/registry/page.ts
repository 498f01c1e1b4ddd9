import { AppError } from "../../lib/errors.ts";
import type { Deps } from "../../domain/deps.ts";

/** Quay's page size where `n` is absent, and its ceiling. */
const PAGE_MIN = 100;

/**
 * How many entries a page has: `n` up to the site's ceiling, which is also the default.
 * @throws {AppError} `invalid_request` when `n` is not a whole number from 0 up
 */
export function pageLimit({ config }: Pick<Deps, "config">, n: string | null): number {
  const ceiling = Math.max(config.V2_PAGINATION_SIZE, PAGE_MIN);
  if (n === null) return ceiling;
  if (!/^[0-9]{1,15}$/.test(n)) {
    throw new AppError("invalid_request", "n is a whole number from 0 up", { n: n.slice(0, 50) });
  }
  return Math.min(Number(n), ceiling);
}

/** RFC 8288 link to the next page: a path on this host, so that it is right behind every proxy. */
export function nextLink(path: string, query: Readonly<Record<string, string>>): Record<string, string> {
  return { Link: `<${path}?${new URLSearchParams(query)}>; rel="next"` };
}
