import { randomBytes, randomUUID } from "node:crypto";
import { z } from "zod";

const secretsSchema = z.object({ SECRET_KEY: z.string().min(16), DATABASE_SECRET_KEY: z.string().min(16) });
export type Secrets = z.infer<typeof secretsSchema>;

/** New random keys, in the spelling that `quaylet init` writes too. */
export function newSecrets(): Secrets {
  return {
    SECRET_KEY: randomBytes(32).toString("hex"),
    DATABASE_SECRET_KEY: randomBytes(32).toString("hex"),
  };
}

/**
 * The keys of an appliance whose config.yaml names none: `<data>/secrets.json`, mode 0600, made once. Several
 * starts at once agree on one file. A damaged file is never replaced: what it encrypted would be lost.
 * @throws {Error} with words for the operator
 */
export async function keepSecrets(dataDir: string): Promise<Secrets> {
  const path = `${dataDir}/secrets.json`;
  const kept = await readSecrets(path);
  if (kept !== undefined) return kept;
  await Deno.mkdir(dataDir, { recursive: true });
  const secrets = newSecrets();
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeDurably(draft, JSON.stringify(secrets, null, 2) + "\n");
    await publish(draft, path);
  } finally {
    await Deno.remove(draft).catch(() => {});
  }
  return await readSecrets(path) ?? secrets;
}

/** `undefined` when there is none yet. @throws {Error} with words for the operator */
export async function readSecrets(path: string): Promise<Secrets | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  try {
    return secretsSchema.parse(JSON.parse(text));
  } catch {
    throw new Error(
      `${path} is damaged; put it back from a backup (what it encrypted cannot be read with new keys)`,
    );
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  try {
    const bytes = new TextEncoder().encode(text);
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
    await file.syncData();
  } finally {
    file.close();
  }
}

/** A hard link appears whole and never replaces what another start has published meanwhile. */
async function publish(draft: string, path: string): Promise<void> {
  try {
    await Deno.link(draft, path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    // Some file systems (exFAT, some network mounts) have no hard links.
    await Deno.rename(draft, path);
  }
  const folder = await Deno.open(path.slice(0, path.lastIndexOf("/")) || "/", { read: true });
  try {
    await folder.sync();
  } finally {
    folder.close();
  }
}
