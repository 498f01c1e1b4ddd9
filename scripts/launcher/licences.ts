/** The licences that go into the binary: one file for each npm package that the program uses, one for each native part. */
import { join } from "node:path";
import { run } from "./run.ts";

interface PackageGraph {
  readonly modules: readonly { readonly npmPackage?: string }[];
  readonly npmPackages: Readonly<
    Record<string, { readonly localPath: string; readonly dependencies: readonly string[] }>
  >;
}

/** What the PostgreSQL package carries without a licence text of its own, by SPDX names. */
const POSTGRES_PARTS = {
  "PostgreSQL": "PostgreSQL",
  "ICU": "ICU",
  "liblzma": "LicenseRef-public-domain",
  "libxml2": "MIT",
  "libxslt": "MIT",
  "OpenSSL 1.1": "OpenSSL",
  "OSSP uuid": "MIT",
  "zlib": "Zlib",
};

/** Fills `to`. @param nativePackages folders of further npm packages that the binary carries */
export async function collectLicences(
  main: string,
  nativePackages: readonly string[],
  to: string,
): Promise<void> {
  await Deno.mkdir(to);
  await Deno.copyFile("LICENSE", join(to, "quaylet"));
  const parts = Object.entries(POSTGRES_PARTS).map(([part, licence]) => `${part}: ${licence}\n`);
  await Deno.writeTextFile(join(to, "postgresql"), parts.join(""));
  const graph: PackageGraph = JSON.parse(await run(Deno.execPath(), ["info", "--json", main]));
  for (const folder of [...usedPackages(graph), ...nativePackages]) {
    const { name, version, license } = JSON.parse(await Deno.readTextFile(join(folder, "package.json")));
    const texts = await licenceTexts(folder);
    const content = texts.length > 0 ? texts.join("\n\n") : `SPDX-License-Identifier: ${license}\n`;
    await Deno.writeTextFile(join(to, `${name.replace("/", "+")}@${version}`), content);
  }
}

/** Folders of the packages that the modules import, and of those that these depend on. */
function usedPackages({ modules, npmPackages }: PackageGraph): string[] {
  const used = new Set(modules.flatMap(({ npmPackage }) => npmPackage ?? []));
  // A set that grows while it is walked.
  for (const id of used) for (const dependency of npmPackages[id]!.dependencies) used.add(dependency);
  return [...used].map((id) => npmPackages[id]!.localPath);
}

async function licenceTexts(folder: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  const names = entries.filter(({ name, isFile }) =>
    isFile && /^(licen[cs]e|copying|copyright|notice)/i.test(name)
  )
    .map(({ name }) => name).sort();
  return await Promise.all(names.map((name) => Deno.readTextFile(join(folder, name))));
}
