import assert from "node:assert/strict";
import { defaultConfig } from "../../config/schema.ts";
import { parseRegistryScopes } from "./registry_scopes.ts";

const config = defaultConfig({ SERVER_HOSTNAME: "quay.example:8443" });

/** What is understood, as `ns/name=action,…`. */
function read(parameters: string[], overrides = {}): string[] {
  return parseRegistryScopes({ config: { ...config, ...overrides } }, parameters)
    .map(({ namespace, name, actions }) => `${namespace}/${name}=${[...actions].join(",")}`);
}

const GOOD: [string, string[], string[]][] = [
  ["podman pull", ["repository:devs/app:pull"], ["devs/app=pull"]],
  ["podman push", ["repository:devs/app:pull,push"], ["devs/app=pull,push"]],
  ["docker push with a mount", ["repository:devs/app:pull,push", "repository:devs/base:pull"], [
    "devs/app=pull,push",
    "devs/base=pull",
  ]],
  ["several in one parameter", ["repository:devs/a:pull repository:devs/b:push"], [
    "devs/a=pull",
    "devs/b=push",
  ]],
  ["one name twice", ["repository:devs/a:pull", "repository:devs/a:push"], ["devs/a=pull,push"]],
  ["delete needs push", ["repository:devs/a:delete"], ["devs/a=push"]],
  ["skopeo delete", ["repository:devs/a:*"], ["devs/a=*"]],
  ["delete in a list", ["repository:devs/a:pull,delete"], ["devs/a=pull,push"]],
  ["nested", ["repository:devs/a/b/c:pull"], ["devs/a/b/c=pull"]],
  ["host", ["repository:quay.example:8443/devs/a:pull"], ["devs/a=pull"]],
  ["library", ["repository:alpine:pull"], ["library/alpine=pull"]],
  ["plugin class", ["repository(plugin):devs/a:pull"], ["devs/a=pull"]],
  ["catalog", ["registry:catalog:*"], []],
  ["no action", ["repository:devs/a:"], ["devs/a="]],
  ["empty", [""], []],
];

for (const [what, parameters, expected] of GOOD) {
  Deno.test(`parseRegistryScopes(): ${what}`, () => assert.deepEqual(read(parameters), expected));
}

const BAD: [string, string, string][] = [
  ["no type", "devs/a:pull", "invalid_request"],
  ["no actions", "repository:devs/a", "invalid_request"],
  ["unknown type", "volume:devs/a:pull", "invalid_request"],
  ["unknown action", "repository:devs/a:admin", "invalid_request"],
  ["an action that every object has", "repository:devs/a:constructor", "invalid_request"],
  ["upper case", "repository:Devs/a:pull", "name_invalid"],
  ["foreign host", "repository:other.example:5000/devs/a:pull", "name_invalid"],
  ["dots", "repository:devs/../etc:pull", "name_invalid"],
  ["NUL", "repository:devs/a\0b:pull", "name_invalid"],
  ["percent", "repository:devs/a%2fb:pull", "name_invalid"],
  ["long", `repository:devs/${"a".repeat(300)}:pull`, "name_invalid"],
];

for (const [what, parameter, code] of BAD) {
  Deno.test(`parseRegistryScopes(): ${what} is ${code}`, () => {
    assert.throws(() => read([parameter]), { code });
  });
}

Deno.test("parseRegistryScopes(): the site's rules for names", () => {
  assert.throws(() => read(["repository:devs/a/b:pull"], { FEATURE_EXTENDED_REPOSITORY_NAMES: false }), {
    code: "name_invalid",
  });
  assert.throws(() => read(["repository:alpine:pull"], { FEATURE_LIBRARY_SUPPORT: false }), {
    code: "name_invalid",
  });
  assert.throws(() => read(Array.from({ length: 101 }, (_, i) => `repository:devs/a${i}:pull`)), {
    code: "invalid_request",
  });
});
