/** Manifest types that can be pushed. Docker's schema 1 is not among them: the OCI specs have dropped it. */
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";

export const MANIFEST_MEDIA_TYPES = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST] as const;
export type ManifestMediaType = (typeof MANIFEST_MEDIA_TYPES)[number];

/** Content types of Docker's schema 1; Quay reads plain `application/json` as such too. */
export const SCHEMA1_MEDIA_TYPES: readonly string[] = [
  "application/vnd.docker.distribution.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
  "application/json",
];

export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
export const HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json";

const LAYER_BASES = [
  "application/vnd.oci.image.layer.v1.tar",
  "application/vnd.oci.image.layer.nondistributable.v1.tar",
] as const;

/** Layers of container images: OCI's tar (plain, gzip, zstd) with the non-distributable forms, and Docker's. */
export const IMAGE_LAYERS: ReadonlySet<string> = new Set([
  ...LAYER_BASES.flatMap((base) => [base, `${base}+gzip`, `${base}+zstd`]),
  "application/vnd.docker.image.rootfs.diff.tar",
  "application/vnd.docker.image.rootfs.diff.tar.gzip",
  "application/vnd.docker.image.rootfs.diff.tar.zstd",
  "application/vnd.docker.image.rootfs.foreign.diff.tar",
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
]);

/** Layers whose bytes live elsewhere: a push may leave them out. OCI image-spec 1.1 §"Non-Distributable Layers". */
export function isNondistributable(mediaType: string): boolean {
  return mediaType.startsWith("application/vnd.oci.image.layer.nondistributable.") ||
    mediaType.startsWith("application/vnd.docker.image.rootfs.foreign.");
}

export function isManifestMediaType(text: string): text is ManifestMediaType {
  return (MANIFEST_MEDIA_TYPES as readonly string[]).includes(text);
}

export function isIndexMediaType(type: string): boolean {
  return type === OCI_INDEX || type === DOCKER_LIST;
}

const NAME = "[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}";
const SYNTAX = new RegExp(`^${NAME}/${NAME}$`);

/** RFC 6838 §4.2, without parameters. */
export function isMediaType(text: string): boolean {
  return SYNTAX.test(text);
}
