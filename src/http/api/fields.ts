import * as z from "zod";

/** Most Quay dates: RFC 2822 with the zone `-0000`, `Tue, 24 Nov 2026 02:00:00 -0000`. */
export function rfc2822(epochMs: number): string;
export function rfc2822(epochMs: number | null): string | null;
export function rfc2822(epochMs: number | null): string | null {
  return epochMs === null ? null : new Date(epochMs).toUTCString().replace("GMT", "-0000");
}

/** A query parameter that is true or false, read as generously as Quay does. */
export function booleanParam<Default extends boolean | null>(byDefault: Default) {
  return z.string().optional().transform((text): boolean | Default =>
    text === undefined ? byDefault : !["false", "0", "no", "none", "null", ""].includes(text.toLowerCase())
  ).meta({ type: "boolean" });
}

/** A query parameter that is a whole number of at most nine digits. */
export function integerParam(byDefault: number) {
  return z.string().regex(/^ *[+-]?[0-9]{1,9} *$/, "must be a whole number").optional()
    .transform((text) => text === undefined ? byDefault : Number(text))
    .meta({ type: "integer" });
}

/** A text of a JSON body; `null` counts as absent, as clients send it for an empty field. */
export const optionalText = z.string().nullish().transform((text) => text ?? undefined);

export const captchaField = optionalText.meta({
  description: "What the captcha gave the browser; needed with FEATURE_RECAPTCHA.",
});

export const roleSchema = z.enum(["read", "write", "admin"]);
export const successSchema = z.object({ success: z.literal(true) });
