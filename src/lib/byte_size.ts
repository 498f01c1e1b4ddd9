/** Units of bytes as Quay reads and writes them: powers of 1024 with an `i`, of 1000 without. */
const BINARY = ["Byte", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const DECIMAL = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** `1.0 GiB`: in the largest unit of which it is at least one. */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < BINARY.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(1)} ${BINARY[unit]}`;
}

/** Bytes of `10 GiB`, `1.5TB`, `512 B`; undefined for anything else, also for more than a number can count exactly. */
export function parseBytes(text: string): number | undefined {
  const match = /^ *([0-9]{1,15}(?:\.[0-9]{1,6})?) *([A-Za-z]+) *$/.exec(text);
  if (match === null) return undefined;
  const unit = match[2]!.toLowerCase();
  const find = (units: readonly string[]) => units.findIndex((name) => name.toLowerCase() === unit);
  const bytes = Number(match[1]) *
    (find(BINARY) >= 0 ? 1024 ** find(BINARY) : find(DECIMAL) >= 0 ? 1000 ** find(DECIMAL) : NaN);
  const whole = Math.round(bytes);
  return Number.isSafeInteger(whole) ? whole : undefined;
}
