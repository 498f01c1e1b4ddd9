import assert from "node:assert/strict";
import { AppError, type ErrorCode } from "../lib/errors.ts";
import { digestOf } from "./digest.ts";
import { MANIFEST_MAX_BYTES, parseManifest } from "./manifest.ts";
import {
  DOCKER_CONFIG,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
} from "./media_types.ts";

const encode = (value: unknown) =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const descriptor = (mediaType: string, text: string) => ({
  mediaType,
  digest: digestOf(text),
  size: text.length,
});
const layer = descriptor("application/vnd.oci.image.layer.v1.tar+zstd", "layer");
const image = {
  schemaVersion: 2,
  mediaType: OCI_MANIFEST,
  config: descriptor(OCI_CONFIG, "{}"),
  layers: [layer],
};
const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [descriptor(OCI_MANIFEST, "image")] };

Deno.test("parseManifest() reads OCI and Docker images, indexes and artifacts", () => {
  const parsed = parseManifest(
    encode({ ...image, unknown: { deep: [1] } }),
    `${OCI_MANIFEST}; charset=utf-8`,
  );
  assert.equal(parsed.kind, "image");
  assert.equal(parsed.layers[0]?.digest, layer.digest);
  assert.equal(parseManifest(encode(index), OCI_INDEX).children.length, 1);
  assert.equal(parseManifest(encode({ schemaVersion: 2, manifests: [] }), OCI_INDEX).children.length, 0);
  assert.equal(parseManifest(encode(image), null).mediaType, OCI_MANIFEST);
  const docker = { ...image, mediaType: DOCKER_MANIFEST, config: descriptor(DOCKER_CONFIG, "{}") };
  assert.equal(parseManifest(encode(docker), DOCKER_MANIFEST).config?.mediaType, DOCKER_CONFIG);
  const list = {
    ...index,
    mediaType: DOCKER_LIST,
    manifests: [{ ...descriptor(DOCKER_MANIFEST, "i"), platform: { os: "linux", architecture: "arm64" } }],
  };
  assert.deepEqual(parseManifest(encode(list), DOCKER_LIST).children[0]?.platform, {
    os: "linux",
    architecture: "arm64",
  });
  const artifact = parseManifest(
    encode({
      ...image,
      artifactType: "application/vnd.x+json",
      subject: descriptor(OCI_MANIFEST, "s"),
      annotations: { a: "b" },
    }),
    OCI_MANIFEST,
  );
  assert.equal(artifact.artifactType, "application/vnd.x+json");
  assert.equal(artifact.subject?.digest, digestOf("s"));
  assert.equal(artifact.annotations.a, "b");
});

Deno.test("parseManifest() knows layers whose bytes live elsewhere", () => {
  const foreign = [
    { ...layer, mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" },
    { ...layer, mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" },
    { ...layer, urls: ["https://example.com/l"] },
    layer,
  ];
  const { layers } = parseManifest(encode({ ...image, layers: foreign }), OCI_MANIFEST);
  assert.deepEqual(layers.map((one) => one.elsewhere), [true, true, true, false]);
});

Deno.test("parseManifest() takes the last of duplicate keys", () => {
  const text = JSON.stringify(index).replace("{", '{"schemaVersion":7,');
  assert.equal(parseManifest(encode(text), OCI_INDEX).kind, "index");
});

const deep = "[".repeat(100_000) + "]".repeat(100_000);
const BAD: readonly [what: string, body: unknown, contentType: string | null, code: ErrorCode][] = [
  ["no JSON", "hello", OCI_MANIFEST, "manifest_invalid"],
  ["empty", "", OCI_MANIFEST, "manifest_invalid"],
  ["truncated", JSON.stringify(image).slice(0, -1), OCI_MANIFEST, "manifest_invalid"],
  ["a list", "[]", OCI_MANIFEST, "manifest_invalid"],
  ["null", "null", OCI_MANIFEST, "manifest_invalid"],
  ["byte order mark", "\ufeff" + JSON.stringify(image), OCI_MANIFEST, "manifest_invalid"],
  ["deep nesting", `{"x":${deep}}`, OCI_MANIFEST, "manifest_invalid"],
  ["deep nesting of objects", '{"a":'.repeat(5000), OCI_MANIFEST, "manifest_invalid"],
  ["too large", " ".repeat(MANIFEST_MAX_BYTES + 1), OCI_MANIFEST, "manifest_too_large"],
  ["another type inside", image, OCI_INDEX, "manifest_invalid"],
  ["type inside is no string", { ...image, mediaType: 1 }, OCI_MANIFEST, "manifest_invalid"],
  ["no type at all", { ...image, mediaType: undefined }, null, "manifest_unsupported_media_type"],
  ["Docker without a type inside", { ...image, mediaType: undefined }, DOCKER_MANIFEST, "manifest_invalid"],
  ["unknown content type", image, "text/html", "manifest_unsupported_media_type"],
  ["plain JSON", image, "application/json", "manifest_unsupported_media_type"],
  [
    "schema 1",
    { schemaVersion: 1 },
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "manifest_unsupported_media_type",
  ],
  ["schema version 3", { ...image, schemaVersion: 3 }, OCI_MANIFEST, "manifest_invalid"],
  ["image with manifests", { ...image, manifests: [] }, OCI_MANIFEST, "manifest_invalid"],
  ["index with layers", { ...index, layers: [] }, OCI_INDEX, "manifest_invalid"],
  ["no config", { ...image, config: undefined }, OCI_MANIFEST, "manifest_invalid"],
  ["no layers", { ...image, layers: undefined }, OCI_MANIFEST, "manifest_invalid"],
  ["layers null", { ...image, layers: null }, OCI_MANIFEST, "manifest_invalid"],
  ["bad digest", { ...image, layers: [{ ...layer, digest: "sha256:zz" }] }, OCI_MANIFEST, "manifest_invalid"],
  ["negative size", { ...image, layers: [{ ...layer, size: -1 }] }, OCI_MANIFEST, "manifest_invalid"],
  ["fraction", { ...image, layers: [{ ...layer, size: 1.5 }] }, OCI_MANIFEST, "manifest_invalid"],
  ["size as text", { ...image, layers: [{ ...layer, size: "1" }] }, OCI_MANIFEST, "manifest_invalid"],
  ["huge size", { ...image, layers: [{ ...layer, size: 2 ** 60 }] }, OCI_MANIFEST, "manifest_invalid"],
  [
    "bad media type",
    { ...image, layers: [{ ...layer, mediaType: "a b/c" }] },
    OCI_MANIFEST,
    "manifest_invalid",
  ],
  [
    "media type without slash",
    { ...image, config: { ...layer, mediaType: "x" } },
    OCI_MANIFEST,
    "manifest_invalid",
  ],
  ["bad subject", { ...image, subject: {} }, OCI_MANIFEST, "manifest_invalid"],
  ["bad artifactType", { ...image, artifactType: "x" }, OCI_MANIFEST, "manifest_invalid"],
  ["annotation is no string", { ...image, annotations: { a: 1 } }, OCI_MANIFEST, "manifest_invalid"],
];

for (const [what, body, contentType, code] of BAD) {
  Deno.test(`parseManifest() refuses: ${what}`, () => {
    assert.throws(
      () => parseManifest(encode(body), contentType),
      (error) => error instanceof AppError && error.code === code,
    );
  });
}

Deno.test("parseManifest() refuses bytes that are not UTF-8", () => {
  const bytes = encode({ ...image, x: "?" });
  bytes[bytes.indexOf(0x3f)] = 0xff;
  assert.throws(
    () => parseManifest(bytes, OCI_MANIFEST),
    (error) => error instanceof AppError && error.code === "manifest_invalid",
  );
});
