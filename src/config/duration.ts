const UNIT_MS = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
} as const;

/** Longer spans are cut to this (10,000 years), so that adding one to a date never leaves what a date can hold. */
const LONGEST_MS = 10_000 * UNIT_MS.y;

/**
 * Milliseconds of a span as Quay spells it, `<int>` and one of s, m, h, d, w: `parseDuration("2w")`. With
 * `{ years: true }` also y (365 days), as in the label `quay.expires-after`. `undefined` for anything else.
 */
export function parseDuration(text: string, options: { years?: boolean } = {}): number | undefined {
  const match = /^([0-9]+)([smhdwy])$/.exec(text);
  if (match === null) return undefined;
  const unit = match[2] as keyof typeof UNIT_MS;
  if (unit === "y" && options.years !== true) return undefined;
  return Math.min(Number(match[1]) * UNIT_MS[unit], LONGEST_MS);
}

/** Milliseconds of a span that the schema has already accepted. @throws {RangeError} when it is none */
export function durationMs(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) {
    throw new RangeError(`"${text}" is no span of time: write a whole number and s, m, h, d or w`);
  }
  return ms;
}
