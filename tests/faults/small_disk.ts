/** A small disk of its own at `path`, for as long as `work` takes. */
export async function withDisk(path: string, megabytes: number, work: () => Promise<void>): Promise<void> {
  await Deno.mkdir(path, { recursive: true });
  await run("mount", "-t", "tmpfs", "-o", `size=${megabytes}m,mode=755`, "tmpfs", path);
  try {
    await work();
  } finally {
    await run("umount", path);
  }
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Takes all the space that is left, and gives it back when asked. */
export async function fillDisk(path: string, leaveBytes: number): Promise<{ free(): Promise<void> }> {
  const file = `${path}/ballast`;
  await run("sh", "-c", `cat /dev/zero > '${file}' 2>/dev/null || true`);
  const size = (await Deno.stat(file)).size;
  await Deno.truncate(file, Math.max(0, size - leaveBytes));
  return { free: () => Deno.remove(file) };
}
