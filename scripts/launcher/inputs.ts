import { createHash } from "node:crypto";

/** All that a build reads, besides the packages that the lock file names. */
const INPUTS = [
  "deno.json",
  "deno.lock",
  "LICENSE",
  "CHANGELOG.md",
  "main.ts",
  "src",
  "scripts/launcher",
  "scripts/patch_dependencies.ts",
  "web/dist",
];

/** Changes when a build of `settings` would give another binary. */
export async function hashInputs(settings: Readonly<Record<string, unknown>>): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(settings));
  const visit = async (path: string) => {
    const stat = await Deno.stat(path).catch(() => undefined);
    if (stat?.isDirectory) {
      const names = await Array.fromAsync(Deno.readDir(path), (entry) => entry.name);
      for (const name of names.sort()) await visit(`${path}/${name}`);
    } else if (stat !== undefined && !path.endsWith("_test.ts")) {
      hash.update(`${path}\0${stat.size}\0`).update(await Deno.readFile(path));
    }
  };
  for (const path of INPUTS) await visit(path);
  return hash.digest("hex");
}
