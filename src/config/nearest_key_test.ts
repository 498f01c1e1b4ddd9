import assert from "node:assert/strict";
import { editDistance, nearestKey } from "./nearest_key.ts";
import { CONFIG_SHAPE } from "./schema.ts";

const MEANT: [string, string | undefined][] = [
  ["FEATURE_REPO_MIROR", "FEATURE_REPO_MIRROR"],
  ["SERVER_HOST_NAME", "SERVER_HOSTNAME"],
  ["super_users", "SUPER_USERS"],
  ["SUPERUSERS", "SUPER_USERS"],
  ["DB-URI", "DB_URI"],
  ["PREFFERED_URL_SHEME", "PREFERRED_URL_SCHEME"],
  ["SOMETHING_ENTIRELY_DIFFERENT", undefined],
  ["X", undefined],
];
for (const [written, meant] of MEANT) {
  Deno.test(`nearestKey(${written}) is ${meant}`, () => {
    assert.equal(nearestKey(written, Object.keys(CONFIG_SHAPE)), meant);
  });
}

Deno.test("editDistance() counts insertions, deletions and replacements", () => {
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(editDistance("kitten", "sitting"), 3);
  assert.equal(editDistance("same", "same"), 0);
});
