import type { Deps } from "../../domain/deps.ts";
import { listReferrers } from "../../domain/content/referrers.ts";
import { AppError } from "../../lib/errors.ts";
import { parseDigest } from "../../oci/digest.ts";
import { OCI_INDEX } from "../../oci/media_types.ts";
import { queryOf, type RegistryRequest, requireRepository } from "./base.ts";
import { nextLink } from "./page.ts";
import type { RouteOf } from "./route.ts";

/** Descriptors on a page; the index stays far below the size that clients take of a manifest. */
const PAGE = 100;

/** The page of a repository that is not there. */
const NOTHING = { descriptors: [], next: undefined };

/**
 * GET /v2/<name>/referrers/<digest>?artifactType=: an index of what names the digest as its subject; empty when
 * nothing does, even when there is no such manifest. OCI distribution-spec 1.1 "Listing referrers".
 */
export async function handleReferrers(
  deps: Deps,
  request: RegistryRequest<RouteOf<"referrers">>,
): Promise<Response> {
  if (!deps.config.FEATURE_REFERRERS_API) {
    throw new AppError("feature_disabled", "the referrers API is switched off on this registry");
  }
  const { name } = request.route;
  const repositoryId = await repositoryOf(deps, request);
  const subject = parseDigest(request.route.digest);
  const query = queryOf(request);
  const artifactType = query.get("artifactType") ?? undefined;
  const after = query.get("last") ?? "0";
  if (!/^[0-9]{1,9}$/.test(after)) {
    throw new AppError("invalid_request", "last is not of a page of this list");
  }
  if (artifactType?.includes("\0")) throw new AppError("invalid_request", "artifactType is not a media type");

  const page = repositoryId === undefined ? NOTHING : await listReferrers(deps, repositoryId, subject, {
    artifactType,
    after: Number(after),
    limit: PAGE,
  });
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: page.descriptors };
  const link = page.next === undefined ? {} : nextLink(`/v2/${name}/referrers/${subject}`, {
    ...(artifactType !== undefined && { artifactType }),
    last: `${page.next}`,
  });
  const filtered: Record<string, string> = artifactType === undefined
    ? {}
    : { "OCI-Filters-Applied": "artifactType" };
  return new Response(JSON.stringify(index), {
    headers: { "Content-Type": OCI_INDEX, ...filtered, ...link },
  });
}

/**
 * The repository, or `undefined` when there is none yet: a registry with the referrers API must not answer 404, since
 * clients take that for a registry without it. The token has been checked.
 */
async function repositoryOf(
  deps: Deps,
  request: RegistryRequest<RouteOf<"referrers">>,
): Promise<number | undefined> {
  try {
    return (await requireRepository(deps, request, request.route.name, "pull")).repository.id;
  } catch (error) {
    if (error instanceof AppError && error.code === "name_unknown") return undefined;
    throw error;
  }
}
