/** Held for as long as the process lives; the kernel releases it even after `kill -9`. */
export interface DataLock {
  release(): void;
}

/** @throws {Error} naming the folder when another Quaylet holds it */
export async function lockDataDir(dataDir: string): Promise<DataLock> {
  const path = `${dataDir}/quaylet.lock`;
  const file = await Deno.open(path, { create: true, write: true, read: true, mode: 0o600 });
  if (!await file.tryLock(true)) {
    file.close();
    throw new Error(`${dataDir} is in use by another Quaylet: stop it, or choose another --data`);
  }
  await file.truncate(0);
  await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
  return { release: () => file.close() };
}

/** Whether a running Quaylet holds the folder. */
export async function isDataDirLocked(dataDir: string): Promise<boolean> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(`${dataDir}/quaylet.lock`, { read: true, write: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  const free = await file.tryLock(true);
  file.close();
  return !free;
}
