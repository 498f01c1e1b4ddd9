import assert from "node:assert/strict";
import { loadConfig } from "../../src/config/load.ts";
import { configReference } from "../../src/config/reference.ts";
import { CONFIG_SHAPE, configSchema } from "../../src/config/schema.ts";

const EXAMPLES = new URL("../../config/", import.meta.url);

async function loadText(text: string, files: string[] = []) {
  const root = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${root}/config.yaml`, text);
    for (const name of files) await Deno.writeTextFile(`${root}/${name}`, "PEM");
    return await loadConfig({ configDir: root, dataDir: `${root}/data`, env: {} });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

for (const { name } of Deno.readDirSync(EXAMPLES)) {
  Deno.test(`config/${name}: loads without a problem, a mistyped key or advice`, async () => {
    const text = await Deno.readTextFile(new URL(name, EXAMPLES));
    const { problems, notices } = await loadText(text, name === "tls.yaml" ? ["ssl.cert", "ssl.key"] : []);
    assert.deepEqual(problems, []);
    // Nothing is set in it, so Quay's default of asking for mail addresses applies.
    const expected = name === "full.yaml" ? ["FEATURE_MAILING"] : [];
    const mistakes = notices.filter(({ kind }) => kind === "unknown" || kind === "advice");
    assert.deepEqual(mistakes.map(({ key }) => key), expected);
  });
}

Deno.test("config/full.yaml: every key is there, and means its default once it is uncommented", async () => {
  const text = configReference().replace(/^#(?! \S)/gm, "")
    .replace(
      /^DISTRIBUTED_STORAGE_CONFIG: .*$/m,
      "DISTRIBUTED_STORAGE_CONFIG: {default: [LocalStorage, {}]}",
    );
  const { config, problems, notices } = await loadText(
    text.replace("FEATURE_MAILING: true", "FEATURE_MAILING: false"),
  );
  assert.deepEqual(problems, []);
  const defaults: Record<string, unknown> = configSchema.parse({});
  for (const key of Object.keys(CONFIG_SHAPE)) {
    assert.match(text, new RegExp(`^${key}:`, "m"), key);
    if (/^(DISTRIBUTED_STORAGE_|SECRET_KEY|DATABASE_SECRET_KEY|FEATURE_MAILING)/.test(key)) continue;
    assert.deepEqual((config as Record<string, unknown>)[key], defaults[key], key);
  }
  assert.deepEqual(notices.filter(({ kind }) => kind === "unknown"), []);
});

Deno.test("config/full.yaml: is what the schema says", async () => {
  assert.equal(await Deno.readTextFile(new URL("full.yaml", EXAMPLES)), configReference());
});
