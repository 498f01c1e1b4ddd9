import { AppError } from "../lib/errors.ts";
import { type Digest, isDigest } from "./digest.ts";
import {
  isIndexMediaType,
  isManifestMediaType,
  isMediaType,
  isNondistributable,
  type ManifestMediaType,
  OCI_INDEX,
  OCI_MANIFEST,
  SCHEMA1_MEDIA_TYPES,
} from "./media_types.ts";

/** Largest manifest that is taken. The OCI distribution-spec wants at least this much. */
export const MANIFEST_MAX_BYTES = 4 * 1024 * 1024;
/** Deepest nesting of arrays and objects; real manifests have six. */
const DEPTH_MAX = 100;

/** What a manifest says of something it points at. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Its bytes are to be had elsewhere: foreign and non-distributable layers. */
  readonly elsewhere: boolean;
  readonly platform?: Platform;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

/** A manifest read for what the registry needs of it. The bytes themselves are kept as they came. */
export interface Manifest {
  readonly mediaType: ManifestMediaType;
  /** An image (or artifact) has a config and layers, an index has children. */
  readonly kind: "image" | "index";
  readonly config?: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly children: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly artifactType?: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Reads and checks a manifest. OCI image-spec 1.1 and Docker's schema 2; unknown fields pass, of duplicate keys the
 * last counts, ambiguous documents (an image with `manifests`, an index with `layers`) do not pass.
 * @param contentType of the request; parameters are ignored
 * @throws {AppError} `manifest_invalid`, `manifest_unsupported_media_type`, `manifest_too_large`
 */
export function parseManifest(bytes: Uint8Array, contentType: string | null): Manifest {
  if (bytes.byteLength > MANIFEST_MAX_BYTES) throw manifestTooLarge();
  const declared = declaredType(contentType);
  const json = parseJson(bytes);
  if (json.schemaVersion === 1) throw schema1();
  const own = json.mediaType;
  if (own !== undefined && typeof own !== "string") throw invalid("mediaType is not a string");
  const mediaType = declared ?? own;
  if (mediaType === undefined) throw unsupported("the Content-Type header is missing");
  if (own !== undefined && own !== mediaType) {
    throw invalid("mediaType of the manifest differs from the Content-Type header", {
      mediaType: own.slice(0, 200),
    });
  }
  if (!isManifestMediaType(mediaType)) {
    throw unsupported(`manifests of type ${mediaType.slice(0, 200)} are not taken`);
  }
  // Docker's types are always named inside; OCI's may be left out.
  if (own === undefined && mediaType !== OCI_MANIFEST && mediaType !== OCI_INDEX) {
    throw invalid("mediaType is missing");
  }
  if (json.schemaVersion !== 2) throw invalid("schemaVersion is not 2");

  const subject = json.subject === undefined || json.subject === null
    ? undefined
    : readDescriptor(json.subject, "subject");
  const artifactType = readArtifactType(json.artifactType);
  const common = {
    mediaType,
    ...(subject && { subject }),
    ...(artifactType !== undefined && { artifactType }),
    annotations: readAnnotations(json.annotations, "annotations"),
  };
  if (isIndexMediaType(mediaType)) {
    if (json.layers !== undefined || json.config !== undefined) {
      throw invalid("an index has no config and no layers");
    }
    return { ...common, kind: "index", layers: [], children: readList(json.manifests, "manifests") };
  }
  if (json.manifests !== undefined) throw invalid("an image manifest has no manifests");
  const config = readDescriptor(json.config, "config");
  return { ...common, kind: "image", config, layers: readList(json.layers, "layers"), children: [] };
}

/** What the request says that it brings; `undefined` when it says nothing. */
function declaredType(contentType: string | null): string | undefined {
  const type = contentType?.split(";", 1)[0]?.trim().toLowerCase();
  if (type === undefined || type === "") return undefined;
  if (SCHEMA1_MEDIA_TYPES.includes(type)) throw schema1();
  if (!isManifestMediaType(type)) throw unsupported(`manifests of type ${type.slice(0, 200)} are not taken`);
  return type;
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  if (nestsDeeperThan(bytes, DEPTH_MAX)) throw invalid(`nested deeper than ${DEPTH_MAX} levels`);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid("not UTF-8");
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw invalid("not JSON");
  }
  if (!isObject(json)) throw invalid("not a JSON object");
  return json;
}

/** Counts brackets outside strings before any parser recurses over them. */
function nestsDeeperThan(bytes: Uint8Array, max: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > max) return true;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return false;
}

function readList(value: unknown, field: string): Descriptor[] {
  if (!Array.isArray(value)) throw invalid(`${field} is not a list`);
  return value.map((item, at) => readDescriptor(item, `${field}[${at}]`));
}

function readDescriptor(value: unknown, field: string): Descriptor {
  if (!isObject(value)) throw invalid(`${field} is not a descriptor`);
  const { mediaType, digest, size, urls, platform } = value;
  if (typeof mediaType !== "string" || !isMediaType(mediaType)) {
    throw invalid(`${field}.mediaType is not a media type`);
  }
  if (typeof digest !== "string" || !isDigest(digest)) throw invalid(`${field}.digest is not a digest`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`${field}.size is not a size`);
  }
  readAnnotations(value.annotations, `${field}.annotations`);
  if (value.artifactType !== undefined) readArtifactType(value.artifactType);
  const elsewhere = isNondistributable(mediaType) || (Array.isArray(urls) && urls.length > 0);
  const readPlatform = platformOf(platform);
  return { mediaType, digest, sizeBytes: size, elsewhere, ...(readPlatform && { platform: readPlatform }) };
}

function platformOf(value: unknown): Platform | undefined {
  if (!isObject(value)) return undefined;
  const { os, architecture } = value;
  return typeof os === "string" && typeof architecture === "string" ? { os, architecture } : undefined;
}

/** An empty artifactType is what some clients write for none. */
function readArtifactType(value: unknown): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string" || !isMediaType(value)) throw invalid("artifactType is not a media type");
  return value;
}

function readAnnotations(value: unknown, field: string): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw invalid(`${field} is not an object`);
  const annotations: Record<string, string> = Object.create(null);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw invalid(`${field} holds something else than strings`);
    annotations[key] = text;
  }
  return annotations;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function manifestTooLarge(): AppError {
  return new AppError("manifest_too_large", `a manifest has at most ${MANIFEST_MAX_BYTES} bytes`, {
    max_bytes: MANIFEST_MAX_BYTES,
  });
}

function invalid(message: string, detail: Record<string, unknown> = {}): AppError {
  return new AppError("manifest_invalid", `manifest invalid: ${message}`, detail);
}

function unsupported(message: string): AppError {
  return new AppError("manifest_unsupported_media_type", message);
}

function schema1(): AppError {
  return unsupported(
    "Docker schema 1 manifests are not taken: push schema 2 or OCI (docker 1.10 and later, podman, skopeo do)",
  );
}
