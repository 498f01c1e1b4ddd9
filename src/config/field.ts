import * as z from "zod";

/** What the generated reference and the loader know about a key besides its zod type. */
export interface KeyMeta {
  /** What the number counts, or how the text is spelled, when the key has a unit. */
  unit?: string;
  /** First Quay version with the key, when it is newer than 3.13. */
  since?: string;
  /** Never printed in logs, `check` or the config API's dumps. */
  secret?: boolean;
}

/** How the loader may read a scalar that YAML authors spell in more than one way. */
export type KeyKind = "flag" | "whole" | "number" | "text" | "list" | "object" | "mixed";

declare module "zod" {
  interface GlobalMeta {
    kind?: KeyKind;
    unit?: string;
    since?: string;
    secret?: boolean;
    values?: readonly string[];
  }
}

const DURATION = /^[0-9]+(w|m|d|h|s)$/;

/** A yes/no key. */
export function flag(fallback: boolean, description: string, meta: KeyMeta = {}) {
  return z.boolean().default(fallback).meta({ ...meta, kind: "flag", description });
}

export function text(fallback: string, description: string, meta: KeyMeta = {}) {
  return z.string().default(fallback).meta({ ...meta, kind: "text", description });
}

/** Text without a default: `null` until it is set. */
export function optionalText(description: string, meta: KeyMeta = {}) {
  return z.string().nullable().default(null).meta({ ...meta, kind: "text", description });
}

/** A whole number from `min` (0 unless given) up. */
export function whole(
  fallback: number,
  unit: string,
  description: string,
  meta: KeyMeta & { min?: number } = {},
) {
  const { min = 0, ...rest } = meta;
  return z.int().min(min).default(fallback).meta({ ...rest, unit, kind: "whole", description });
}

export function optionalWhole(unit: string, description: string, meta: KeyMeta = {}) {
  return z.int().min(0).nullable().default(null).meta({ ...meta, unit, kind: "whole", description });
}

/** A share between 0 and 1. */
export function fraction(fallback: number, description: string, meta: KeyMeta = {}) {
  return z.number().min(0).max(1).default(fallback)
    .meta({ ...meta, unit: "fraction 0..1", kind: "number", description });
}

export function texts(fallback: string[], description: string, meta: KeyMeta = {}) {
  return z.array(z.string()).default(() => [...fallback]).meta({ ...meta, kind: "list", description });
}

/** A list for which "not set" differs from "empty". */
export function optionalTexts(description: string, meta: KeyMeta = {}) {
  return z.array(z.string()).nullable().default(null).meta({ ...meta, kind: "list", description });
}

export function oneOf<const T extends readonly [string, ...string[]]>(
  values: T,
  fallback: T[number],
  description: string,
  meta: KeyMeta = {},
) {
  return z.enum(values).default(fallback as never).meta({ ...meta, values, kind: "text", description });
}

function durationText() {
  return z.string().regex(DURATION, "must be a whole number and one of s, m, h, d, w, such as 2w");
}

/** A time span as Quay spells it: `30m`, `2w`. See `durationMs`. */
export function duration(fallback: string, description: string, meta: KeyMeta = {}) {
  return durationText().default(fallback).meta({
    unit: "<int> s|m|h|d|w",
    ...meta,
    kind: "text",
    description,
  });
}

export function optionalDuration(description: string, meta: KeyMeta = {}) {
  return durationText().nullable().default(null)
    .meta({ unit: "<int> s|m|h|d|w", ...meta, kind: "text", description });
}

export function durations(fallback: string[], description: string, meta: KeyMeta = {}) {
  return z.array(durationText()).default(() => [...fallback])
    .meta({ unit: "<int> s|m|h|d|w", ...meta, kind: "list", description });
}

/** A nested object of `shape`; keys beyond it are kept, as Quay passes them on. */
export function optionalObject<T extends z.ZodRawShape>(shape: T, description: string, meta: KeyMeta = {}) {
  return z.looseObject(shape).nullable().default(null).meta({ ...meta, kind: "object", description });
}
