import { blobAddress } from "../../domain/content/blob_reading.ts";
import {
  type BlobRow,
  findBlobByName,
  HOT_MAX_BYTES,
  openBlob,
  unknownBlob,
  unlinkBlob,
} from "../../domain/content/blobs.ts";
import type { Deps } from "../../domain/deps.ts";
import { AppError } from "../../lib/errors.ts";
import { parseDigest } from "../../oci/digest.ts";
import { parseRange } from "../../oci/range.ts";
import {
  namespaceDisabled,
  nameUnknown,
  notAnImageRepository,
  type RegistryRequest,
  requireGrant,
  requireRepository,
} from "./base.ts";
import type { RouteOf } from "./route.ts";

/** A digest's content never changes; whether one may see it does, so shared caches keep out. */
const CACHE_CONTROL = "private, max-age=31536000, immutable";

/**
 * GET, HEAD, DELETE /v2/<name>/blobs/<digest>. OCI distribution-spec 1.1, "Pulling blobs", "Deleting Blobs"; ranges per
 * RFC 9110 §14. Quay answers 405 to each DELETE; the spec wins.
 */
export async function handleBlob(deps: Deps, request: RegistryRequest<RouteOf<"blob">>): Promise<Response> {
  const { raw, route } = request;
  if (raw.method === "DELETE") {
    const { repository } = await requireRepository(deps, request, route.name, "push");
    await unlinkBlob(deps, repository.id, parseDigest(route.digest));
    return new Response(null, { status: 202 });
  }

  const { repository } = await requireGrant(deps, request, route.name, "pull");
  const digest = parseDigest(route.digest);
  const place = await findBlobByName(deps, repository, digest);
  if (!place) throw nameUnknown(route.name);
  if (!place.namespaceEnabled) throw namespaceDisabled(repository.namespace);
  if (place.kind !== "image") throw notAnImageRepository();
  const { blob } = place;
  if (!blob) throw unknownBlob(digest);

  const headers: Record<string, string> = {
    "Accept-Ranges": "bytes",
    "Cache-Control": CACHE_CONTROL,
    "Docker-Content-Digest": digest,
    "ETag": `"${digest}"`,
  };
  const ifNoneMatch = raw.headers.get("if-none-match");
  if (ifNoneMatch !== null && matchesEtag(ifNoneMatch, digest)) {
    return new Response(null, { status: 304, headers });
  }
  headers["Content-Type"] = "application/octet-stream";
  headers["Content-Length"] = `${blob.sizeBytes}`;
  // Open nothing: nobody would read or close it.
  if (raw.method === "HEAD") return new Response(null, { headers });

  const range = rangeOf(raw, digest, blob.sizeBytes);
  if (range === "unsatisfiable") {
    const unsatisfiable = { ...headers, "Content-Range": `bytes */${blob.sizeBytes}`, "Content-Length": "0" };
    return new Response(null, { status: 416, headers: unsatisfiable });
  }
  deps.metrics.pulledBytes.labels("v2").inc(range?.lengthBytes ?? blob.sizeBytes);
  const elsewhere = await redirectOf(deps, request, blob, repository.namespace);
  if (elsewhere !== undefined) return elsewhere;
  const body = await openOrReport(deps, request, () => openBlob(deps, blob, range));
  if (range === undefined) return new Response(body, { headers });
  headers["Content-Length"] = `${range.lengthBytes}`;
  headers["Content-Range"] = `bytes ${range.start}-${range.start + range.lengthBytes - 1}/${blob.sizeBytes}`;
  return new Response(body, { status: 206, headers });
}

/**
 * 302 to the object store, as in Quay, for what is worth another connection; the client repeats its `Range` there. Not where
 * the client could not follow: to our own loopback, or from https to http.
 */
async function redirectOf(
  deps: Deps,
  request: RegistryRequest,
  blob: BlobRow,
  namespace: string,
): Promise<Response | undefined> {
  if (deps.config.FEATURE_PROXY_STORAGE || blob.sizeBytes <= HOT_MAX_BYTES) return undefined;
  const url = await openOrReport(deps, request, () => blobAddress(deps, blob, namespace));
  if (url === undefined || (request.scheme === "https" && url.protocol === "http:")) return undefined;
  if (isLoopback(url.hostname) && !isLoopback(request.clientAddress)) return undefined;
  const headers = {
    // The address holds for minutes, the content for ever.
    "Cache-Control": "no-store",
    "Docker-Content-Digest": blob.digest,
    "Location": url.href,
    "Content-Length": "0",
  };
  return new Response(null, { status: 302, headers });
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^(?:::ffff:)?127\./.test(host);
}

/** The range that is asked for, unless `If-Range` names another content. */
function rangeOf(raw: Request, digest: string, sizeBytes: number) {
  const header = raw.headers.get("range");
  if (header === null) return undefined;
  const condition = raw.headers.get("if-range");
  if (condition !== null && condition !== `"${digest}"`) return undefined;
  return parseRange(header, sizeBytes);
}

function matchesEtag(header: string, digest: string): boolean {
  return header.split(",").some((entry) => {
    const tag = entry.trim().replace(/^W\//, "");
    return tag === "*" || tag === `"${digest}"`;
  });
}

/** A row without its object is data loss: the client hears "unknown" (and may push it again), the operator hears more. */
async function openOrReport<T>(deps: Deps, request: RegistryRequest, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof AppError && error.code === "blob_unknown") {
      deps.log.error("blob is in the database but not in storage", {
        requestId: request.requestId,
        route: request.route,
        location: deps.storage.name,
      });
    }
    throw error;
  }
}
