/** Keys whose values are never written, in any case and with `-` or `_` between their parts. */
const SECRET_KEY =
  /(pass(word|wd|phrase)?(_?hash)?|(secret|token|private|api|access)_?key|secret|token|authorization|cookie|credentials?|signature|jwt|(^|_)pem)$/;

/** What gives a secret away by its form, and what stays of it. */
const SECRET_FORMS: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic)\s+[A-Za-z0-9+/._~=-]{6,}/gi, "$1 [redacted]"],
  // scheme://user:password@host, of PostgreSQL, LDAP, proxies and upstream registries
  [/\b([a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s@]*@/gi, "$1:[redacted]@"],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*/g, "[redacted token]"],
  [
    /\b((?:password|passwd|secret|access_token|refresh_token|token|sig|signature)=)[^\s&"']+/gi,
    "$1[redacted]",
  ],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, "[redacted key]"],
];

/** A cheap first look: most strings have nothing of any form. */
const SUSPICIOUS = /bearer|basic|:\/\/|eyJ|=|-----BEGIN/i;

const MAX_DEPTH = 6;
const MAX_ENTRIES = 100;
export const MAX_STRING_CHARS = 8 * 1024;

/**
 * `value` as plain JSON data that may be logged: secrets replaced, errors with name, code, stack and causes, long
 * strings and deep or endless structures cut.
 */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return redactText(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "function" || typeof value === "symbol") return `[${typeof value}]`;
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) return "[deeper]";
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof URL) return redactText(value.href);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Set) return redact([...value], depth);
  if (value instanceof Map) return redact(Object.fromEntries(value), depth);
  if (Array.isArray(value)) {
    const items = value.slice(0, MAX_ENTRIES).map((item) => redact(item, depth + 1));
    return value.length > MAX_ENTRIES ? [...items, `[${value.length - MAX_ENTRIES} more]`] : items;
  }
  const safe: Record<string, unknown> = {};
  let count = 0;
  for (const [key, item] of Object.entries(value)) {
    if (++count > MAX_ENTRIES) break;
    safe[key] = isSecret(key, item) ? "[redacted]" : redact(item, depth + 1);
  }
  return safe;
}

/** Numbers and truths under such a key (`token_count`-like flags) tell nothing. */
function isSecret(key: string, value: unknown): boolean {
  return value !== undefined && value !== null && typeof value !== "boolean" && typeof value !== "number" &&
    SECRET_KEY.test(key.toLowerCase().replaceAll("-", "_"));
}

function redactText(text: string): string {
  // Cut after replacing: half a secret might not have its form any more.
  const bounded = text.length > 4 * MAX_STRING_CHARS ? text.slice(0, 4 * MAX_STRING_CHARS) : text;
  const safe = SUSPICIOUS.test(bounded)
    ? SECRET_FORMS.reduce((rest, [form, replacement]) => rest.replace(form, replacement), bounded)
    : bounded;
  return safe.length > MAX_STRING_CHARS || bounded !== text ? `${safe.slice(0, MAX_STRING_CHARS)}…` : safe;
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  const { code, detail } = error as Error & { code?: unknown; detail?: unknown };
  return {
    name: error.name,
    message: redactText(error.message),
    ...(code === undefined ? {} : { code: redact(code, depth + 1) }),
    // An AppError's detail; PostgreSQL's is a text that may quote the whole row.
    ...(typeof detail === "object" && detail !== null ? { detail: redact(detail, depth + 1) } : {}),
    stack: redactText(error.stack ?? ""),
    ...(error.cause === undefined ? {} : { cause: redact(error.cause, depth + 1) }),
    ...(error instanceof AggregateError ? { errors: redact(error.errors, depth + 1) } : {}),
  };
}
