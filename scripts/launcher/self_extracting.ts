/**
 * One executable: a shell script (`stub.sh`) followed by a gzipped tar of the deno binary, the bundled program, PostgreSQL
 * and the licences. The same sources and packages give the same bytes: sorted tar, fixed times, no names in the gzip head.
 */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { preparePostgresBinaries } from "../../src/drivers/database/embedded_binaries.ts";
import type { Target } from "./build.ts";
import { collectLicences } from "./licences.ts";
import { fetchNativePackages } from "./packages.ts";
import { run } from "./run.ts";

export interface BuildOptions {
  readonly target: Target;
  readonly out: string;
  /** The program's first file. */
  readonly main: string;
  readonly commit: string;
  readonly v8Flags: string;
}

/** Any fixed time will do. */
const EPOCH = 1_700_000_000;

export async function buildSelfExtracting(
  { target, out, main, commit, v8Flags }: BuildOptions,
): Promise<void> {
  const { denoPackage, postgresPackage } = await fetchNativePackages(target);
  const work = await Deno.makeTempDir({ prefix: "quaylet-build-" });
  try {
    const tree = join(work, "tree");
    await Deno.mkdir(join(tree, "bin"), { recursive: true });
    await Deno.copyFile(join(denoPackage, "deno"), join(tree, "bin/quaylet"));
    await preparePostgresBinaries(postgresPackage, join(tree, "postgres"));
    await bundle(main, tree);
    await readPartsLate(join(tree, "program"));
    await collectLicences(main, [denoPackage, postgresPackage], join(tree, "licences"));
    await packTree(tree, out, { commit, v8Flags });
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/**
 * The program in `tree/program/`, one file for each part that is loaded on its own, and `tree/quaylet.js` which starts it.
 * Minified it takes a third of the memory, in each thread; the source maps beside it keep the lines of the sources in
 * stack traces and are only read for those.
 */
export async function bundle(main: string, tree: string): Promise<void> {
  await refuseLost();
  const flags = ["--platform", "deno", "--code-splitting", "--minify", "--sourcemap=linked"];
  await run(Deno.execPath(), ["bundle", "--quiet", ...flags, "--outdir", join(tree, "program"), main]);
  const first = basename(main).replace(/\.ts$/, ".js");
  await Deno.writeTextFile(join(tree, "quaylet.js"), `import "./program/${first}";\n`);
}

/**
 * Deno reads every part that an `import("…")` names as soon as it starts, in each thread, and keeps it, whether it is ever
 * asked for or not: 60 MB of an idle registry. Where it cannot read the name, it waits.
 */
async function readPartsLate(program: string): Promise<void> {
  for await (const { name } of Deno.readDir(program)) {
    if (!name.endsWith(".js")) continue;
    const text = await Deno.readTextFile(join(program, name));
    await Deno.writeTextFile(
      join(program, name),
      text.replaceAll(/import\(("\.\/[\w.-]+\.js")\)/g, "import([$1][0])"),
    );
  }
}

/** Bundled, `import("package")` of a CommonJS package has a default and no names: what is asked of it is undefined. */
async function refuseNameless(file: string, text: string): Promise<void> {
  for (const [, name = ""] of text.matchAll(/\bimport\("((?!\.|node:)[^"]+)"\)/g)) {
    const { type } = JSON.parse(await Deno.readTextFile(`node_modules/${name}/package.json`));
    if (type === "module") continue;
    throw new Error(
      `src/${file}: import("${name}"): export what is needed from a module of its own, and import that`,
    );
  }
}

/** What the bundler loses. The minifier drops a `using` whose variable is read once, and with it the release: a descriptor lost at each call. */
async function refuseLost(): Promise<void> {
  for (const file of await listFiles("src")) {
    if (!file.endsWith(".ts") || file.endsWith("_test.ts")) continue;
    const text = await Deno.readTextFile(join("src", file));
    await refuseNameless(file, text);
    const found = /^\s*(await )?using \w+ =.*$/m.exec(text);
    if (found) {
      throw new Error(`src/${file}: ${found[0].trim()}: write try and finally, the bundler loses "using"`);
    }
  }
}

/** Packs `tree` (which has `bin/quaylet` and `quaylet.js`) behind the stub. Adds the lists that the stub checks. */
export async function packTree(
  tree: string,
  out: string,
  { commit, v8Flags = "" }: { commit: string; v8Flags?: string },
): Promise<void> {
  const files = await listFiles(tree);
  await run("chmod", ["-R", "u=rwX,go=rX", tree]);
  await run("chmod", ["755", "bin/quaylet"], { cwd: tree });
  await Deno.writeTextFile(join(tree, ".files"), files.map((file) => `${file}\n`).join(""));
  const sums = await run("sha256sum", ["--", ...files], { cwd: tree });
  await Deno.writeTextFile(join(tree, ".sums"), sums);
  await run("find", [".", "-exec", "touch", "-h", "-d", `@${EPOCH}`, "{}", "+"], { cwd: tree });
  const stats = await run("stat", ["-L", "-c", "%s %Y %a %n", ...files], { cwd: tree });
  const needKib = Number((await run("du", ["-sk", "--apparent-size", tree])).split("\t")[0]) + 16 * 1024;

  // Builds may run side by side.
  const payload = `${out}.${Deno.pid}.payload`;
  const tar = 'tar --sort=name --format=ustar --owner=0 --group=0 --numeric-owner -C "$1" -cf - .';
  // Level 9 takes twice the time of 6 for 0.4 % less.
  await run("sh", ["-ec", `${tar} | gzip -n -6 >"$2"`, "sh", tree, payload]);
  const values: Record<string, string> = {
    ID: sha256(sums).slice(0, 32),
    SUMS: sha256(sums),
    STATS: sha256(stats),
    NEED_KIB: `${needKib}`,
    EPOCH: `${EPOCH}`,
    V8_FLAGS: quote(v8Flags),
    BUILD: quote(commit),
  };
  const stub = (await Deno.readTextFile(new URL("stub.sh", import.meta.url)))
    .replace(/@(ID|SUMS|STATS|NEED_KIB|EPOCH|V8_FLAGS|BUILD)@/g, (_, name: string) => values[name]!);
  // Fixed width, so that the number does not change what it counts.
  const offset = new TextEncoder().encode(stub).length - "@OFFSET@".length + 8 + 1;
  const half = `${out}.${Deno.pid}.half`;
  await Deno.writeTextFile(half, stub.replace("@OFFSET@", `${offset}`.padEnd(8)));
  await run("sh", [
    "-ec",
    'cat "$1" >>"$2"; rm "$1"; chmod 755 "$2"; mv "$2" "$3"',
    "sh",
    payload,
    half,
    out,
  ]);
}

/** Paths of all files and links below `tree`, sorted by bytes. */
async function listFiles(tree: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (folder: string) => {
    for await (const entry of Deno.readDir(join(tree, folder))) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory) await visit(path);
      else found.push(path);
    }
  };
  await visit("");
  const odd = found.find((path) => !/^[\w./+@-]+$/.test(path));
  if (odd !== undefined) throw new Error(`the launcher cannot list a file named ${JSON.stringify(odd)}`);
  return found.sort();
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
