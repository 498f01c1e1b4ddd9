import assert from "node:assert/strict";
import { AppError } from "../lib/errors.ts";
import { digestOf } from "./digest.ts";
import { fallbackTag, isTagName, parseReference, parseRepositoryName } from "./reference.ts";

const RULES = { nested: true, libraryNamespace: "library" };

Deno.test("parseRepositoryName() splits namespace and name", () => {
  const cases: [string, string, string][] = [
    ["busybox", "library", "busybox"],
    ["org/app", "org", "app"],
    ["org/team/app", "org", "team/app"],
    ["my-org/app_1.2", "my-org", "app_1.2"],
  ];
  for (const [text, namespace, name] of cases) {
    assert.deepEqual(parseRepositoryName(text, RULES), { namespace, name });
  }
});

Deno.test("parseRepositoryName() refuses what is no name, and nested names where the site has none", () => {
  const bad = [
    "",
    "/",
    "a/b",
    "Org/app",
    "org/App",
    "org/../app",
    "org/..",
    "org/a..b",
    "org//app",
    "org/app/",
    "-org/a",
  ];
  for (const text of [...bad, "org/é", "org/a b", "org/a\0", `org/${"a".repeat(252)}`]) {
    assert.throws(
      () => parseRepositoryName(text, RULES),
      (error) => error instanceof AppError && error.code === "name_invalid",
      text,
    );
  }
  assert.throws(() => parseRepositoryName("org/a/b", { ...RULES, nested: false }), AppError);
  assert.throws(() => parseRepositoryName("busybox", { nested: true }), AppError);
});

Deno.test("parseReference() tells tags from digests", () => {
  const digest = digestOf("x");
  assert.deepEqual(parseReference(digest), { kind: "digest", digest });
  assert.deepEqual(parseReference("v1.0_x"), { kind: "tag", tag: "v1.0_x" });
  for (const text of ["sha256:baddigeststring", "md5:00", ":", digest.toUpperCase()]) {
    assert.throws(
      () => parseReference(text),
      (error) => error instanceof AppError && error.code === "digest_invalid",
    );
  }
  for (const text of ["-x", ".x", "a b", "a".repeat(129), "$temp-1", ""]) {
    assert.throws(
      () => parseReference(text),
      (error) => error instanceof AppError && error.code === "tag_invalid",
    );
  }
});

Deno.test("fallbackTag() is a tag for either algorithm", () => {
  assert.equal(fallbackTag(digestOf("x")), digestOf("x").replace(":", "-"));
  assert.ok(isTagName(fallbackTag(digestOf("x", "sha512"))));
});
