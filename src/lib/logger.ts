import { redact } from "./redact.ts";

/** One JSON object a line on stdout for machines, or one readable line a record for people. */
export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(msg: string, fields?: LogFields): void;
  info(msg: string, fields?: LogFields): void;
  warn(msg: string, fields?: LogFields): void;
  error(msg: string, fields?: LogFields): void;
  /** The same logger with `fields` on every record. */
  with(fields: LogFields): Logger;
  /** Whether records of `level` are written: asked before costly fields are made. Absent: all are. */
  enabled?(level: LogLevel): boolean;
}

export interface LoggerOptions {
  readonly format: "json" | "text";
  /** Records below it are dropped. */
  readonly level: LogLevel;
  /** Takes one whole line with its line feed; stdout without it. */
  readonly write?: (line: string) => void;
  /** Epoch milliseconds. */
  readonly now?: () => number;
}

const RANK: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** A line longer than this many characters is cut: a log must survive a request that is all header. */
export const MAX_LINE_CHARS = 16 * 1024;

/**
 * A logger that writes each record as one line at once. Errors keep their stack and causes; what looks like a
 * secret, by its key or its own form, is replaced (see `redact.ts`).
 */
export function createLogger(options: LoggerOptions): Logger {
  const { format, write = writeStdout, now = Date.now } = options;
  const minimum = RANK[options.level];
  const render = format === "json" ? renderJson : renderText;
  const build = (bound: LogFields): Logger => {
    const emit = (level: LogLevel) => (msg: string, fields?: LogFields) => {
      if (RANK[level] < minimum) return;
      const safe = redact({ ...bound, ...fields }) as Record<string, unknown>;
      write(render(new Date(now()).toISOString(), level, redact(msg) as string, safe));
    };
    return {
      debug: emit("debug"),
      info: emit("info"),
      warn: emit("warn"),
      error: emit("error"),
      with: (fields) => build({ ...bound, ...fields }),
      enabled: (level) => RANK[level] >= minimum,
    };
  };
  return build({});
}

function renderJson(time: string, level: LogLevel, msg: string, fields: Record<string, unknown>): string {
  // A field may not pose as the record's own time, level or message.
  const { time: _time, level: _level, msg: _msg, ...rest } = fields;
  const line = JSON.stringify({ time, level, msg, ...rest });
  if (line.length <= MAX_LINE_CHARS) return `${line}\n`;
  const cut = { time, level, msg: msg.slice(0, 1024), truncated: true, fields: "" };
  // Escaping can double the text at most once more: quotes and backslashes are the only ones left in JSON.
  cut.fields = JSON.stringify(rest).slice(0, MAX_LINE_CHARS / 2 - 2048);
  return `${JSON.stringify(cut)}\n`;
}

function renderText(time: string, level: LogLevel, msg: string, fields: Record<string, unknown>): string {
  // As JSON has it: what has no value is left away.
  const set = Object.entries(fields).filter(([, value]) => value !== undefined);
  const pairs = set.map(([key, value]) => `${key}=${textValue(value)}`);
  const line = [time, level.toUpperCase().padEnd(5), visible(msg), ...pairs].join(" ");
  return `${line.length <= MAX_LINE_CHARS ? line : `${line.slice(0, MAX_LINE_CHARS)}…`}\n`;
}

function textValue(value: unknown): string {
  if (typeof value === "object" && value !== null && "stack" in value) return `\n  ${stackText(value)}\n `;
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "undefined";
  return typeof value === "string" && /[\s"=]/.test(text) ? JSON.stringify(text) : visible(text);
}

function stackText(error: object): string {
  const { stack, cause } = error as { stack?: unknown; cause?: unknown };
  const own = String(stack).split("\n").map(visible).join("\n  ");
  return typeof cause === "object" && cause !== null && "stack" in cause
    ? `${own}\n  caused by ${stackText(cause)}`
    : own;
}

/** A terminal must not obey, nor a reader mistake for a new record, what a client sent. */
function visible(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

const encoder = new TextEncoder();

/** Whole lines in one write each, so that the lines of several threads never mix. */
function writeStdout(line: string): void {
  const bytes = encoder.encode(line);
  try {
    for (let written = 0; written < bytes.length;) written += Deno.stdout.writeSync(bytes.subarray(written));
  } catch {
    // Whoever read the log is gone (a closed pipe): serving goes on without it.
  }
}
