import assert from "node:assert/strict";
import { test } from "../skip.ts";
import { smallBinary } from "./small_binary.ts";

async function names(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder), (entry) => entry.name)).sort();
}

Deno.test("launcher: unpacks once, then runs from the cache with what the program needs to know", async () => {
  await using binary = await smallBinary();
  const first = await binary.start();
  const tree = await binary.tree();
  assert.equal(first.stdout, `ran test ${tree}/postgres \n`, first.stderr);
  const before = await Deno.stat(`${tree}/quaylet.js`);
  assert.equal((await binary.start()).stdout, first.stdout);
  assert.equal((await Deno.stat(`${tree}/quaylet.js`)).ino, before.ino);
  const traced = await binary.start(["env", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"]);
  assert.match(traced.stdout, / true\n$/);
});

Deno.test("launcher: eight first starts at once all succeed and leave one tree", async () => {
  await using binary = await smallBinary({ extraMiB: 8 });
  const results = await Promise.all(Array.from({ length: 8 }, () => binary.start()));
  for (const { code, stderr } of results) assert.equal(code, 0, stderr);
  assert.equal((await names(binary.cache)).length, 1);
});

Deno.test("launcher: killed while unpacking, the next start cleans up and runs", async () => {
  await using binary = await smallBinary({ extraMiB: 64 });
  // A process group of its own, so that the whole pipeline dies at once.
  const child = new Deno.Command("setsid", {
    args: ["--wait", binary.path],
    env: { QUAYLET_CACHE: binary.cache },
    stdout: "null",
    stderr: "null",
  }).spawn();
  let half: string | undefined;
  while (half === undefined) {
    half = (await names(binary.cache).catch(() => [])).find((name) => name.startsWith(".new."));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const pid = Number(half.split(".")[3]);
  Deno.kill(-pid, "SIGKILL");
  await child.status;
  assert.deepEqual(await names(binary.cache), [half]);
  const { code, stderr } = await binary.start();
  assert.equal(code, 0, stderr);
  assert.deepEqual((await names(binary.cache)).map((name) => name.length), [32]);
});

for (
  const [what, harm] of [
    ["changed", (file: string) => Deno.writeTextFile(file, "9\n")],
    ["truncated", (file: string) => Deno.truncate(file)],
    ["removed", (file: string) => Deno.remove(file)],
    ["no longer executable", (file: string) => Deno.chmod(file.replace(/postgres.*/, "bin/quaylet"), 0o644)],
  ] as const
) {
  Deno.test(`launcher: a file that was ${what} is noticed and mended`, async () => {
    await using binary = await smallBinary();
    await binary.start();
    await harm(`${await binary.tree()}/postgres/file7`);
    const { code, stderr } = await binary.start();
    assert.equal(code, 0, stderr);
    assert.equal(await Deno.readTextFile(`${await binary.tree()}/postgres/file7`), "7\n");
    assert.equal((await names(binary.cache)).length, 1);
  });
}

Deno.test("launcher: a copied cache with other times is used as it is", async () => {
  await using binary = await smallBinary();
  await binary.start();
  const file = `${await binary.tree()}/postgres/file7`;
  await Deno.utime(file, 1, 1);
  const { ino } = await Deno.stat(file);
  assert.equal((await binary.start()).code, 0);
  assert.equal((await Deno.stat(file)).ino, ino);
});

Deno.test("launcher: a damaged executable is refused", async () => {
  await using binary = await smallBinary({ extraMiB: 1 });
  const bytes = await Deno.readFile(binary.path);
  bytes[bytes.length - 4000]! ^= 1;
  await Deno.writeFile(binary.path, bytes);
  const { code, stderr } = await binary.start();
  assert.equal(code, 1);
  assert.match(stderr, /^quaylet: /);
  assert.deepEqual(await names(binary.cache), []);
});

test({
  name: "launcher: a full disk is told with folder, need and way out, and leaves nothing behind",
  needs: ["root", "unshare", "mount"],
  async fn() {
    await using binary = await smallBinary({ extraMiB: 8 });
    const mounted = `${binary.dir}/small`;
    await Deno.mkdir(mounted);
    const { code, stderr } = await binary.start([
      "unshare",
      "--mount",
      "sh",
      "-c",
      `mount -t tmpfs -o size=4m none ${mounted} && "$0"; status=$?; ls -A ${mounted} >&2; exit $status`,
    ], mounted);
    assert.equal(code, 1);
    assert.match(stderr, /not enough space/);
    assert.match(stderr, /It takes \d+ MiB there \([0-4] MiB are free\)\. Set QUAYLET_CACHE/);
    assert.ok(stderr.includes(mounted));
    assert.doesNotMatch(stderr, /\.new\./);
  },
});

test({
  name: "launcher: a read-only cache is used when it is good, and told when it has to be written",
  needs: ["root", "unshare", "mount"],
  async fn() {
    await using binary = await smallBinary();
    await Deno.mkdir(binary.cache);
    const readOnly = (then: string) => [
      "unshare",
      "--mount",
      "sh",
      "-c",
      `mount --bind ${binary.cache} ${binary.cache} && mount -o remount,bind,ro ${binary.cache} && ${then}`,
    ];
    const empty = await binary.start(readOnly('"$0"'));
    assert.equal(empty.code, 1);
    assert.match(empty.stderr, /cannot unpack into .*Read-only file system\nIt takes .* Set QUAYLET_CACHE/);
    await binary.start();
    const good = await binary.start(readOnly('"$0"'));
    assert.equal(good.code, 0, good.stderr);
    assert.equal(good.stderr, "");
  },
});

test({
  name: "launcher: what root unpacks can be run by the database's unprivileged user",
  needs: ["root", "runuser"],
  async fn() {
    await using binary = await smallBinary();
    await Deno.chmod(binary.dir, 0o711);
    await binary.start();
    const args = ["-u", "nobody", "--", "cat", `${await binary.tree()}/postgres/file7`];
    const { stdout } = await new Deno.Command("runuser", { args }).output();
    assert.equal(new TextDecoder().decode(stdout), "7\n");
  },
});

Deno.test("launcher: the same contents give the same bytes", async () => {
  await using one = await smallBinary();
  await using two = await smallBinary();
  assert.deepEqual(await Deno.readFile(one.path), await Deno.readFile(two.path));
});
