import { AppError } from "../../lib/errors.ts";

/** What a JSON body of the API may be: Quay's largest (robot metadata) is 1 MiB. */
export const MAX_BODY_BYTES = 1024 * 1024;
const MAX_DEPTH = 64;

/** A body larger than {@link MAX_BODY_BYTES}. */
export class BodyTooLarge extends Error {}

/**
 * The request's JSON, or undefined when it has no body. Reads no more than {@link MAX_BODY_BYTES}.
 * @throws {AppError} `invalid_request`: not UTF-8, not JSON, nested deeper than {@link MAX_DEPTH}, NUL in a text
 * @throws {BodyTooLarge}
 */
export async function readJson(request: Request): Promise<unknown> {
  const bytes = await readBytes(request);
  if (bytes.length === 0) return undefined;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError("invalid_request", "The body is not valid UTF-8", {}, { cause });
  }
  // What comes after walks the value recursively, so depth is bounded before; PostgreSQL's text holds no NUL.
  if (isDeeperThan(text, MAX_DEPTH)) {
    throw new AppError("invalid_request", "The JSON body is nested too deeply");
  }
  if (/(?<!\\)(?:\\\\)*\\u0000/.test(text)) {
    throw new AppError("invalid_request", "NUL is not allowed in texts");
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError("invalid_request", "The body is not valid JSON", {}, { cause });
  }
}

/** Forms are short. */
const MAX_FORM_BYTES = 64 * 1024;

/**
 * The values of an HTML form (`application/x-www-form-urlencoded`).
 * @throws {AppError} `invalid_request`: another type, too long, NUL in it
 */
export async function readForm(request: Request): Promise<URLSearchParams> {
  if (!isForm(request)) throw new AppError("invalid_request", "The body is no form");
  const bytes = await readBytes(request);
  if (bytes.length > MAX_FORM_BYTES) throw new AppError("invalid_request", "The form is too long");
  const values = new URLSearchParams(new TextDecoder().decode(bytes));
  if ([...values.values()].some((value) => value.includes("\0"))) {
    throw new AppError("invalid_request", "NUL is not allowed in texts");
  }
  return values;
}

/** Whether the body says that it is a form. */
export function isForm(request: Request): boolean {
  return /^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(request.headers.get("Content-Type") ?? "");
}

async function readBytes(request: Request): Promise<Uint8Array> {
  if (Number(request.headers.get("Content-Length") ?? 0) > MAX_BODY_BYTES) throw new BodyTooLarge();
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of request.body ?? []) {
      length += chunk.length;
      // Leaving the loop cancels the stream.
      if (length > MAX_BODY_BYTES) throw new BodyTooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof BodyTooLarge) throw error;
    throw new AppError("invalid_request", "The body broke off", {}, { cause: error });
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

/** Whether brackets outside strings nest deeper than `limit`; one pass, no recursion. */
function isDeeperThan(text: string, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (inString) {
      if (c === "\\") i++;
      else if (c === '"') inString = false;
    } else if (c === '"') inString = true;
    else if (c === "{" || c === "[") {
      if (++depth > limit) return true;
    } else if (c === "}" || c === "]") depth--;
  }
  return false;
}
