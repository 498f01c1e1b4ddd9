import { type ManifestDetailRow, selectManifestDetail } from "../../drivers/database/queries/manifest.ts";
import { AppError } from "../../lib/errors.ts";
import { type Descriptor, type Manifest, parseManifest } from "../../oci/manifest.ts";
import { isIndexMediaType } from "../../oci/media_types.ts";
import type { Deps } from "../deps.ts";
import { readImageConfig } from "./image_config.ts";

/** A step of an image's history, or a layer of an artifact. */
export interface LayerView {
  readonly blobDigest: string;
  readonly compressedBytes: number;
  /** Its bytes are elsewhere. */
  readonly remote: boolean;
  readonly urls: readonly string[] | null;
  readonly command: string | null;
  readonly comment: string | null;
  readonly author: string | null;
  /** Epoch milliseconds. */
  readonly createdMs: number | null;
}

export interface ManifestView {
  readonly row: ManifestDetailRow;
  readonly isIndex: boolean;
  /** Base first; null for an index. */
  readonly layers: readonly LayerView[] | null;
}

/** Docker's empty layer: what steps of the history that changed no file are shown with. */
const EMPTY_LAYER = {
  blobDigest: "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4",
  compressedBytes: 32,
  remote: false,
  urls: null,
};

/**
 * A manifest that is there, with its layers and the commands that made them.
 * @param repositoryId the caller has checked read permission
 * @throws {AppError} `not_found`
 */
export async function viewManifest(
  deps: Pick<Deps, "sql" | "storage" | "log" | "now">,
  repositoryId: number,
  digest: string,
): Promise<ManifestView> {
  const row = await findManifest(deps, repositoryId, digest);
  if (isIndexMediaType(row.mediaType)) return { row, isIndex: true, layers: null };
  const manifest = readManifest(row);
  if (manifest === undefined) return { row, isIndex: false, layers: null };
  const urls = urlsByDigest(row.bytes);
  const layers = manifest.layers.map((layer) => filled(layer, urls));
  const history = historyOf(await readImageConfig(deps, manifest));
  return { row, isIndex: false, layers: withHistory(layers, history) };
}

/** @throws {AppError} `not_found` */
export async function findManifest(
  { sql, now }: Pick<Deps, "sql" | "now">,
  repositoryId: number,
  digest: string,
): Promise<ManifestDetailRow> {
  const row = await selectManifestDetail(sql, repositoryId, digest, now());
  if (row === undefined) throw new AppError("not_found", "Not Found");
  return row;
}

/** Undefined for what an adopted database may hold and today's rules do not take: Docker's schema 1. */
function readManifest({ bytes, mediaType }: ManifestDetailRow): Manifest | undefined {
  try {
    return parseManifest(new TextEncoder().encode(bytes), mediaType);
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

function filled(layer: Descriptor, urls: ReadonlyMap<string, readonly string[]>): LayerView {
  return {
    blobDigest: layer.digest,
    compressedBytes: layer.sizeBytes,
    remote: layer.elsewhere,
    urls: urls.get(layer.digest) ?? null,
    command: null,
    comment: null,
    author: null,
    createdMs: null,
  };
}

/** Where layers that live elsewhere are to be had. */
function urlsByDigest(bytes: string): Map<string, readonly string[]> {
  const { layers } = JSON.parse(bytes) as { layers?: { digest: string; urls?: unknown }[] };
  const found = new Map<string, readonly string[]>();
  for (const { digest, urls } of layers ?? []) {
    if (Array.isArray(urls) && urls.every((url) => typeof url === "string")) found.set(digest, urls);
  }
  return found;
}

type Step = Pick<LayerView, "command" | "comment" | "author" | "createdMs"> & { empty: boolean };

function historyOf(config: unknown): Step[] {
  const history = (config as { history?: unknown } | null | undefined)?.history;
  if (!Array.isArray(history)) return [];
  return history.filter((entry) => typeof entry === "object" && entry !== null).map((entry) => {
    const { created, created_by, comment, author, empty_layer } = entry as Record<string, unknown>;
    const createdMs = typeof created === "string" ? Date.parse(created) : NaN;
    return {
      empty: empty_layer === true,
      command: textOf(created_by),
      comment: textOf(comment),
      author: textOf(author),
      createdMs: Number.isFinite(createdMs) ? createdMs : null,
    };
  });
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** One entry a step; only the layers when the history tells of more or fewer of them than there are. */
function withHistory(layers: readonly LayerView[], history: readonly Step[]): readonly LayerView[] {
  if (history.filter((step) => !step.empty).length !== layers.length) return layers;
  let next = 0;
  return history.map(({ empty, ...step }) => {
    const layer = empty ? EMPTY_LAYER : layers[next++];
    return { ...(layer ?? EMPTY_LAYER), ...step };
  });
}
