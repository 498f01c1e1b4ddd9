import manifest from "../../deno.json" with { type: "json" };

export interface VersionInfo {
  readonly version: string;
  /** Commit that the binary was built from; `dev` when run from the sources. */
  readonly commit: string;
  /** How this program is packed: `source`, `self-extracting` or `compiled`. */
  readonly kind: string;
  readonly deno: string;
  readonly target: string;
}

/** Which Quaylet this is. `QUAYLET_BUILD` and `QUAYLET_KIND` are set by the launcher of the built binary. */
export function versionInfo(env: Readonly<Record<string, string | undefined>>): VersionInfo {
  return {
    version: manifest.version,
    commit: env.QUAYLET_BUILD ?? "dev",
    kind: env.QUAYLET_KIND ?? (Deno.build.standalone ? "compiled" : "source"),
    deno: Deno.version.deno,
    target: Deno.build.target,
  };
}
