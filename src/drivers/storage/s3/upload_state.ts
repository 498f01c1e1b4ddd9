import { AppError } from "../../../lib/errors.ts";
import type { PartTag } from "./multipart.ts";

/**
 * What one turn of an upload leaves to the next, kept by the caller as text. The bytes are in the store:
 *
 *     parts 1..n of a multipart upload at `key`   bytes [0, partsBytes)
 *     object `<key>.<random>` (the tail)          bytes [partsBytes, offset), less than a part
 *
 * Parts cannot be read back, nor be shorter than 5 MiB: hence the tail. It has a new name each time, so that a writer whose
 * lease was lost overwrites nothing that counts, and the one before stays until the caller has kept the new state.
 */
export interface UploadState {
  readonly uploadId: string | undefined;
  readonly parts: readonly PartTag[];
  readonly partsBytes: number;
  readonly tail: { readonly key: string; readonly sizeBytes: number } | undefined;
  /** Tail of the turn before: it goes when this state has been kept, which the next turn proves. */
  readonly staleTail: string | undefined;
}

export const NOTHING: UploadState = {
  uploadId: undefined,
  parts: [],
  partsBytes: 0,
  tail: undefined,
  staleTail: undefined,
};

export function writeState({ uploadId, parts, partsBytes, tail, staleTail }: UploadState): string {
  return JSON.stringify({
    upload_id: uploadId,
    parts,
    parts_bytes: partsBytes,
    ...(tail && { tail: tail.key, tail_bytes: tail.sizeBytes }),
    stale_tail: staleTail,
  });
}

/** @throws {AppError} `upload_unknown` for what {@link writeState} did not write for that offset */
export function readState(text: string | undefined, offset: number): UploadState {
  if (offset === 0) return NOTHING;
  const state = parse(text);
  if (state === undefined || state.partsBytes + (state.tail?.sizeBytes ?? 0) !== offset) {
    throw new AppError("upload_unknown", "the data of this upload is gone; start it again");
  }
  return state;
}

/** What the text names, whatever the offset; `undefined` for anything else. */
export function parse(text: string | undefined): UploadState | undefined {
  if (text === undefined) return undefined;
  try {
    const found = JSON.parse(text) as Record<string, unknown>;
    if (!Array.isArray(found.parts) || !Number.isSafeInteger(found.parts_bytes)) return undefined;
    const optional = (value: unknown) => typeof value === "string" ? value : undefined;
    const tail = optional(found.tail);
    return {
      uploadId: optional(found.upload_id),
      parts: found.parts.map(String),
      partsBytes: Number(found.parts_bytes),
      tail: tail === undefined ? undefined : { key: tail, sizeBytes: Number(found.tail_bytes) },
      staleTail: optional(found.stale_tail),
    };
  } catch {
    return undefined;
  }
}
