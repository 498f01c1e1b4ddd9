const UNIT_BYTES = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

/** Bytes of a size as Quay spells it (`20G`, `500M`); powers of 1024. @throws {RangeError} when it is none */
export function sizeBytes(text: string): number {
  const match = /^([0-9]+)([KMGT]?)$/.exec(text);
  if (match === null) {
    throw new RangeError(`"${text}" is no size: write a whole number and M or G, such as 20G`);
  }
  const bytes = Number(match[1]) * UNIT_BYTES[match[2] as keyof typeof UNIT_BYTES];
  return Math.min(bytes, Number.MAX_SAFE_INTEGER);
}
