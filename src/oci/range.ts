/** Part of a blob: `lengthBytes` > 0 bytes from `start`. */
export interface ByteRange {
  readonly start: number;
  readonly lengthBytes: number;
}

/**
 * Reads `Range: bytes=…` for an object of `sizeBytes`. RFC 9110 §14.1.2.
 * @returns `undefined` when the header is to be ignored (other unit, several ranges, not a range at all), and
 * `"unsatisfiable"` for a range that starts beyond the end, or that ends before it starts
 */
export function parseRange(header: string, sizeBytes: number): ByteRange | "unsatisfiable" | undefined {
  const match = /^bytes=\s*([0-9]{0,15})-([0-9]{0,15})\s*$/i.exec(header);
  if (!match) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "") {
    if (last === "") return undefined;
    const lengthBytes = Math.min(Number(last), sizeBytes);
    return lengthBytes === 0 ? "unsatisfiable" : { start: sizeBytes - lengthBytes, lengthBytes };
  }
  const start = Number(first);
  const end = last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (start >= sizeBytes || end < start) return "unsatisfiable";
  return { start, lengthBytes: end - start + 1 };
}

/**
 * Reads the `Content-Range` of an upload's chunk: `<first>-<last>` as the distribution-spec has it; HTTP's
 * `bytes <first>-<last>/<size>` is taken too, since Quay takes it.
 * @returns `undefined` for anything else
 */
export function parseContentRange(header: string): ByteRange | undefined {
  const match = /^(?:bytes[ =])?\s*([0-9]{1,15})-([0-9]{1,15})(?:\/(?:\*|[0-9]{1,15}))?$/i.exec(
    header.trim(),
  );
  if (!match) return undefined;
  const [start, end] = [Number(match[1]), Number(match[2])];
  return end < start ? undefined : { start, lengthBytes: end - start + 1 };
}
