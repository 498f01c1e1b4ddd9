import assert from "node:assert/strict";
import { createFilesystemDriver } from "../../src/drivers/storage/filesystem.ts";
import { readAll, rejectsWith, storageDriverSuite } from "./driver_suite.ts";

async function temporaryRoot() {
  const root = await Deno.makeTempDir({ prefix: "quaylet-storage-" });
  return {
    root,
    driver: createFilesystemDriver({ root: `${root}/store` }),
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

storageDriverSuite("filesystem", temporaryRoot);

const openDescriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;
const KEY = `sha256/ab/ab${"0".repeat(62)}`;
async function* once(bytes: Uint8Array) {
  yield await Promise.resolve(bytes);
}

Deno.test("filesystem read(): every way to end a stream closes its file", async () => {
  await using subject = await temporaryRoot();
  await subject.driver.write(KEY, once(new Uint8Array(3 << 20)));
  const before = openDescriptors();
  await readAll(await subject.driver.read(KEY));
  await readAll(await subject.driver.read(KEY, 0, 0));
  await (await subject.driver.read(KEY)).cancel();
  const reader = (await subject.driver.read(KEY)).getReader();
  await reader.read();
  const pending = reader.read();
  await reader.cancel();
  await pending;
  // Shortened on the disk while it is read: an error, not a short success.
  const cut = await subject.driver.read(KEY);
  await Deno.truncate(`${subject.root}/store/${KEY}`, 1 << 20);
  await rejectsWith("storage_unavailable", () => readAll(cut));
  assert.equal(openDescriptors(), before);
});

Deno.test("filesystem write(): works again after someone removed the folders", async () => {
  await using subject = await temporaryRoot();
  await subject.driver.write(KEY, once(new Uint8Array(10)));
  await Deno.remove(`${subject.root}/store`, { recursive: true });
  await subject.driver.write(KEY, once(new Uint8Array(11)));
  assert.deepEqual(await subject.driver.stat(KEY), { sizeBytes: 11 });
});

Deno.test("filesystem capacity(): free and total bytes", async () => {
  await using subject = await temporaryRoot();
  const capacity = await subject.driver.capacity();
  assert.ok(capacity && capacity.freeBytes > 0 && capacity.totalBytes >= capacity.freeBytes);
});

async function mountSmallDisk(path: string, options: string): Promise<boolean> {
  const { success } = await new Deno.Command("mount", {
    args: ["-t", "tmpfs", "-o", options, "tmpfs", path],
    stderr: "null",
  }).output().catch(() => ({ success: false }));
  return success;
}

Deno.test("filesystem on a full disk: storage_full, and it recovers when space returns", async (t) => {
  const path = await Deno.makeTempDir({ prefix: "quaylet-full-" });
  const mounted = await mountSmallDisk(path, "size=2m");
  await t.step({
    name: mounted ? "2 MiB tmpfs" : "needs the right to mount a tmpfs (root)",
    ignore: !mounted,
    fn: async () => {
      const driver = createFilesystemDriver({ root: path });
      await driver.write(KEY, once(new Uint8Array(1 << 20)));
      const other = KEY.replaceAll("ab", "cd");
      await rejectsWith("storage_full", () => driver.write(other, once(new Uint8Array(3 << 20))));
      assert.equal(await driver.stat(other), undefined);
      const left: string[] = [];
      for await (const { key } of driver.list("")) left.push(key);
      assert.deepEqual(left, [KEY]);
      await driver.probe();
      await driver.remove(KEY);
      await driver.write(other, once(new Uint8Array(1 << 20)));
    },
  });
  if (mounted) {
    await new Deno.Command("mount", { args: ["-o", "remount,ro", path] }).output();
    await t.step("read-only remount: storage_unavailable", async () => {
      await rejectsWith("storage_unavailable", () => createFilesystemDriver({ root: path }).probe());
    });
    await new Deno.Command("umount", { args: [path] }).output();
  }
  await Deno.remove(path);
});
