import { type BlobRow, selectRepositoryBlobs } from "../../drivers/database/queries/blob.ts";
import { insertLabels, selectCommonLabel } from "../../drivers/database/queries/label.ts";
import {
  insertManifestBlobs,
  insertManifestChildren,
  type ManifestRow,
  selectManifests,
  upsertManifest,
} from "../../drivers/database/queries/manifest.ts";
import { AppError } from "../../lib/errors.ts";
import { algorithmOf, type Digest, digestOf } from "../../oci/digest.ts";
import { type Descriptor, type Manifest, parseManifest } from "../../oci/manifest.ts";
import type { Reference } from "../../oci/reference.ts";
import { checkArtifactType } from "./artifact_types.ts";
import { authenticationMetadata, logRepositoryAction, type RepositoryActor } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { readImageConfig } from "./image_config.ts";
import { findImmutabilityRule } from "./immutability_policies.ts";
import { EXPIRES_AFTER, expiresAfterMs, labelsOf } from "./labels.ts";
import { findNotifications, queueNotifications } from "../notifications/notifications.ts";
import { requireRoomForManifest, tellOfRefusal } from "../quota/enforcement.ts";
import { countBlobs } from "../quota/sizes.ts";
import { mayBeImmutable } from "./tag_end.ts";
import { keepUntagged, lockTags, pointTag } from "./tags.ts";

export type ManifestPushDeps = Pick<
  Deps,
  "sql" | "config" | "storage" | "changes" | "metrics" | "now" | "log"
>;

export interface ManifestPush {
  /** As received; stored byte for byte. */
  readonly bytes: Uint8Array;
  readonly contentType: string | null;
  /** What the manifest was pushed as. */
  readonly reference: Reference;
  /** More tags for it, already checked: the spec's `?tag=` of a push by digest. */
  readonly tags: readonly string[];
  /** An index may come without some of its children: platforms that a mirror does not take. */
  readonly sparse?: boolean;
  /** How long it is kept without a tag, instead of `PUSH_TEMP_TAG_EXPIRATION_SEC`. */
  readonly keepSeconds?: number;
}

export interface StoredManifest {
  readonly id: number;
  readonly digest: Digest;
  readonly manifest: Manifest;
  /** Every tag that points at it by this push. */
  readonly tags: readonly string[];
}

/**
 * Stores a manifest and points tags at it, all or nothing; the same push again changes nothing but when its tags end.
 * Blobs and children must be in the repository, except layers whose bytes live elsewhere; a missing subject is no
 * fault (OCI distribution-spec 1.1 "Pushing manifests with subject"; Quay refuses it). Pushed by digest without a tag
 * it is kept under a hidden tag for `PUSH_TEMP_TAG_EXPIRATION_SEC`, for good when it has a subject. With tags it is the event
 * `repo_push`.
 * @param repositoryId the caller has checked write permission and the repository's state
 * @param by whom the action log names as the pusher; absent: it is not told
 * @throws {AppError} those of `parseManifest` and `checkArtifactType`; `tag_immutable`; `digest_invalid` when the bytes have another
 *   digest than the reference says; `manifest_blob_unknown` with every missing digest; `quota_exceeded`
 */
export async function putManifest(
  deps: ManifestPushDeps,
  repositoryId: number,
  push: ManifestPush,
  by?: RepositoryActor,
): Promise<StoredManifest> {
  const manifest = parseManifest(push.bytes, push.contentType);
  checkArtifactType(deps, manifest);
  const digest = digestOfPush(push);
  const tags = [...new Set(push.reference.kind === "tag" ? [push.reference.tag, ...push.tags] : push.tags)];
  const [{ blobs, children }, listeners, rule] = await Promise.all([
    findParts(deps, repositoryId, manifest, push.sparse ?? false),
    tags.length === 0 ? [] : findNotifications(deps, repositoryId, "repo_push"),
    findImmutabilityRule(deps, repositoryId),
  ]);
  const labels = labelsOf(manifest, await readImageConfig(deps, manifest));
  const lifetimeMs = expiresAfterMs(labels.find((label) => label.key === EXPIRES_AFTER)?.value) ??
    await lifetimeOfChildren(deps, children);
  const asked = deps.config.FEATURE_IMMUTABLE_TAGS && labels.some(isImmutabilityLabel);

  const id = await deps.sql.begin(async (tx) => {
    await lockTags(tx, repositoryId, tags);
    const nowMs = deps.now();
    const { id: manifestId, created } = await upsertManifest(tx, {
      repositoryId,
      digest,
      mediaType: manifest.mediaType,
      bytes: new TextDecoder("utf-8", { ignoreBOM: true }).decode(push.bytes),
      configMediaType: manifest.config?.mediaType ?? null,
      layersCompressedSize: manifest.kind === "image" ? sizeOf(manifest.layers) : null,
      subject: manifest.subject?.digest ?? null,
      artifactType: manifest.artifactType ?? null,
    });
    if (blobs.length > 0) await insertManifestBlobs(tx, { repositoryId, manifestId, blobIds: idsOf(blobs) });
    if (children.length > 0) {
      await insertManifestChildren(tx, { repositoryId, manifestId, childIds: idsOf(children) });
    }
    if (created && labels.length > 0) {
      await insertLabels(tx, { repositoryId, manifestId, source: "manifest", labels });
    }
    const endMs = lifetimeMs === undefined ? null : nowMs + lifetimeMs;
    for (const name of tags) {
      const immutable = mayBeImmutable(deps, endMs) && (asked || rule(name));
      const became = await pointTag(tx, { repositoryId, name, manifestId, nowMs, endMs, immutable });
      if (became && !asked && by !== undefined) {
        const metadata = { tag: name, manifest_digest: digest };
        await logRepositoryAction({ ...deps, sql: tx }, by, "tag_made_immutable_by_policy", metadata);
      }
    }
    if (tags.length === 0) {
      const keptMs = (push.keepSeconds ?? deps.config.PUSH_TEMP_TAG_EXPIRATION_SEC) * 1000;
      const keptUntilMs = manifest.subject === undefined ? nowMs + keptMs : null;
      await keepUntagged(tx, { repositoryId, manifestId, nowMs, endMs: keptUntilMs });
    }
    if (by !== undefined) await logPush({ ...deps, sql: tx }, by, { digest, tags });
    await queueNotifications({ ...deps, sql: tx }, "repo_push", listeners, { updated_tags: tags });
    await countBlobs(deps, tx, { repositoryId, blobIds: idsOf(blobs) });
    await requireRoomForManifest(deps, tx, repositoryId);
    return manifestId;
  }).catch(async (error: unknown) => {
    await tellOfRefusal(deps, error);
    // Garbage collection or a delete came between the check and the rows that refer to what was checked.
    if (isForeignKeyViolation(error)) throw missing([], error);
    throw error;
  });
  deps.changes?.changed(repositoryId);
  return { id, digest, manifest, tags };
}

/** Of Quay 3.17. What ends by itself is immutable only where that is allowed. */
function isImmutabilityLabel({ key, value }: { key: string; value: string }): boolean {
  return key === "quay.immutable" && value === "true";
}

/** One row a tag, as if each had been pushed; one for the manifest when there is none. */
async function logPush(
  deps: Parameters<typeof logRepositoryAction>[0],
  by: RepositoryActor,
  { digest, tags }: { digest: Digest; tags: readonly string[] },
): Promise<void> {
  const metadata = { "user-agent": by.actor.origin?.userAgent ?? "", ...authenticationMetadata(by.actor) };
  if (tags.length === 0) {
    await logRepositoryAction(deps, by, "push_repo", { ...metadata, manifest_digest: digest });
  }
  for (const tag of tags) await logRepositoryAction(deps, by, "push_repo", { ...metadata, tag });
}

function digestOfPush({ bytes, reference }: ManifestPush): Digest {
  if (reference.kind === "tag") return digestOf(bytes);
  const digest = digestOf(bytes, algorithmOf(reference.digest));
  if (digest !== reference.digest) {
    throw new AppError("digest_invalid", "the manifest does not match the digest it was pushed by", {
      expected: reference.digest,
      actual: digest,
    });
  }
  return digest;
}

interface Parts {
  readonly blobs: readonly BlobRow[];
  readonly children: readonly ManifestRow[];
}

/** Rows of everything the manifest points at. @throws {AppError} `manifest_blob_unknown` */
async function findParts(
  { sql, now }: Pick<Deps, "sql" | "now">,
  repositoryId: number,
  manifest: Manifest,
  sparse: boolean,
): Promise<Parts> {
  const descriptors = manifest.config === undefined ? [] : [manifest.config, ...manifest.layers];
  const wanted = distinct(descriptors);
  const required = distinct(descriptors.filter((descriptor) => !descriptor.elsewhere));
  const wantedChildren = distinct(manifest.children);
  const [blobs, children] = await Promise.all([
    wanted.length === 0 ? [] : selectRepositoryBlobs(sql, repositoryId, wanted),
    wantedChildren.length === 0 ? [] : selectManifests(sql, repositoryId, wantedChildren, now()),
  ]);
  const present = new Set<string>([...blobs, ...children].map((row) => row.digest));
  const absent = [...required, ...sparse ? [] : wantedChildren].filter((digest) => !present.has(digest));
  if (absent.length > 0) throw missing(absent);
  return { blobs, children };
}

function missing(digests: readonly string[], cause?: unknown): AppError {
  const message = "the manifest names blobs or manifests that are not in the repository: push them first";
  return new AppError("manifest_blob_unknown", message, { digests }, { cause });
}

/** An index without an expiry of its own ends with its children when all of them say the same. */
async function lifetimeOfChildren(
  { sql }: Pick<Deps, "sql">,
  children: readonly ManifestRow[],
): Promise<number | undefined> {
  if (children.length === 0) return undefined;
  const { values, carriers } = await selectCommonLabel(sql, idsOf(children), EXPIRES_AFTER);
  return carriers === children.length && values.length === 1 ? expiresAfterMs(values[0]) : undefined;
}

function distinct(descriptors: readonly Descriptor[]): Digest[] {
  return [...new Set(descriptors.map((descriptor) => descriptor.digest))];
}

function sizeOf(layers: readonly Descriptor[]): number {
  return layers.reduce((sum, layer) => sum + layer.sizeBytes, 0);
}

function idsOf(rows: readonly { id: number }[]): number[] {
  return rows.map((row) => row.id);
}

function isForeignKeyViolation(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === "23503";
}
