import assert from "node:assert/strict";
import { parseRegistryPath, type RegistryRoute, splitUrl } from "./route.ts";

const PATHS: readonly [path: string, route: RegistryRoute | undefined][] = [
  ["/v2/", { kind: "base" }],
  ["/v2", { kind: "base" }],
  ["/v2/auth", { kind: "token" }],
  ["/v2/_catalog", { kind: "catalog" }],
  ["/v2/a/b/tags/list", { kind: "tags", name: "a/b" }],
  ["/v2/a/manifests/latest", { kind: "manifest", name: "a", reference: "latest" }],
  ["/v2/a/b/c/manifests/sha256:00", { kind: "manifest", name: "a/b/c", reference: "sha256:00" }],
  ["/v2/a/b/manifests/sha256%3A00", { kind: "manifest", name: "a/b", reference: "sha256:00" }],
  ["/v2/a/manifests/manifests/x", { kind: "manifest", name: "a/manifests", reference: "x" }],
  ["/v2/a/tags/tags/list", { kind: "tags", name: "a/tags" }],
  ["/v2/a/manifests/tags/list", { kind: "tags", name: "a/manifests" }],
  ["/v2/a/b/referrers/sha256:00", { kind: "referrers", name: "a/b", digest: "sha256:00" }],
  ["/v2/a/b/blobs/uploads/", { kind: "uploads", name: "a/b" }],
  ["/v2/a/b/blobs/uploads", { kind: "uploads", name: "a/b" }],
  ["/v2/a/b/blobs/uploads/6f-1", { kind: "upload", name: "a/b", uuid: "6f-1" }],
  ["/v2/a/b/blobs/sha256:00", { kind: "blob", name: "a/b", digest: "sha256:00" }],
  // Not resolved here: the name rules refuse it.
  ["/v2/a/../b/manifests/x", { kind: "manifest", name: "a/../b", reference: "x" }],
  ["/v2/a/tags/nothing", undefined],
  ["/v2/a/manifests/", undefined],
  ["/v2/manifests/x", undefined],
  ["/v2/blobs/uploads/x", undefined],
  ["/v2//manifests/x", undefined],
  ["/v2/a/b/uploads/x", undefined],
  ["/v2/a/blobs/", undefined],
  ["/v2/a%2Fb/manifests/x", undefined],
  ["/v2/a%2e%2e/manifests/x", undefined],
  ["/v2/a/manifests/x%00", undefined],
  ["/v2/a/manifests/x%0a", undefined],
  ["/v2/a/manifests/%zz", undefined],
  ["/v2/a/manifests/%ff", undefined],
  ["/v2/a/manifests/%2561", undefined],
  ["/v2/a/manifests/%c3%bc", undefined],
  ["/v2/a\\b/manifests/x", undefined],
  [`/v2/${"a/".repeat(2000)}manifests/x`, undefined],
  ["/api/v1/user", undefined],
];

Deno.test("parseRegistryPath() reads every path of the registry and refuses what could be read two ways", () => {
  for (const [path, route] of PATHS) assert.deepEqual(parseRegistryPath(path), route, path);
});

Deno.test("splitUrl() leaves dot segments and encodings alone", () => {
  assert.deepEqual(splitUrl("http://h:1/v2/a/../b/tags/list?n=1&last=x#f"), {
    path: "/v2/a/../b/tags/list",
    search: "?n=1&last=x",
  });
  assert.deepEqual(splitUrl("http://[::1]:80/v2/"), { path: "/v2/", search: "" });
  assert.deepEqual(splitUrl("http://h"), { path: "/", search: "" });
});
