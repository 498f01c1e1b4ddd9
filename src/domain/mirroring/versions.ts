/** Tags read as versions. Semantic Versioning 2.0, with an optional leading `v`. */
// @ts-types="@types/semver"
import semver from "semver";
import { AppError } from "../../lib/errors.ts";

const OPTIONS = { includePrerelease: false } as const;
/** The library's own bound for a version; a range has some more to say. */
const RANGE_MAX = 512;

/** @throws {AppError} `invalid_request` */
export function checkRange(range: string): void {
  if (range.length > RANGE_MAX || semver.validRange(range) === null) {
    throw new AppError(
      "invalid_request",
      'semver is a range of versions such as "^1.2", ">=2.0.0 <3" or "1.x || >=2.5"',
    );
  }
}

/** False for a tag that is no version, too. @throws {AppError} `invalid_request` */
export function satisfiesRange(tag: string, range: string): boolean {
  checkRange(range);
  const version = versionOf(tag);
  return version !== null && semver.satisfies(version, range, OPTIONS);
}

/** Ascending: tags that are no versions first, by natural order (`build9` before `build10`), then versions. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [versionOf(a), versionOf(b)];
  if (left !== null && right !== null) return semver.compare(left, right) || byText(a, b);
  if (left !== null) return 1;
  if (right !== null) return -1;
  return naturally(a, b);
}

function versionOf(tag: string): string | null {
  return /^v?\d/.test(tag) ? semver.valid(tag) : null;
}

/** Runs of digits count as numbers of any length. */
function naturally(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const [one, other] = [left[at]!, right[at]!];
    const [isNumber, isOtherNumber] = [/^\d/.test(one), /^\d/.test(other)];
    const order = isNumber && isOtherNumber ? byNumber(one, other) : byText(one, other);
    if (order !== 0) return order;
  }
  return left.length - right.length || byText(a, b);
}

function partsOf(text: string): string[] {
  return text.match(/\d+|\D+/g) ?? [];
}

function byNumber(a: string, b: string): number {
  const [left, right] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  return left.length - right.length || byText(left, right);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
