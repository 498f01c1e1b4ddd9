import { isAlias, isMap, isScalar, parseDocument } from "@std/yaml";
import type { Notice, Problem } from "./problem.ts";

export const LARGEST_FILE_BYTES = 4 * 1024 * 1024;
/** Quay's own files use a handful of aliases; a bomb needs exponentially many. */
const MOST_ALIASES = 100;
const MOST_LEVELS = 64;

/** What a configuration file says, before anything is checked. Big integers stay exact as `bigint`. */
export interface RawConfig {
  values: Record<string, unknown>;
  problems: Problem[];
  notices: Notice[];
}

/**
 * Reads the text of config.yaml: YAML 1.1 as Quay's PyYAML reads it (`yes` and `on` are true, `<<` merges, the last of
 * two equal keys wins), or JSON. Never throws.
 */
export function parseConfigText(text: string, name: string): RawConfig {
  if (text.length > LARGEST_FILE_BYTES) {
    return failed(name, "is larger than 4 MiB", "Keep only configuration in it.");
  }
  if (/^\s*\{/.test(text)) {
    try {
      return asMapping(JSON.parse(text), name);
    } catch {
      // Not JSON: a YAML flow mapping may begin the same way.
    }
  }
  try {
    return parseYaml(text, name);
  } catch (error) {
    const reason = error instanceof RangeError ? "is nested too deeply" : firstLine(error);
    return failed(name, `cannot be read: ${reason}`, "Correct it; quaylet init --json shows one that works.");
  }
}

function parseYaml(text: string, name: string): RawConfig {
  if (deepestFlow(text) > MOST_LEVELS * 4) return failed(name, "is nested too deeply", "Flatten it.");
  const document = parseDocument(text, {
    version: "1.1",
    uniqueKeys: false,
    intAsBigInt: true,
    logLevel: "silent",
  });
  const [error] = document.errors;
  if (error !== undefined) {
    return failed(
      name,
      `is not valid YAML: ${firstLine(error)}`,
      "Correct that line; check its indentation.",
    );
  }
  const read = asMapping(document.toJS({ maxAliasCount: MOST_ALIASES }), name);
  const seen = new Set<string>();
  const items = isMap(document.contents) ? document.contents.items : [];
  for (const { key } of items) {
    if (isAlias(key) || !isScalar(key)) continue;
    const spelled = String(key.value);
    if (seen.has(spelled)) {
      read.notices.push({
        key: spelled,
        kind: "repeated",
        message: `${spelled} is set twice; the last one counts.`,
      });
    }
    seen.add(spelled);
  }
  return read;
}

function asMapping(value: unknown, name: string): RawConfig {
  if (value === null || value === undefined) return { values: {}, problems: [], notices: [] };
  if (typeof value !== "object" || Array.isArray(value)) {
    return failed(name, "is not a mapping of keys to values", "Write one `KEY: value` a line.");
  }
  if (levels(value) > MOST_LEVELS) return failed(name, "is nested too deeply", "Flatten it.");
  return { values: value as Record<string, unknown>, problems: [], notices: [] };
}

/** Depth of `[` and `{`, as a bound on the recursion of the parser; quotes are not looked at. */
function deepestFlow(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const character of text) {
    if (character === "[" || character === "{") deepest = Math.max(deepest, ++depth);
    else if ((character === "]" || character === "}") && depth > 0) depth--;
  }
  return deepest;
}

function levels(root: object): number {
  let depth = 0;
  for (let layer: object[] = [root]; layer.length > 0 && depth <= MOST_LEVELS; depth++) {
    layer = layer.flatMap((node) =>
      Object.values(node).filter((v) => typeof v === "object" && v !== null) as object[]
    );
    // Aliases may repeat one node many times; a layer this wide is no configuration.
    if (layer.length > 200_000) return MOST_LEVELS + 1;
  }
  return depth;
}

function failed(key: string, message: string, mend: string): RawConfig {
  return { values: {}, problems: [{ key, message: `${key} ${message}.`, mend }], notices: [] };
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0]?.replace(/:$/, "") ?? "";
}
