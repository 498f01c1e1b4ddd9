import { statfs } from "node:fs/promises";
import type { Config } from "../config/schema.ts";
import { createFilesystemDriver } from "../drivers/storage/filesystem.ts";
import type { Finding } from "./finding.ts";

/** Embedded PostgreSQL, write-ahead log and a first image need at least this. */
const LEAST_FREE_BYTES = 1024 ** 3;

/** Each LocalStorage location can be written to, and each disk in use has room. Leaves nothing behind. */
export async function checkFolders(
  dataDir: string,
  config: Pick<
    Config,
    "DISTRIBUTED_STORAGE_CONFIG" | "DISKSPACE_HEALTH_THRESHOLD" | "DISKSPACE_HEALTH_WARNING_THRESHOLD"
  >,
): Promise<Finding[]> {
  const locals = Object.entries(config.DISTRIBUTED_STORAGE_CONFIG).flatMap(([id, [engine, parameters]]) =>
    engine === "LocalStorage" ? [{ id, path: String(parameters.storage_path) }] : []
  );
  const storage = await Promise.all(locals.map(({ id, path }) => checkStorage(id, path)));
  const folders = [dataDir, ...locals.map(({ path }) => path)];
  return [...storage, ...await checkDisks(folders, config)];
}

async function checkStorage(id: string, path: string): Promise<Finding> {
  const subject = "storage";
  const key = `DISTRIBUTED_STORAGE_CONFIG.${id}`;
  const mend = `Make ${path} a folder that the user who runs Quaylet can write to.`;
  const there = await nearestFolder(path);
  if (there === undefined) {
    return { subject, level: "problem", key, message: `${path} is below something that is no folder.`, mend };
  }
  if (there !== path) {
    // Making it here could leave it to the wrong user.
    if (isWritable(there)) {
      return { subject, level: "ok", key, message: `${path} is not there yet; the first start makes it.` };
    }
    return {
      subject,
      level: "problem",
      key,
      message: `${path} is not there, and ${there} cannot be written to.`,
      mend,
    };
  }
  try {
    await createFilesystemDriver({ root: path }).probe();
    return { subject, level: "ok", key, message: `${path} can be written to, read and tidied.` };
  } catch (error) {
    const reason = error instanceof Error
      ? (error.cause instanceof Error ? error.cause.message : error.message)
      : error;
    return { subject, level: "problem", key, message: `${path} does not work: ${reason}`, mend };
  }
}

async function checkDisks(
  folders: string[],
  config: Pick<Config, "DISKSPACE_HEALTH_THRESHOLD" | "DISKSPACE_HEALTH_WARNING_THRESHOLD">,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const seen = new Set<number>();
  for (const folder of folders) {
    const there = await nearestFolder(folder);
    if (there === undefined) continue;
    const device = (await Deno.stat(there)).dev;
    if (seen.has(device)) continue;
    seen.add(device);
    const { bavail, blocks, bsize } = await statfs(there);
    const free = Number(bavail) * Number(bsize);
    const share = blocks === 0 ? 1 : Number(bavail) / Number(blocks);
    const message = `${folder}: ${(free / 1024 ** 3).toFixed(1)} GiB free (${(share * 100).toFixed(1)} %).`;
    const mend = "Free some space, or move the data to a larger disk.";
    const base = { subject: "disk", key: folder, message } as const;
    if (share < config.DISKSPACE_HEALTH_THRESHOLD) findings.push({ ...base, level: "problem", mend });
    else if (share < config.DISKSPACE_HEALTH_WARNING_THRESHOLD || free < LEAST_FREE_BYTES) {
      findings.push({ ...base, level: "warning", mend });
    } else findings.push({ ...base, level: "ok" });
  }
  return findings;
}

/** `path`, or the closest folder above it that exists. `undefined` when something else is in the way. */
export async function nearestFolder(path: string): Promise<string | undefined> {
  for (let folder = path;;) {
    try {
      return (await Deno.stat(folder)).isDirectory ? folder : undefined;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || folder === "/") return undefined;
    }
    folder = folder.slice(0, folder.lastIndexOf("/")) || "/";
  }
}

/** Makes and removes a file with a name of its own. */
export function isWritable(folder: string): boolean {
  try {
    Deno.removeSync(Deno.makeTempFileSync({ dir: folder, prefix: ".quaylet-check-" }));
    return true;
  } catch {
    return false;
  }
}
