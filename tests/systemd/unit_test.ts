/** What systemd's own tools say of the unit, without starting it, and what install and uninstall put where. */
import assert from "node:assert/strict";
import { test } from "../skip.ts";

const PROJECT = new URL("../..", import.meta.url).pathname;

async function run(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, cwd: PROJECT }).output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.ok(success, `${program} ${args.join(" ")}\n${out}${error}`);
  return out!;
}

async function filesBelow(folder: string): Promise<string[]> {
  return (await run("find", folder, "-type", "f", "-printf", "%P\n")).split("\n").filter(Boolean).sort();
}

for (const unit of ["quaylet.service", "quaylet-repomirror@.service"]) {
  test({
    name: `${unit}: systemd-analyze security finds an exposure of 2.5 or less`,
    needs: ["systemd-analyze"],
    async fn() {
      const path = `systemd/${unit}`;
      await run("systemd-analyze", "security", "--offline=yes", "--threshold=25", "--no-pager", path);
    },
  });
}

Deno.test("scripts/install --root, twice, then scripts/uninstall: data stay unless --purge", async () => {
  const root = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${root}/program`, "#!/bin/sh\n", { mode: 0o755 });
    for (let i = 0; i < 2; i++) {
      await run("scripts/install", "--root", root, "--prefix", "/opt/q", "--binary", `${root}/program`);
    }
    const [binary, unit] = ["opt/q/bin/quaylet", "etc/systemd/system/quaylet.service"];
    const lists = ["usr/lib/sysusers.d/quaylet.conf", "usr/lib/tmpfiles.d/quaylet.conf"];
    assert.deepEqual(await filesBelow(root), [unit, binary, "program", ...lists].sort());
    assert.match(await Deno.readTextFile(`${root}/${unit}`), /^ExecStart=\/opt\/q\/bin\/quaylet serve /m);
    await Deno.mkdir(`${root}/var/lib/quaylet`, { recursive: true });
    await Deno.writeTextFile(`${root}/var/lib/quaylet/blob`, "kept");
    await run("scripts/uninstall", "--root", root, "--prefix", "/opt/q");
    assert.deepEqual(await filesBelow(root), ["program", "var/lib/quaylet/blob"]);
    await run("scripts/uninstall", "--root", root, "--prefix", "/opt/q", "--purge");
    assert.deepEqual(await filesBelow(root), ["program"]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
