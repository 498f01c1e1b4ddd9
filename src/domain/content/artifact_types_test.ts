import assert from "node:assert/strict";
import { type Config, defaultConfig } from "../../config/schema.ts";
import { AppError } from "../../lib/errors.ts";
import { digestOf } from "../../oci/digest.ts";
import { parseManifest } from "../../oci/manifest.ts";
import { DOCKER_CONFIG, HELM_CONFIG, OCI_CONFIG, OCI_MANIFEST } from "../../oci/media_types.ts";
import { checkArtifactType } from "./artifact_types.ts";

const OWN = "application/vnd.acme.config+json";
const OWN_LAYER = "application/vnd.acme.layer";
const EMPTY = "application/vnd.oci.empty.v1+json";
const ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd";
const CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

function accepts(keys: Partial<Config>, config: string, layer: string, artifactType?: string): boolean {
  const descriptor = (mediaType: string) => ({ mediaType, digest: digestOf("x"), size: 1 });
  const json = { schemaVersion: 2, config: descriptor(config), layers: [descriptor(layer)], artifactType };
  const manifest = parseManifest(new TextEncoder().encode(JSON.stringify(json)), OCI_MANIFEST);
  try {
    checkArtifactType({ config: defaultConfig(keys) }, manifest);
    return true;
  } catch (error) {
    assert.ok(error instanceof AppError && error.code === "manifest_invalid");
    return false;
  }
}

const listed = { ALLOWED_OCI_ARTIFACT_TYPES: { [OWN]: [OWN_LAYER] } };
const noArtifacts = { FEATURE_GENERAL_OCI_SUPPORT: false };
const CASES: readonly [
  keys: Partial<Config>,
  config: string,
  layer: string,
  artifactType: string | undefined,
  yes: boolean,
][] = [
  [{}, OCI_CONFIG, ZSTD, undefined, true],
  [{}, "application/x.unknown", "application/x.layer", undefined, true],
  [{}, EMPTY, EMPTY, "application/x.unknown", true],
  [{}, HELM_CONFIG, CHART, undefined, true],
  [{ FEATURE_HELM_OCI_SUPPORT: false }, HELM_CONFIG, CHART, undefined, false],
  [noArtifacts, OCI_CONFIG, ZSTD, undefined, true],
  [noArtifacts, DOCKER_CONFIG, "application/vnd.docker.image.rootfs.diff.tar.gzip", undefined, true],
  [noArtifacts, HELM_CONFIG, CHART, undefined, true],
  [noArtifacts, OCI_CONFIG, "application/x.layer", undefined, false],
  [noArtifacts, OWN, ZSTD, undefined, false],
  [listed, OWN, OWN_LAYER, undefined, true],
  [listed, EMPTY, OWN_LAYER, OWN, true],
  [listed, OCI_CONFIG, "application/vnd.in-toto+json", undefined, true],
  [listed, DOCKER_CONFIG, ZSTD, undefined, true],
  [listed, OWN, "application/x.layer", undefined, false],
  [listed, "application/x.unknown", OWN_LAYER, undefined, false],
  [listed, EMPTY, EMPTY, "application/x.unknown", false],
  [
    { ...listed, IGNORE_UNKNOWN_MEDIATYPES: true },
    "application/x.unknown",
    "application/x.layer",
    undefined,
    true,
  ],
];

for (const [keys, config, layer, artifactType, yes] of CASES) {
  Deno.test(`checkArtifactType() ${yes ? "takes" : "refuses"} ${artifactType ?? config} with ${layer} under ${JSON.stringify(keys)}`, () => {
    assert.equal(accepts(keys, config, layer, artifactType), yes);
  });
}
