import type { z } from "zod";
import { nearestKey } from "./nearest_key.ts";
import type { Notice, Problem } from "./problem.ts";
import { CONFIG_SHAPE, type ConfigKey } from "./schema.ts";
import { loginConfig } from "./sections/sign_in.ts";

/** Checked values of the keys that were set; a key with a problem is left out, so that its default applies. */
export interface CheckedValues {
  values: Record<string, unknown>;
  problems: Problem[];
  notices: Notice[];
}

/** Checks each key on its own. Reads what Quay's Python would have understood: `"587"` for a number, null for no list. */
export function checkValues(raw: Readonly<Record<string, unknown>>): CheckedValues {
  const checked: CheckedValues = { values: {}, problems: [], notices: [] };
  for (const [key, value] of Object.entries(raw)) {
    const schema = schemaOf(key);
    if (schema === undefined) checked.notices.push(unknownKey(key));
    else checkValue(checked, key, schema, plain(value));
  }
  return checked;
}

/** The schema of a key, also of any `<PREFIX>_LOGIN_CONFIG`. */
export function schemaOf(key: string): z.ZodType | undefined {
  if (Object.hasOwn(CONFIG_SHAPE, key)) return CONFIG_SHAPE[key as ConfigKey];
  if (/^[A-Z0-9_]+_LOGIN_CONFIG$/.test(key)) return loginConfig.nullable();
  return undefined;
}

function checkValue(checked: CheckedValues, key: string, schema: z.ZodType, value: unknown): void {
  const kind = schema.meta()?.kind;
  const candidate = value === null ? nullFor(schema) : lenient(kind, value);
  if (candidate === undefined) {
    const message = `${key} cannot be empty; its default is used.`;
    checked.notices.push({ key, kind: "advice", message });
    return;
  }
  const result = schema.safeParse(candidate);
  if (result.success) {
    checked.values[key] = result.data;
    return;
  }
  const { description, unit, values } = schema.meta() ?? {};
  for (const issue of result.error.issues.slice(0, 5)) {
    const path = [key, ...issue.path.map(String)].join(".");
    const choice = values === undefined ? "" : ` One of ${values.join(", ")}.`;
    checked.problems.push({
      key: path,
      message: `${path}: ${words(issue)}.`,
      mend: `${description ?? "Correct it."}${choice}${unit === undefined ? "" : ` Unit: ${unit}.`}`,
    });
  }
}

/** What an explicit null means: nothing, no, an empty list, an empty object, or (undefined) the default. */
function nullFor(schema: z.ZodType): unknown {
  return [null, false, [], {}, ""].find((nothing) => schema.safeParse(nothing).success);
}

function lenient(kind: string | undefined, value: unknown): unknown {
  switch (kind) {
    case "flag":
      if (typeof value === "string" && /^(true|yes|on|1)$/i.test(value)) return true;
      if (typeof value === "string" && /^(false|no|off|0|)$/i.test(value)) return false;
      return value === 1 ? true : value === 0 ? false : value;
    case "whole":
    case "number":
      return typeof value === "string" && /^\s*-?[0-9]+(\.[0-9]+)?\s*$/.test(value) ? Number(value) : value;
    case "text":
      return typeof value === "number" || typeof value === "boolean" || typeof value === "bigint"
        ? String(value)
        : value;
    case "list":
      if (typeof value === "string") return value === "" ? [] : [value];
      return Array.isArray(value)
        ? value.map((entry) => typeof entry === "number" ? String(entry) : entry)
        : value;
    default:
      return value;
  }
}

/** `bigint` back to a number where nothing is lost, to text where it would be. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") {
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
      ? Number(value)
      : String(value);
  }
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry)]));
  }
  return value;
}

function unknownKey(key: string): Notice {
  const shown = key.length > 100 ? `${key.slice(0, 100)}…` : key;
  const nearest = nearestKey(key, Object.keys(CONFIG_SHAPE));
  const hint = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
  return {
    key: shown,
    kind: "unknown",
    message: `${shown} is no key of Quay's config.yaml; it is ignored.${hint}`,
  };
}

/** Never the value itself: it may be a secret. */
function words(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `must be ${EXPECTED[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `must be one of ${issue.values.map(String).join(", ")}`;
    case "too_small":
      return `must be at least ${issue.minimum}`;
    case "too_big":
      return `must be at most ${issue.maximum}`;
    case "invalid_union":
      return "has a form that is not understood";
    default:
      return issue.message;
  }
}

const EXPECTED: Record<string, string> = {
  boolean: "true or false",
  int: "a whole number",
  number: "a number",
  string: "text",
  array: "a list",
  tuple: "a list",
  object: "a mapping",
  record: "a mapping",
};
