import { listCatalog } from "../../domain/repositories/catalog.ts";
import type { Deps } from "../../domain/deps.ts";
import { openPageToken, sealPageToken } from "../../domain/secrets.ts";
import { AppError } from "../../lib/errors.ts";
import { queryOf, type RegistryRequest, requireToken } from "./base.ts";
import { nextLink, pageLimit } from "./page.ts";
import type { RouteOf } from "./route.ts";

/**
 * GET /v2/_catalog?n=&last=: what the caller may pull. The Link header carries an opaque token in `last`, as Quay's
 * does, so that it tells nothing of repositories; a plain `ns/repo` is taken as well.
 */
export async function handleCatalog(
  deps: Deps,
  request: RegistryRequest<RouteOf<"catalog">>,
): Promise<Response> {
  const token = await requireToken(deps, request);
  const query = queryOf(request);
  const limit = pageLimit(deps, query.get("n"));
  const last = query.get("next_page") ?? query.get("last") ?? "";
  const after = readPosition(deps, last);
  const page = limit === 0 ? { names: [], more: false } : await listCatalog(deps, token, { after, limit });
  const end = page.names.at(-1);
  const link = page.more && end !== undefined
    ? nextLink("/v2/_catalog", { n: `${limit}`, last: sealPageToken(deps, end) })
    : {};
  return Response.json({ repositories: page.names }, { headers: link });
}

/** Names have only `[a-z0-9._/-]`; whatever else comes was made by us or by nobody. */
function readPosition(deps: Deps, last: string): string {
  if (last === "" || (/^[a-z0-9._/-]{1,255}$/.test(last) && last.includes("/"))) return last;
  const position = openPageToken(deps, last);
  if (typeof position !== "string") {
    throw new AppError("invalid_request", "last is not of a page of this list");
  }
  return position;
}
