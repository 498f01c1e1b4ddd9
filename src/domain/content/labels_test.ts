import assert from "node:assert/strict";
import { digestOf } from "../../oci/digest.ts";
import { type Manifest, parseManifest } from "../../oci/manifest.ts";
import { OCI_CONFIG, OCI_MANIFEST } from "../../oci/media_types.ts";
import { expiresAfterMs, labelsOf } from "./labels.ts";

Deno.test("expiresAfterMs() reads Quay's spelling and ignores the rest", () => {
  const hour = 3_600_000;
  const cases: [string | undefined, number | undefined][] = [
    ["30s", 30_000],
    ["5m", 300_000],
    ["2h", 2 * hour],
    ["1d", 24 * hour],
    ["2w", 14 * 24 * hour],
    ["1y", 365 * 24 * hour],
    [" 1H ", hour],
    ["0s", undefined],
    ["-1h", undefined],
    ["1.5h", undefined],
    ["never", undefined],
    ["1", undefined],
    [undefined, undefined],
  ];
  for (const [text, ms] of cases) assert.equal(expiresAfterMs(text), ms, `${text}`);
});

Deno.test("labelsOf() joins the configuration's labels and the annotations, without what a row cannot hold", () => {
  const json = {
    schemaVersion: 2,
    config: { mediaType: OCI_CONFIG, digest: digestOf("c"), size: 1 },
    layers: [],
    annotations: { a: "annotation", nul: "x\0", __proto__x: "y" },
  };
  const manifest: Manifest = parseManifest(new TextEncoder().encode(JSON.stringify(json)), OCI_MANIFEST);
  const config = {
    config: {
      Labels: { a: "label", b: '{"x":1}', "": "no key", c: 3, d: "[not json", long: "x".repeat(70_000) },
    },
  };
  assert.deepEqual(labelsOf(manifest, config), [
    { key: "a", value: "annotation", mediaType: "text/plain" },
    { key: "b", value: '{"x":1}', mediaType: "application/json" },
    { key: "d", value: "[not json", mediaType: "text/plain" },
    { key: "__proto__x", value: "y", mediaType: "text/plain" },
  ]);
  for (const odd of [undefined, null, 1, [], { config: null }, { config: { Labels: "x" } }]) {
    assert.equal(labelsOf(manifest, odd).length, 2);
  }
});
