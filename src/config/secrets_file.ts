import { randomBytes } from "node:crypto";
import * as z from "zod";
import { writeWholeFile } from "./durable_file.ts";

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
  await writeWholeFile(path, JSON.stringify(secrets, null, 2) + "\n", { mode: 0o600 });
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
