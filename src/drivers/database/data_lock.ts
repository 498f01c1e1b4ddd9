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
