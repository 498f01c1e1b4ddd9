import type { ParseArgsOptionsConfig } from "node:util";

/** Where this node keeps everything that it writes, and where it reads its configuration. Absolute paths. */
export interface Place {
  readonly dataDir: string;
  readonly configDir: string | undefined;
}

/** Flags that every command working on a node's data shares. */
export const PLACE_FLAGS = {
  data: { type: "string" },
  config: { type: "string" },
} as const satisfies ParseArgsOptionsConfig;

export const PLACE_HELP =
  `  --data DIR     what the appliance writes (default /var/lib/quaylet, or ./data when not root)
  --config DIR   holds config.yaml, ssl.cert, ssl.key, extra_ca_certs/ (default /etc/quaylet when it is there;
                 when not root ./config first, if it holds a config.yaml)`;

/** Fills in the defaults. A `--config` that is no folder is an error: silently running on defaults would be worse. */
export function resolvePlace(flags: { data?: string | undefined; config?: string | undefined }): Place {
  const dataDir = absolute(flags.data ?? (Deno.uid() === 0 ? "/var/lib/quaylet" : "./data"));
  if (flags.config !== undefined) {
    if (!isFolder(flags.config)) throw new RangeError(`--config ${flags.config}: there is no such folder`);
    return { dataDir, configDir: absolute(flags.config) };
  }
  // Where `quaylet init` writes for the same user.
  if (Deno.uid() !== 0 && isThere("./config/config.yaml")) {
    return { dataDir, configDir: absolute("./config") };
  }
  return { dataDir, configDir: isFolder("/etc/quaylet") ? "/etc/quaylet" : undefined };
}

function absolute(path: string): string {
  if (path.startsWith("/")) return path.replace(/(.)\/+$/, "$1");
  return `${Deno.cwd().replace(/\/$/, "")}/${path.replace(/^\.\//, "")}`;
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Where what can be made again is kept: `QUAYLET_CACHE`, /var/cache/quaylet for root, else in the user's cache folder. */
export function cacheDir(env: Readonly<Record<string, string | undefined>>): string {
  if (env.QUAYLET_CACHE) return absolute(env.QUAYLET_CACHE);
  if (Deno.uid() === 0) return "/var/cache/quaylet";
  return absolute(`${env.XDG_CACHE_HOME ?? `${env.HOME ?? "/tmp"}/.cache`}/quaylet`);
}
