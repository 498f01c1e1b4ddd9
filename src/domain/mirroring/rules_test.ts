import assert from "node:assert/strict";
import { AppError } from "../../lib/errors.ts";
import { selectTags, wantsPlatform } from "./rules.ts";

/** The tags and the patterns of Quay's manual ("Mirroring tag patterns"), and what each is said to match. */
const MANUAL_TAGS = ["v32", "v3.1", "v3.2", "v3.2-4beta", "v3.3"];
const MANUAL: readonly [pattern: string, tags: readonly string[]][] = [
  ["v3*", ["v3.1", "v3.2", "v3.2-4beta", "v3.3", "v32"]],
  ["v3.*", ["v3.1", "v3.2", "v3.2-4beta", "v3.3"]],
  ["v3.?", ["v3.1", "v3.2", "v3.3"]],
  ["v3.[12]", ["v3.1", "v3.2"]],
  ["v3.[12]*", ["v3.1", "v3.2", "v3.2-4beta"]],
  ["v3.[!1]*", ["v3.2", "v3.2-4beta", "v3.3"]],
];
for (const [pattern, tags] of MANUAL) {
  Deno.test(`selectTags() ${pattern}: what Quay's manual says`, () => {
    assert.deepEqual(selectTags(MANUAL_TAGS, { globs: [pattern] }), tags);
  });
}

const GLOBS: readonly [pattern: string, matching: readonly string[], not: readonly string[]][] = [
  ["*", ["a", ".hidden", "a/b"], []],
  ["", [], ["a"]],
  ["V1", [], ["v1"]],
  ["{a,b}", ["{a,b}"], ["a"]],
  ["!(a)", ["!(a)"], ["b"]],
  ["**", ["a"], []],
  ["[", ["["], ["a"]],
  ["[a", ["[a"], ["a"]],
  ["[]a]", ["]", "a"], ["b"]],
  ["[!]a]", ["b"], ["]", "a"]],
  ["[^a]", ["^", "a"], ["b"]],
  ["[a-c-]x", ["bx", "-x"], ["dx"]],
  ["[-a]", ["-", "a"], ["b"]],
  ["\\*", ["\\a"], ["*"]],
  ["a*b*c", ["abc", "axxbyyc"], ["acb", "ab"]],
  ["*a*a*a*a*a*a*a*a*b", [], ["a".repeat(128)]],
  ["1.?", ["1.2"], ["1.", "1.10"]],
];
for (const [pattern, matching, not] of GLOBS) {
  Deno.test(`selectTags() ${pattern || "(empty)"}: as POSIX fnmatch`, () => {
    assert.deepEqual(selectTags([...matching, ...not], { globs: [pattern] }), [...matching].sort());
  });
}

Deno.test("selectTags() joins the patterns, sorts, and takes each tag once", () => {
  assert.deepEqual(selectTags(["b", "a", "b", "c"], { globs: ["b", "[ab]"] }), ["a", "b"]);
});

Deno.test("selectTags() exclude wins over globs", () => {
  assert.deepEqual(selectTags(["1", "1-rc", "2"], { globs: ["*"], exclude: ["*-rc"] }), ["1", "2"]);
});

Deno.test("selectTags() semver takes versions of the range, and nothing that is no version", () => {
  const tags = ["v1.2.3", "1.3.0", "1.3.1-rc.1", "2.0.0", "latest", "1.2", "01.2.3"];
  assert.deepEqual(selectTags(tags, { globs: ["*"], semver: "^1.2" }), ["1.3.0", "v1.2.3"]);
  assert.deepEqual(selectTags(tags, { globs: ["*"], semver: ">=1.3.1-rc.0 <2" }), ["1.3.1-rc.1"]);
  assert.throws(
    () => selectTags(["1.0.0"], { globs: ["*"], semver: "not a range" }),
    (error) => error instanceof AppError && error.code === "invalid_request",
  );
});

Deno.test("selectTags() newest counts by version, then by natural order", () => {
  const tags = ["1.9.0", "1.10.0", "v1.2.0", "build-9", "build-10", "1.10.0-rc.1"];
  assert.deepEqual(selectTags(tags, { globs: ["*"], newest: 2 }), ["1.10.0", "1.10.0-rc.1"]);
  assert.deepEqual(selectTags(tags, { globs: ["build*"], newest: 1 }), ["build-10"]);
  assert.deepEqual(selectTags(tags, { globs: ["*"], newest: 10 }).length, 6);
});

Deno.test("wantsPlatform() by os/architecture[/variant], by Quay's bare architecture, and always for attestations", () => {
  const arm = { os: "linux", architecture: "arm", variant: "v7" };
  assert.equal(wantsPlatform({}, arm), true);
  assert.equal(wantsPlatform({ platforms: ["linux/arm"] }, arm), true);
  assert.equal(wantsPlatform({ platforms: ["linux/arm/v6"] }, arm), false);
  assert.equal(wantsPlatform({ platforms: ["arm"] }, arm), true);
  assert.equal(wantsPlatform({ platforms: ["amd64"] }, arm), false);
  assert.equal(wantsPlatform({ platforms: ["amd64"] }, { os: "unknown", architecture: "unknown" }), true);
});
