import { limitsFrom } from "../domain/mirroring/limits.ts";
import type { MirrorChange } from "../domain/mirroring/settings.ts";
import { parseBytes } from "../lib/byte_size.ts";
import type { Request } from "./operator.ts";
import { usageError } from "./output.ts";
import { firstLine } from "./secret_input.ts";

/** What may be said of a mirror on the command line, where each flag stands for a field of the REST API. */
export const MIRROR_FLAGS = {
  from: { type: "string" },
  tags: { type: "string" },
  robot: { type: "string" },
  every: { type: "string" },
  start: { type: "string" },
  username: { type: "string" },
  "password-stdin": { type: "boolean" },
  "no-verify-tls": { type: "boolean" },
  "verify-tls": { type: "boolean" },
  platforms: { type: "string" },
  exclude: { type: "string" },
  newest: { type: "string" },
  semver: { type: "string" },
  rate: { type: "string" },
  concurrency: { type: "string" },
  windows: { type: "string" },
  "per-day": { type: "string" },
  "per-month": { type: "string" },
} as const;

export const MIRROR_USAGE =
  "[--tags GLOBS] [--every SECONDS] [--username NAME --password-stdin] [--rate BYTES] …";

export const MIRROR_NOTES = `  --from HOST/PATH        the repository to follow
  --tags GLOB,…           which tags (create: *)
  --robot NAMESPACE+NAME  who writes; a robot of the same namespace
  --every SECONDS         how often (create: 86400; 0: only on demand)
  --start DATE            when first, such as 2026-12-01T02:00:00Z (create: now)
  --username NAME         signs in as; the password is the first line of standard input with --password-stdin
  --no-verify-tls         any certificate will do, and plain HTTP; --verify-tls takes that back
  --platforms OS/ARCH,…   of an image for several platforms, only these
  --exclude GLOB,…  --newest N  --semver RANGE   narrow the tags down
  --rate BYTES  --concurrency N  --windows "02:00-05:00 Europe/Berlin,…"  --per-day BYTES  --per-month BYTES
                          what it may take of the link; bytes may be written 500kB, 10MiB, 2GB; "none" takes a limit back
The rules (--platforms to --semver) are set as a whole, and so are the limits, when one of them is named.`;

/** What the flags say. @throws {RangeError} */
export async function changeFrom(request: Pick<Request, "text" | "isSet" | "io">): Promise<MirrorChange> {
  const { text } = request;
  return {
    reference: text("from"),
    globs: listOf(text("tags")),
    ...await sharedFrom(request),
    rules: rulesOf(request),
    limits: limitsOf(request),
  };
}

/** The flags that mirrors of repositories and of organizations have alike. @throws {RangeError} */
export async function sharedFrom(request: Pick<Request, "text" | "isSet" | "io">) {
  const { text, isSet } = request;
  const start = text("start");
  const startMs = start === undefined ? undefined : Date.parse(start);
  if (Number.isNaN(startMs)) throw usageError("--start is a date, such as 2026-12-01T02:00:00Z");
  return {
    robotName: text("robot"),
    intervalS: wholeOf("every", text("every")),
    startMs,
    ...await credentialsOf(request),
    verifyTls: isSet("no-verify-tls") ? false : isSet("verify-tls") ? true : undefined,
  };
}

async function credentialsOf({ text, isSet, io }: Pick<Request, "text" | "isSet" | "io">) {
  const username = text("username");
  if (!isSet("password-stdin")) {
    if (username === undefined) return {};
    if (username === "none") return { username: null, password: null };
    throw usageError(
      '--username needs --password-stdin, so that others do not see the password; "none" takes both back',
    );
  }
  return { username, password: await firstLine(io) };
}

function rulesOf({ text }: Pick<Request, "text">): MirrorChange["rules"] {
  const [platforms, exclude] = [listOf(text("platforms")), listOf(text("exclude"))];
  const [newest, semver] = [wholeOf("newest", text("newest")), text("semver")];
  if ([platforms, exclude, newest, semver].every((rule) => rule === undefined)) return undefined;
  return {
    ...(platforms !== undefined && { platforms }),
    ...(exclude !== undefined && { exclude }),
    ...(newest !== undefined && { newest }),
    ...(semver !== undefined && { semver }),
  };
}

function limitsOf({ text }: Pick<Request, "text">): MirrorChange["limits"] {
  const flags = ["rate", "concurrency", "windows", "per-day", "per-month"];
  if (flags.every((flag) => text(flag) === undefined)) return undefined;
  return limitsFrom({
    bytes_per_second: bytesOf("rate", text("rate")),
    concurrency: wholeOf("concurrency", withoutNone(text("concurrency"))),
    windows: listOf(withoutNone(text("windows"))),
    daily_bytes: bytesOf("per-day", text("per-day")),
    monthly_bytes: bytesOf("per-month", text("per-month")),
  });
}

const withoutNone = (text: string | undefined) => text === "none" ? undefined : text;

/** What stands between commas. */
export function listOf(text: string | undefined): string[] | undefined {
  return text?.split(",").map((entry) => entry.trim()).filter((entry) => entry !== "");
}

function wholeOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,15}$/.test(text)) throw usageError(`--${flag} is a whole number, not "${text}"`);
  return Number(text);
}

function bytesOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined || text === "none") return undefined;
  const bytes = /^[0-9]{1,15}$/.test(text) ? Number(text) : parseBytes(text);
  if (bytes === undefined) {
    throw usageError(`--${flag} is a number of bytes, such as 500kB or 10MiB, not "${text}"`);
  }
  return bytes;
}
