import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { escapeHtml } from "../../lib/html.ts";

/** A text that is HTML already. */
export class Html {
  constructor(readonly text: string) {}
}

/** HTML with everything that is filled in escaped, unless it is {@link Html}. */
export function html(
  parts: TemplateStringsArray,
  ...values: readonly (string | Html | readonly Html[])[]
): Html {
  const shown = values.map((value) =>
    typeof value === "string"
      ? escapeHtml(value)
      : value instanceof Html
      ? value.text
      : value.map(({ text }) => text).join("")
  );
  return new Html(parts.reduce((text, part, index) => text + part + (shown[index] ?? ""), ""));
}

const STYLE =
  "body{font:1rem/1.5 system-ui,sans-serif;max-width:30rem;margin:4rem auto;padding:0 1rem;color:#151515;background:#fff}" +
  "label{display:block;margin:1rem 0}input{display:block;width:100%;box-sizing:border-box;font:inherit;padding:.4rem}" +
  "button{font:inherit;padding:.5rem 1rem;margin:.5rem .5rem 0 0}[role=alert]{color:#a30000}" +
  "@media(prefers-color-scheme:dark){body{color:#e0e0e0;background:#151515}a{color:#92c5f9}[role=alert]{color:#f9a8a8}}";

/** What it links to learns nothing of a page's address, which may hold a code. */
const HEADERS: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Content-Security-Policy":
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
};

/** Answers with a page of the site that needs no script. */
export function showPage(
  c: Context,
  title: string,
  body: Html,
  status: ContentfulStatusCode = 200,
): Response {
  const page = html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <title>${title}</title>
        <style>${new Html(STYLE)}</style>
      </head>
      <body>
        <main><h1>${title}</h1>
    ${body}
        </main>
      </body>
    </html>
  `;
  for (const [name, value] of Object.entries(HEADERS)) c.header(name, value);
  return c.html(page.text, status) as Response;
}
