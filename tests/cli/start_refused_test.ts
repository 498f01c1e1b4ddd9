/** Starts that cannot work: each message names what is wrong and how to mend it, and nothing but words is printed. */
import assert from "node:assert/strict";
import { startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";
import { quaylet, withFolder } from "./quaylet.ts";

const LISTEN = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];

Deno.test("serve: a --data that cannot be made is told as such", async () => {
  for (const path of ["/proc/quaylet", "/dev/null"]) {
    const { code, stderr } = await quaylet(["serve", "--data", path, ...LISTEN]);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`${path}.*--data`), stderr);
    assert.doesNotMatch(stderr, /os error|mkdir/);
  }
});

Deno.test("serve: an unreachable DB_URI names the server, the key and what to look at, never the password", async () => {
  await withFolder(async (folder) => {
    const uri = "postgresql://quay:hidden-word@127.0.0.1:1/quay";
    await Deno.writeTextFile(`${folder}/config.yaml`, `SERVER_HOSTNAME: a.example.com\nDB_URI: ${uri}\n`);
    const args = ["--config", folder, "--data", `${folder}/data`];
    const { code, stdout, stderr } = await quaylet(["serve", ...args, ...LISTEN]);
    assert.equal(code, 1);
    assert.match(stderr, /127\.0\.0\.1:1.*DB_URI/);
    assert.doesNotMatch(stdout + stderr, /hidden-word/);
    const user = await quaylet(["user", "list", ...args]);
    assert.equal(user.code, 1);
    assert.match(user.stderr, /127\.0\.0\.1:1.*DB_URI/);
  });
});

Deno.test("serve: storage that cannot be written is logged at the start", async () => {
  const config = {
    SERVER_HOSTNAME: "a.example.com",
    DISTRIBUTED_STORAGE_CONFIG: { default: ["LocalStorage", { storage_path: "/proc/quaylet" }] },
    DISTRIBUTED_STORAGE_PREFERENCE: ["default"],
  };
  await using appliance = await startAppliance({ config });
  const record = await appliance.waitForLog((entry) =>
    entry.level === "error" && entry.location === "default"
  );
  assert.match(String(record.mend), /quaylet check/);
});

Deno.test("check: a key that is set twice is told, SERVER_HOSTNAME too", async () => {
  await withFolder(async (folder) => {
    const text = "SERVER_HOSTNAME: a.example.com\nSERVER_HOSTNAME: b.example.com\n";
    await Deno.writeTextFile(`${folder}/config.yaml`, text);
    const { stdout } = await quaylet(["check", "--config", folder, "--data", `${folder}/data`]);
    assert.match(stdout, /SERVER_HOSTNAME is set twice/);
  });
});

Deno.test("init: what it says to type starts a listener at the port that it says to use", async () => {
  const starts: [string[], RegExp][] = [
    [["--hostname", "a.example.com"], /serve [^\n]*\/data\n/],
    [["--hostname", "a.example.com:5000"], /serve [^\n]*\/data --http :5000\n/],
    [["--hostname", "a.example.com:443", "--with-ca"], /serve [^\n]*\/data --https :443\n/],
  ];
  for (const [flags, line] of starts) {
    await withFolder(async (folder) => {
      const place = ["--config", `${folder}/config`, "--data", `${folder}/data`];
      const { stdout } = await quaylet(["init", ...place, ...flags]);
      assert.match(stdout, line);
    });
  }
});

Deno.test("init: a --config that cannot be made is told as such", async () => {
  const { code, stderr } = await quaylet([
    "init",
    "--config",
    "/proc/quaylet",
    "--hostname",
    "a.example.com",
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /the folder \/proc\/quaylet cannot be made.*--config/);
});

Deno.test("serve --log text: what has no value is left away", async () => {
  await withFolder(async (folder) => {
    const { stdout } = await quaylet([
      ...["serve", "--data", "/proc/quaylet", "--log", "text", ...LISTEN],
    ], { cwd: folder });
    assert.match(stdout, /starting/);
    assert.doesNotMatch(stdout, /undefined/);
  });
});

test({
  name: "init, check and serve as an ordinary user agree on ./config",
  needs: ["root", "binary"],
  async fn() {
    await withFolder(async (folder) => {
      const nobody = 65534;
      await Deno.chown(folder, nobody, nobody);
      // The binary may lie where that user cannot reach it.
      const program = `${folder}/quaylet`;
      await Deno.copyFile(Deno.env.get("QUAYLET_BIN") as string, program);
      const options = {
        program,
        cwd: folder,
        uid: nobody,
        env: { HOME: folder, QUAYLET_CACHE: `${folder}/cache` },
      };
      const made = await quaylet(["init", "--hostname", "reg.example.com"], options);
      assert.equal(made.code, 0, made.stderr);
      const { stdout } = await quaylet(["check"], options);
      assert.match(stdout, new RegExp(`${folder}/config/config.yaml is in order`));
      assert.match(stdout, /Clients use reg\.example\.com:8080/);
      const elsewhere = { ...options, cwd: "/" };
      const refused = await quaylet(["user", "list"], elsewhere);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /the data folder \/data: .*--data/);
      await Deno.mkdir(`${folder}/others`, { mode: 0o755 });
      await Deno.writeTextFile(`${folder}/others/quaylet.lock`, "", { mode: 0o600 });
      const others = await quaylet(["user", "list", "--data", `${folder}/others`], elsewhere);
      assert.match(others.stderr, /belongs to another user/);
    });
  },
});
