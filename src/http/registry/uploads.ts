import { mountBlob, type Readable, readableSources } from "../../domain/content/blobs.ts";
import type { Deps } from "../../domain/deps.ts";
import { bearerOf, type RegistryToken } from "../../domain/access/registry_tokens.ts";
import {
  appendToUpload,
  cancelUpload,
  finishUpload,
  pushBlob,
  startUpload,
  type UploadChunk,
  type UploadStatus,
  uploadStatus,
} from "../../domain/content/uploads.ts";
import type { UploadDeps } from "../../domain/content/upload_session.ts";
import { AppError } from "../../lib/errors.ts";
import { type Digest, type DigestAlgorithm, isDigest, parseDigest } from "../../oci/digest.ts";
import { parseContentRange } from "../../oci/range.ts";
import {
  queryOf,
  readRepositoryName,
  refuseWhenPushesDisabled,
  type RegistryRequest,
  requireRepository,
} from "./base.ts";
import { errorResponse } from "./errors.ts";
import type { RouteOf } from "./route.ts";

type UploadRequest = RegistryRequest<RouteOf<"uploads"> | RouteOf<"upload">>;

/**
 * POST /v2/<name>/blobs/uploads/; GET, PATCH, PUT, DELETE /v2/<name>/blobs/uploads/<uuid>. OCI distribution-spec 1.1,
 * "Pushing blobs" and "Resuming". Locations are relative, so that they hold behind any proxy.
 */
export async function handleUploads(deps: Deps & UploadDeps, request: UploadRequest): Promise<Response> {
  const { raw, route } = request;
  const { repository, token } = await requireRepository(deps, request, route.name, "push");
  if (raw.method === "POST" || raw.method === "PATCH") refuseWhenPushesDisabled(deps);
  if (route.kind === "uploads") return await handleStart(deps, request, repository.id, token);

  const { name, uuid } = route;
  switch (raw.method) {
    case "PATCH":
      return await orOutOfOrder(deps, repository.id, name, uuid, async () => {
        const status = await appendToUpload(deps, repository.id, uuid, chunkOf(raw));
        return new Response(null, { status: 202, headers: sessionHeaders(name, status) });
      });
    case "PUT":
      return await orOutOfOrder(deps, repository.id, name, uuid, async () => {
        const digest = requiredDigest(queryOf(request).get("digest"));
        await finishUpload(deps, repository.id, uuid, digest, chunkOf(raw));
        return created(name, digest);
      });
    case "DELETE":
      await cancelUpload(deps, repository.id, uuid);
      return new Response(null, { status: 204 });
    default: {
      const status = await uploadStatus(deps, repository.id, uuid);
      return new Response(null, { status: 204, headers: sessionHeaders(name, status) });
    }
  }
}

/** POST: mounts with `mount`, takes the whole blob with `digest`, else opens a session. */
async function handleStart(
  deps: Deps & UploadDeps,
  request: UploadRequest,
  repositoryId: number,
  token: RegistryToken,
): Promise<Response> {
  const query = queryOf(request);
  const { name } = request.route;
  const digest = query.get("digest");
  if (digest !== null) {
    const wanted = parseDigest(digest);
    await pushBlob(deps, repositoryId, wanted, chunkOf(request.raw));
    return created(name, wanted);
  }
  const mount = query.get("mount");
  // A digest that cannot be mounted is not an error: the client uploads, and is told then.
  if (mount !== null && isDigest(mount)) {
    const source = sourceOf(deps, query.get("from"));
    if (source !== "unreadable" && await mountReadable(deps, token, repositoryId, mount, source)) {
      return created(name, mount);
    }
  }
  const status = await startUpload(deps, repositoryId, algorithmFor(query.get("digest-algorithm"), mount));
  return new Response(null, { status: 202, headers: sessionHeaders(name, status) });
}

/** Mounts what the token's grants open, else what its bearer may read. @returns whether a source was found */
async function mountReadable(
  deps: Deps,
  token: RegistryToken,
  repositoryId: number,
  digest: Digest,
  source: string | undefined,
): Promise<boolean> {
  if (await mountBlob(deps, repositoryId, digest, { source, readable: readableBy(deps, token) })) return true;
  const bearer = bearerOf(token);
  if (bearer === undefined) return false;
  const readable = await readableSources(deps, bearer, digest, source);
  return readable.length > 0 &&
    await mountBlob(deps, repositoryId, digest, { source, readable }) !== undefined;
}

/** `namespace/name` of `from`; `undefined` without one. */
function sourceOf(deps: Deps, from: string | null): string | undefined | "unreadable" {
  if (from === null || from === "") return undefined;
  try {
    const source = readRepositoryName(deps, from);
    return `${source.namespace}/${source.name}`;
  } catch (error) {
    if (error instanceof AppError) return "unreadable";
    throw error;
  }
}

/** What the token itself opens for pulling. */
function readableBy({ config }: Pick<Deps, "config">, token: RegistryToken): Readable {
  if (token.superuser && config.FEATURE_SUPERUSERS_FULL_ACCESS) return "all";
  const names: string[] = [];
  for (const [name, actions] of token.grants) {
    if (actions.has("pull") || actions.has("*")) names.push(name);
  }
  return names;
}

/** `digest-algorithm` of the spec's next version; else what `mount` shows that the client uses. */
function algorithmFor(parameter: string | null, mount: string | null): DigestAlgorithm {
  if (parameter === null || parameter === "") return mount?.startsWith("sha512:") ? "sha512" : "sha256";
  if (parameter === "sha256" || parameter === "sha512") return parameter;
  throw new AppError("digest_invalid", "the digest algorithms here are sha256 and sha512");
}

function requiredDigest(text: string | null): Digest {
  if (text === null) throw new AppError("digest_invalid", "the digest parameter is missing");
  return parseDigest(text);
}

/** Where the chunk says that it begins and how long it says that it is. @throws {AppError} `upload_invalid`, `size_invalid` */
function chunkOf(raw: Request): UploadChunk {
  const lengthHeader = raw.headers.get("content-length");
  const length = lengthHeader !== null && /^[0-9]{1,15}$/.test(lengthHeader)
    ? Number(lengthHeader)
    : undefined;
  const rangeHeader = raw.headers.get("content-range");
  // docker's and podman's clients send one with an empty body at the end of an upload: it says nothing then.
  if (rangeHeader === null || length === 0) {
    return { stream: raw.body, lengthBytes: length, isChunked: length === undefined, start: undefined };
  }
  const range = parseContentRange(rangeHeader);
  if (!range) throw new AppError("upload_invalid", "Content-Range is to be <first byte>-<last byte>");
  if (length !== undefined && length !== range.lengthBytes) {
    throw new AppError("size_invalid", "Content-Length and Content-Range differ");
  }
  return {
    stream: raw.body,
    lengthBytes: range.lengthBytes,
    isChunked: length === undefined,
    start: range.start,
  };
}

/** 416 that tells the client where to go on. */
async function orOutOfOrder(
  deps: UploadDeps,
  repositoryId: number,
  name: string,
  uuid: string,
  work: () => Promise<Response>,
): Promise<Response> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "range_invalid") throw error;
    const status = await uploadStatus(deps, repositoryId, uuid);
    return errorResponse(error, sessionHeaders(name, status));
  }
}

function sessionHeaders(name: string, { uuid, sizeBytes }: UploadStatus): Record<string, string> {
  return {
    "Location": `/v2/${name}/blobs/uploads/${uuid}`,
    "Docker-Upload-UUID": uuid,
    "Range": `0-${sizeBytes - 1}`,
    "Content-Length": "0",
  };
}

function created(name: string, digest: Digest): Response {
  return new Response(null, {
    status: 201,
    headers: {
      "Location": `/v2/${name}/blobs/${digest}`,
      "Docker-Content-Digest": digest,
      "Content-Length": "0",
    },
  });
}
