import type { NewLabel } from "../../drivers/database/queries/label.ts";
import type { Manifest } from "../../oci/manifest.ts";

/** The label by which an image says when its tag shall end. */
export const EXPIRES_AFTER = "quay.expires-after";

const KEY_MAX = 255;
const VALUE_MAX = 64 * 1024;
const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 365 * 86_400_000,
};

/**
 * Milliseconds of `<int>` and one of `s m h d w y` (a year has 365 days), as Quay spells it; `undefined` for anything
 * else, which Quay ignores as well. The tag ends that long after the push, however long it is.
 */
export function expiresAfterMs(value: string | undefined): number | undefined {
  const match = /^([0-9]{1,9})([smhdwy])$/i.exec(value?.trim() ?? "");
  if (match === null) return undefined;
  const ms = Number(match[1]) * (UNIT_MS[(match[2] as string).toLowerCase()] as number);
  return ms > 0 ? ms : undefined;
}

/**
 * Labels that a manifest brings: those of its image configuration, and its annotations, which win. What a database text
 * cannot hold (NUL, over-long keys and values) is left out.
 * @param config the image configuration's JSON; none for artifacts and indexes
 */
export function labelsOf(manifest: Manifest, config: unknown): NewLabel[] {
  const all: Record<string, string> = Object.assign(
    Object.create(null),
    configLabels(config),
    manifest.annotations,
  );
  const labels: NewLabel[] = [];
  for (const [key, value] of Object.entries(all)) {
    if (key === "" || key.length > KEY_MAX || value.length > VALUE_MAX) continue;
    if (key.includes("\0") || value.includes("\0")) continue;
    labels.push({ key, value, mediaType: isJsonText(value) ? "application/json" : "text/plain" });
  }
  return labels;
}

/** `config.Labels` of Docker's and OCI's image configuration. */
function configLabels(config: unknown): Record<string, string> {
  const labels: Record<string, string> = Object.create(null);
  const found = field(field(config, "config"), "Labels");
  if (typeof found !== "object" || found === null) return labels;
  for (const [key, value] of Object.entries(found)) {
    if (typeof value === "string") labels[key] = value;
  }
  return labels;
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Record<string, unknown>)[name];
}

/** Objects and lists only: a number or a word is plain text to people. */
export function isJsonText(value: string): boolean {
  if (!/^\s*[[{]/.test(value)) return false;
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}
