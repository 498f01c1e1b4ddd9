import { ARTIFACT_TYPES } from "../../config/artifact_types.ts";
import { AppError } from "../../lib/errors.ts";
import type { Manifest } from "../../oci/manifest.ts";
import { DOCKER_CONFIG, HELM_CONFIG, IMAGE_LAYERS, OCI_CONFIG } from "../../oci/media_types.ts";
import type { Deps } from "../deps.ts";

/**
 * Whether the site takes such an artifact. Quay's manual and Quay's code disagree; this is how the keys are read here:
 *
 *  - `FEATURE_GENERAL_OCI_SUPPORT: false`: container images only, and Helm charts with `FEATURE_HELM_OCI_SUPPORT`.
 *  - otherwise every well-formed type is taken, as Quay does since 3.13 and the OCI spec wants it,
 *  - unless the operator has set `ALLOWED_OCI_ARTIFACT_TYPES` without `IGNORE_UNKNOWN_MEDIATYPES: true`: then, as the
 *    manual says, only the listed config types (and Quay's own list) are taken, and only the layer types listed for
 *    them or those of images. `artifactType` counts as config type of a manifest with the empty config.
 *
 * Indexes pass: their children were checked.
 * @throws {AppError} `manifest_invalid` naming the type
 */
export function checkArtifactType({ config }: Pick<Deps, "config">, manifest: Manifest): void {
  if (manifest.config === undefined) return;
  const configType = manifest.config.mediaType;
  const layerTypes = manifest.layers.map((layer) => layer.mediaType);
  if (!config.FEATURE_HELM_OCI_SUPPORT && configType === HELM_CONFIG) throw refused(configType);
  if (!config.FEATURE_GENERAL_OCI_SUPPORT) {
    if (configType !== OCI_CONFIG && configType !== DOCKER_CONFIG && configType !== HELM_CONFIG) {
      throw refused(configType);
    }
    const others = configType === HELM_CONFIG ? ARTIFACT_TYPES[HELM_CONFIG] ?? [] : [];
    const foreign = layerTypes.find((type) => !IMAGE_LAYERS.has(type) && !others.includes(type));
    if (foreign !== undefined) throw refused(foreign);
    return;
  }
  const listed: Readonly<Record<string, readonly string[]>> = config.ALLOWED_OCI_ARTIFACT_TYPES;
  if (config.IGNORE_UNKNOWN_MEDIATYPES || !setByOperator(listed)) return;
  if (configType === DOCKER_CONFIG) return;
  const type = configType === EMPTY_CONFIG ? manifest.artifactType ?? configType : configType;
  const layers = [...listed[type] ?? [], ...ARTIFACT_TYPES[type] ?? []];
  if (!Object.hasOwn(listed, type) && !Object.hasOwn(ARTIFACT_TYPES, type)) throw refused(type);
  const foreign = layerTypes.find((layer) =>
    !IMAGE_LAYERS.has(layer) && layer !== EMPTY_CONFIG && !layers.includes(layer)
  );
  if (foreign !== undefined) throw refused(foreign);
}

const EMPTY_CONFIG = "application/vnd.oci.empty.v1+json";

/** The configuration comes with all defaults filled in, so a list that equals the default was not set. */
function setByOperator(listed: Readonly<Record<string, readonly string[]>>): boolean {
  return JSON.stringify(listed) !== JSON.stringify(ARTIFACT_TYPES);
}

function refused(mediaType: string): AppError {
  return new AppError("manifest_invalid", `artifacts of type ${mediaType} are not allowed on this registry`, {
    mediaType,
  });
}
