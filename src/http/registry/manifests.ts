import type { Deps } from "../../domain/deps.ts";
import type { Found, FoundManifest, ManifestLookup } from "../../domain/content/manifest_lookup.ts";
import type { RepositoryActor } from "../../domain/logs/action_log.ts";
import { putManifest } from "../../domain/content/manifests.ts";
import { type AuditedFailure, isAudited, recordFailure, recordPull } from "../../domain/content/pulls.ts";
import { performerOf } from "../../domain/access/registry_tokens.ts";
import { deleteManifest, deleteTag, tagIsInHistory } from "../../domain/content/tags.ts";
import { AppError } from "../../lib/errors.ts";
import { MANIFEST_MAX_BYTES, manifestTooLarge, parseManifest } from "../../oci/manifest.ts";
import { isIndexMediaType } from "../../oci/media_types.ts";
import { parseReference, parseTagName, type Reference, type RepositoryName } from "../../oci/reference.ts";
import {
  type Access,
  namespaceDisabled,
  nameUnknown,
  originOf,
  queryOf,
  readRepositoryName,
  refuseWhenPushesDisabled,
  type RegistryRequest,
  requireGrant,
  requireRepository,
  requireToken,
} from "./base.ts";
import { statusOf } from "./errors.ts";
import type { RouteOf } from "./route.ts";

export type ManifestDeps = Deps & { readonly lookup: ManifestLookup };
type ManifestRequest = RegistryRequest<RouteOf<"manifest">>;

/** Tags that one push by digest may set. */
const TAGS_MAX = 100;

/** GET, HEAD, PUT, DELETE /v2/<name>/manifests/<reference>. OCI distribution-spec 1.1. */
export function handleManifest(deps: ManifestDeps, request: ManifestRequest): Promise<Response> {
  switch (request.raw.method) {
    case "PUT":
      return audited(deps, request, "push_repo_failed", put(deps, request));
    case "DELETE":
      return audited(deps, request, "delete_tag_failed", remove(deps, request));
    default:
      return audited(deps, request, "pull_repo_failed", get(deps, request));
  }
}

/** `work`; what it refuses to somebody with a good token is recorded where the site wants that. */
function audited(
  deps: ManifestDeps,
  request: ManifestRequest,
  kind: AuditedFailure,
  work: Promise<Response>,
): Promise<Response> {
  if (!isAudited(deps.config, kind)) return work;
  return work.catch(async (error) => {
    const { name, reference } = request.route;
    const token = await requireToken(deps, request).catch(() => undefined);
    const asked = token && tolerant(() => readRepositoryName(deps, name));
    if (token !== undefined && asked !== undefined) {
      const actor = performerOf(token, originOf(request));
      const what = { repository: asked, reference: tolerant(() => parseReference(reference)) };
      await recordFailure(deps, kind, what, { actor, error });
    }
    throw error;
  });
}

function tolerant<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/**
 * The stored bytes. By digest they come as they are; by tag an index is resolved to its linux/amd64 child for clients
 * whose Accept takes images only, as Quay does. Nothing is converted.
 */
async function get(deps: ManifestDeps, request: ManifestRequest): Promise<Response> {
  const { route, raw } = request;
  const { token, repository } = await requireGrant(deps, request, route.name, "pull");
  const reference = parseReference(route.reference);
  const label = reference.kind === "tag" ? "tag" : "manifest";
  try {
    const found = await present(deps, route.name, await deps.lookup.find(repository, reference), reference);
    let { manifest } = found;
    if (reference.kind === "tag") {
      manifest = await acceptable(deps, repository, manifest, raw.headers.get("accept"));
    }
    const response = await manifestResponse(deps, raw, manifest);
    const room = recordPull(deps, { token, repository, found, reference, origin: originOf(request) });
    if (room !== undefined) await room;
    deps.metrics.imagePulls.labels("v2", label, "200").inc();
    return response;
  } catch (error) {
    const status = error instanceof AppError ? statusOf(error.code) : 500;
    deps.metrics.imagePulls.labels("v2", label, `${status}`).inc();
    throw error;
  }
}

async function manifestResponse(
  deps: ManifestDeps,
  raw: Request,
  manifest: FoundManifest,
): Promise<Response> {
  const etag = `"${manifest.digest}"`;
  const ifNoneMatch = raw.headers.get("if-none-match");
  if (ifNoneMatch !== null && matches(ifNoneMatch, etag)) {
    return new Response(null, {
      status: 304,
      headers: { ETag: etag, "Docker-Content-Digest": manifest.digest },
    });
  }
  const bytes = await deps.lookup.bytes(manifest.id);
  const headers = {
    "Content-Type": manifest.mediaType,
    "Content-Length": `${bytes.byteLength}`,
    "Docker-Content-Digest": manifest.digest,
    "ETag": etag,
  };
  return new Response(raw.method === "HEAD" ? null : bytes, { headers });
}

/** RFC 9110 §13.1.2: weak comparison. */
function matches(ifNoneMatch: string, etag: string): boolean {
  return ifNoneMatch.split(",").some((candidate) => {
    const tag = candidate.trim();
    return tag === "*" || tag === etag || tag === `W/${etag}`;
  });
}

type Present = Found & { readonly manifest: FoundManifest };

async function present(
  deps: ManifestDeps,
  name: string,
  found: Found | undefined,
  reference: Reference,
): Promise<Present> {
  if (found === undefined) throw nameUnknown(name);
  if (!found.namespaceEnabled) throw namespaceDisabled(name.split("/", 1)[0] as string);
  if (found.manifest !== undefined) return found as Present;
  if (reference.kind === "tag" && await tagIsInHistory(deps, found.repositoryId, reference.tag)) {
    throw new AppError("tag_expired", `tag ${reference.tag} was deleted or has expired`, {
      tag: reference.tag,
    });
  }
  throw manifestUnknown(reference);
}

function manifestUnknown(reference: Reference): AppError {
  const detail = reference.kind === "tag" ? { tag: reference.tag } : { digest: reference.digest };
  return new AppError("manifest_unknown", "manifest unknown", detail);
}

/** @throws {AppError} `manifest_unknown` when the client takes neither what is stored nor a child of it */
async function acceptable(
  deps: ManifestDeps,
  repository: RepositoryName,
  manifest: FoundManifest,
  accept: string | null,
): Promise<FoundManifest> {
  if (accept === null || accept === "" || accept.includes(manifest.mediaType)) return manifest;
  const accepted = new Set(
    accept.split(",").map((range) => (range.split(";", 1)[0] as string).trim().toLowerCase()),
  );
  if (accepted.has("*/*") || accepted.has("application/*")) return manifest;
  if (isIndexMediaType(manifest.mediaType)) {
    const index = parseManifest(await deps.lookup.bytes(manifest.id), manifest.mediaType);
    const child = index.children.find(({ platform, mediaType }) =>
      platform?.os === "linux" && platform.architecture === "amd64" && accepted.has(mediaType)
    );
    if (child !== undefined) {
      const found = await deps.lookup.find(repository, { kind: "digest", digest: child.digest });
      if (found?.manifest !== undefined) return found.manifest;
    }
  }
  throw new AppError("manifest_unknown", "the manifest is of a type that the Accept header does not take", {
    mediaType: manifest.mediaType,
  });
}

/**
 * Stores the manifest. By digest `?tag=` may be there several times; each tag that was set is named by an OCI-Tag
 * header (distribution-spec, pushing manifests with tag parameters). A subject is acknowledged by OCI-Subject.
 */
async function put(deps: ManifestDeps, request: ManifestRequest): Promise<Response> {
  const { route, raw } = request;
  const access = await requireRepository(deps, request, route.name, "push");
  const { repository } = access;
  refuseWhenPushesDisabled(deps);
  try {
    const reference = parseReference(route.reference);
    const tags = reference.kind === "digest" ? tagParameters(request) : [];
    const bytes = await readBody(raw);
    const contentType = raw.headers.get("content-type");
    const stored = await putManifest(
      deps,
      repository.id,
      { bytes, contentType, reference, tags },
      actorIn(request, access),
    );
    deps.metrics.imagePushes.labels("v2", "201", stored.manifest.mediaType).inc();

    const headers = new Headers({
      "Content-Type": "text/plain",
      "Docker-Content-Digest": stored.digest,
      "Location": `/v2/${route.name}/manifests/${stored.digest}`,
    });
    if (stored.manifest.subject !== undefined) headers.set("OCI-Subject", stored.manifest.subject.digest);
    if (reference.kind === "digest") { for (const tag of stored.tags) headers.append("OCI-Tag", tag); }
    return new Response("OK", { status: 201, headers });
  } catch (error) {
    const status = error instanceof AppError ? statusOf(error.code) : 500;
    deps.metrics.imagePushes.labels("v2", `${status}`, "").inc();
    throw error;
  }
}

function tagParameters(request: ManifestRequest): string[] {
  if (request.search === "") return [];
  const tags = queryOf(request).getAll("tag").map(parseTagName);
  if (tags.length > TAGS_MAX) {
    throw new AppError("invalid_request", `a push sets at most ${TAGS_MAX} tags`, { max: TAGS_MAX });
  }
  return tags;
}

/**
 * The whole body, given up as soon as it is too long.
 * @throws {AppError} `manifest_too_large`, `manifest_invalid` when it breaks off or is framed wrongly
 */
async function readBody(raw: Request): Promise<Uint8Array> {
  const announced = raw.headers.get("content-length");
  if (announced !== null && Number(announced) > MANIFEST_MAX_BYTES) {
    await raw.body?.cancel();
    throw manifestTooLarge();
  }
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    // Leaving the loop early cancels the stream.
    for await (const chunk of raw.body ?? []) {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > MANIFEST_MAX_BYTES) throw manifestTooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError("manifest_invalid", "the request body broke off", {}, { cause: error });
  }
  const bytes = new Uint8Array(sizeBytes);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

/** By tag: that tag ends. By digest: the manifest is gone with all of its tags. 202 either way. */
async function remove(deps: ManifestDeps, request: ManifestRequest): Promise<Response> {
  const access = await requireRepository(deps, request, request.route.name, "push");
  const { id } = access.repository;
  const by = actorIn(request, access);
  const reference = parseReference(request.route.reference);
  const removed = reference.kind === "tag"
    ? await deleteTag(deps, id, reference.tag, by)
    : await deleteManifest(deps, id, reference.digest, by) !== undefined;
  if (!removed) throw manifestUnknown(reference);
  return new Response(null, { status: 202 });
}

/** Whom the action log names. */
function actorIn(request: ManifestRequest, { token, repository }: Access): RepositoryActor {
  return { actor: performerOf(token, originOf(request)), repository };
}
