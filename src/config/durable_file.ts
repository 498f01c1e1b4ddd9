import { randomUUID } from "node:crypto";

/**
 * Writes a whole file durably; `path` appears complete or not at all. Without `replace` an existing file stays.
 * @returns whether the file was written
 */
export async function writeWholeFile(
  path: string,
  text: string,
  options: { mode: number; replace?: boolean },
): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeDraft(draft, text, options.mode);
    if (options.replace === true) await Deno.rename(draft, path);
    else if (!await publish(draft, path)) return false;
    await syncFolder(path.slice(0, path.lastIndexOf("/")) || "/");
    return true;
  } finally {
    await Deno.remove(draft).catch(() => {});
  }
}

async function writeDraft(path: string, text: string, mode: number): Promise<void> {
  const file = await Deno.open(path, { write: true, createNew: true, mode: mode & 0o600 });
  try {
    const bytes = new TextEncoder().encode(text);
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
    await file.sync();
  } finally {
    file.close();
  }
  await Deno.chmod(path, mode);
}

/** A hard link appears whole and never replaces what somebody else has published meanwhile. */
async function publish(draft: string, path: string): Promise<boolean> {
  try {
    await Deno.link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
  }
  // Some file systems (exFAT, some network mounts) have no hard links.
  const there = await Deno.lstat(path).then(() => true, () => false);
  if (!there) await Deno.rename(draft, path);
  return !there;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await Deno.open(path, { read: true });
  try {
    await folder.sync();
  } finally {
    folder.close();
  }
}
