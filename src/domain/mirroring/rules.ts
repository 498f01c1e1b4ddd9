/** Which tags of the other registry a mirror takes. */
import { compileGlob } from "./glob.ts";
import { compareVersions, satisfiesRange } from "./versions.ts";

/**
 * As stored with the mirror. `globs` are Quay's `root_rule`; the others are ours, and absent ones change nothing.
 * A tag is taken when a glob matches it, no `exclude` does, it satisfies `semver`, and it is among the `newest`.
 */
export interface MirrorRules {
  /** POSIX fnmatch, case-sensitive; one match is enough. */
  readonly globs: readonly string[];
  /** Globs of tags that are never taken. */
  readonly exclude?: readonly string[];
  /** A range such as `^1.2 || >=3.0.0-rc.1`: only tags that are versions in it. */
  readonly semver?: string;
  /** The highest N by version; tags that are no versions come after those that are, by natural order. */
  readonly newest?: number;
  /** Of an index, `os/architecture[/variant]` of the images to take, or Quay's bare `architecture`; all when empty. */
  readonly platforms?: readonly string[];
  /**
   * What comes along with an image: `all` (default), `none`, or these artifact types; `.sig`, `.att` and `.sbom` stand for
   * cosign's tags.
   */
  readonly referrers?: "all" | "none" | readonly string[];
}

/**
 * The tags that the rules name, sorted and without repeats.
 * @param names as listed, in any order; what is no tag name is left out by the caller
 * @throws {AppError} `invalid_request` for a range that is none
 */
export function selectTags(names: Iterable<string>, rules: MirrorRules): string[] {
  const globs = rules.globs.map(compileGlob);
  const excluded = (rules.exclude ?? []).map(compileGlob);
  let chosen = [...new Set(names)].filter((name) =>
    globs.some((matches) => matches(name)) && !excluded.some((matches) => matches(name)) &&
    (rules.semver === undefined || satisfiesRange(name, rules.semver))
  );
  if (rules.newest !== undefined && chosen.length > rules.newest) {
    chosen = chosen.sort((a, b) => compareVersions(b, a)).slice(0, rules.newest);
  }
  return chosen.sort((a, b) => a < b ? -1 : a > b ? 1 : 0);
}

/** Whether a platform of an index is wanted. Attestations, which name no real platform, always are. */
export function wantsPlatform(
  rules: Pick<MirrorRules, "platforms">,
  platform: { readonly os: string; readonly architecture: string; readonly variant?: string } | undefined,
): boolean {
  const wanted = rules.platforms ?? [];
  if (wanted.length === 0 || platform === undefined) return true;
  const { os, architecture, variant } = platform;
  if (os === "unknown" && architecture === "unknown") return true;
  return wanted.some((text) => {
    const parts = text.split("/");
    if (parts.length === 1) return parts[0] === architecture;
    return parts[0] === os && parts[1] === architecture && (parts[2] === undefined || parts[2] === variant);
  });
}

/** Whether something that names a wanted image comes along. */
export function wantsReferrer(
  { referrers = "all" }: Pick<MirrorRules, "referrers">,
  { artifactType, mediaType }: { readonly artifactType?: string; readonly mediaType: string },
): boolean {
  if (typeof referrers === "string") return referrers === "all";
  return referrers.includes(artifactType ?? mediaType);
}
