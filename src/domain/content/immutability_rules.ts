/** What an immutability policy says, as Quay stores it, and what it means for a tag's name. */
import { AppError } from "../../lib/errors.ts";

export interface ImmutabilityPolicy {
  /** A regular expression (RE2) that fits the beginning of the tag; the whole of it with `$` at the end. */
  readonly tagPattern: string;
  /** False: the tags that the pattern does not fit. */
  readonly tagPatternMatches: boolean;
}

const PATTERN_MAX = 256;

/** @returns whether a tag of that name becomes immutable @throws {AppError} `invalid_request`: no regular expression */
export async function compilePolicy(
  { tagPattern, tagPatternMatches }: ImmutabilityPolicy,
): Promise<(tag: string) => boolean> {
  if (tagPattern === "" || tagPattern.length > PATTERN_MAX) {
    throw new AppError("invalid_request", `tagPattern must be a text of 1 to ${PATTERN_MAX} characters`);
  }
  // Sites without policies do not carry the engine in their memory.
  const { RE2JS } = await import("re2js");
  try {
    const compiled = RE2JS.compile(tagPattern);
    return (tag) => compiled.matcher(tag).lookingAt() === tagPatternMatches;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "it cannot be read";
    throw new AppError("invalid_request", `tagPattern is no regular expression: ${why}`, {}, { cause });
  }
}

/** The column `policy`. */
export function writePolicy({ tagPattern, tagPatternMatches }: ImmutabilityPolicy): string {
  return JSON.stringify({ tag_pattern: tagPattern, tag_pattern_matches: tagPatternMatches });
}

export function readPolicy(json: string): ImmutabilityPolicy {
  const { tag_pattern, tag_pattern_matches } = JSON.parse(json);
  return { tagPattern: String(tag_pattern), tagPatternMatches: tag_pattern_matches !== false };
}
