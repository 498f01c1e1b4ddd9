import type { Context } from "hono";
import { AppError } from "../../lib/errors.ts";

/** Longer than any honest form of the flow. */
const FORM_MAX_BYTES = 64 * 1024;

/** Parameters of a request: those of its form, else those of its address. */
export type Parameters = (name: string) => string | undefined;

/** @throws {AppError} `invalid_request`: too long, not UTF-8, NUL */
export async function readParameters(c: Context): Promise<Parameters> {
  const query = new URL(c.req.url).searchParams;
  const form = await readForm(c);
  return (name) => {
    const value = form?.get(name) ?? query.get(name);
    if (value?.includes("\0")) throw new AppError("invalid_request", "NUL is not allowed in texts");
    return value ?? undefined;
  };
}

/** The parameter's value. @throws {AppError} `invalid_request` when it is missing or empty */
export function requireParameter(parameters: Parameters, name: string): string {
  const value = parameters(name);
  if (!value) throw new AppError("invalid_request", `The parameter ${name} is missing`);
  return value;
}

async function readForm(c: Context): Promise<URLSearchParams | undefined> {
  const type = c.req.header("Content-Type") ?? "";
  if (!/^application\/x-www-form-urlencoded\b/i.test(type)) return undefined;
  const tooLong = new AppError("invalid_request", "The form is too long");
  if (Number(c.req.header("Content-Length") ?? 0) > FORM_MAX_BYTES) throw tooLong;
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let length = 0;
  try {
    for await (const chunk of c.req.raw.body ?? []) {
      length += chunk.length;
      // Leaving the loop cancels the stream.
      if (length > FORM_MAX_BYTES) throw tooLong;
      text += decoder.decode(chunk, { stream: true });
    }
    return new URLSearchParams(text + decoder.decode());
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError("invalid_request", "The form cannot be read", {}, { cause });
  }
}
