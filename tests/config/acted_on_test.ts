import assert from "node:assert/strict";
import { ACTED_ON, NOT_NEEDED } from "../../src/config/acted_on.ts";
import { CONFIG_SHAPE } from "../../src/config/schema.ts";

/** Looked at, but far from doing what Quay does with them. */
const BARELY = new Set([
  "FEATURE_BILLING",
  "FEATURE_SECURITY_SCANNER",
  "FEATURE_PROXY_CACHE",
  "FEATURE_TEAM_SYNCING",
  "LDAP_BASE_DN",
  "FEATURE_NONSUPERUSER_TEAM_SYNCING_SETUP",
  "LDAP_BASE_DN",
]);

/** The program without its configuration room, where every key is mentioned. */
async function programText(): Promise<string> {
  const texts: string[] = [];
  const walk = async (folder: URL) => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (isDirectory && name !== "config") await walk(new URL(`${name}/`, folder));
      else if (name.endsWith(".ts") && !/_test\.ts$/.test(name)) {
        texts.push(await Deno.readTextFile(new URL(name, folder)));
      }
    }
  };
  await walk(new URL("../../src/", import.meta.url));
  return texts.join("\n");
}

Deno.test("acted_on.ts: every key in ACTED_ON is read somewhere", async () => {
  const text = await programText();
  const idle = [...ACTED_ON].filter((key) => !new RegExp(`\\b${key}\\b`).test(text));
  assert.deepEqual(idle, [], "no code outside src/config reads them");
});

Deno.test("acted_on.ts: every key that the program reads is in ACTED_ON", async () => {
  const read = new Set(
    Array.from((await programText()).matchAll(/\bconfig\.([A-Z][A-Z0-9_]+)\b/g), ([, key]) => key ?? ""),
  );
  const missing = [...read].filter((key) =>
    Object.hasOwn(CONFIG_SHAPE, key) && !ACTED_ON.has(key) && !BARELY.has(key)
  );
  assert.deepEqual(
    missing,
    [],
    "add them to ACTED_ON in src/config/acted_on.ts, then run scripts/gen_config_docs.ts",
  );
});

Deno.test("acted_on.ts: no key is both acted on and not needed, and all are Quay's", () => {
  for (const key of Object.keys(NOT_NEEDED)) assert.ok(!ACTED_ON.has(key), key);
  for (const key of [...ACTED_ON, ...Object.keys(NOT_NEEDED)]) {
    assert.ok(Object.hasOwn(CONFIG_SHAPE, key), key);
  }
});
