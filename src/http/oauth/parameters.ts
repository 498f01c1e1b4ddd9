import type { Context } from "hono";
import { AppError } from "../../lib/errors.ts";
import { isForm, readForm } from "../api/body.ts";

/** Parameters of a request: those of its form, else those of its address. */
export type Parameters = (name: string) => string | undefined;

/** @throws {AppError} `invalid_request`: too long, NUL in a text @throws {BodyTooLarge} */
export async function readParameters(c: Context): Promise<Parameters> {
  const query = new URL(c.req.url).searchParams;
  const form = isForm(c.req.raw) ? await readForm(c.req.raw) : undefined;
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
