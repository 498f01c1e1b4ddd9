import type { Deps } from "../../domain/deps.ts";
import { listTags } from "../../domain/content/tags.ts";
import { AppError } from "../../lib/errors.ts";
import { queryOf, type RegistryRequest, requireRepository } from "./base.ts";
import { nextLink, pageLimit } from "./page.ts";
import type { RouteOf } from "./route.ts";

/**
 * GET /v2/<name>/tags/list?n=&last=: live tags in byte order. `n` is cut at max(V2_PAGINATION_SIZE, 100), which is the
 * page size without `n` too; the Link header leads on. OCI distribution-spec 1.1 "Listing tags".
 */
export async function handleTags(deps: Deps, request: RegistryRequest<RouteOf<"tags">>): Promise<Response> {
  const { name } = request.route;
  const { repository } = await requireRepository(deps, request, name, "pull");
  const query = queryOf(request);
  const limit = pageLimit(deps, query.get("n"));
  const after = query.get("last") ?? "";
  if (after.length > 1024 || after.includes("\0")) throw new AppError("invalid_request", "last is not a tag");
  const page = limit === 0
    ? { names: [], more: false }
    : await listTags(deps, repository.id, { after, limit });
  const last = page.names.at(-1);
  const link = page.more && last !== undefined
    ? nextLink(`/v2/${name}/tags/list`, { n: `${limit}`, last })
    : {};
  return Response.json({ name: `${repository.namespace}/${repository.name}`, tags: page.names }, {
    headers: link,
  });
}
