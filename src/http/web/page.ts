import { createHash } from "node:crypto";
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

const STYLE = `
:root { color-scheme: light dark; --edge: #c7c7c7; --quiet: #4d4d4d; --card: #fff; --ground: #f2f2f2; --ink: #151515;
  --act: #0066cc; --warn: #8a4b00; --warn-ground: #fff4e0; --danger: #a30000; }
@media (prefers-color-scheme: dark) { :root { --edge: #4d4d4d; --quiet: #c7c7c7; --card: #1f1f1f; --ground: #151515;
  --ink: #f2f2f2; --act: #4394e5; --warn: #ffcc80; --warn-ground: #3a2a10; --danger: #f9a8a8; } }
body { font: 16px/1.5 system-ui, sans-serif; background: var(--ground); color: var(--ink); margin: 0; padding: 2rem 1rem; }
main { max-width: 34rem; margin: 0 auto; background: var(--card); border: 1px solid var(--edge); border-radius: 6px;
  padding: 1.5rem 2rem; overflow-wrap: anywhere; }
h1 { font-size: 1.35rem; margin: 0 0 1rem; }
p { margin: .5rem 0; }
.quiet { color: var(--quiet); font-size: .9rem; }
.scopes { list-style: none; padding: 0; margin: 1rem 0; }
.scopes li { border: 1px solid var(--edge); border-radius: 4px; padding: .6rem .8rem; margin: .5rem 0; }
.scopes .dangerous { border-color: var(--warn); background: var(--warn-ground); }
[role=alert] { color: var(--danger); }
.warning { color: var(--warn); font-weight: 600; }
label { display: block; margin: .8rem 0 .2rem; }
input:not([type=hidden], [type=checkbox], [type=radio]) { width: 100%; box-sizing: border-box; font: inherit; padding: .45rem .6rem;
  border: 1px solid var(--edge); border-radius: 4px; background: var(--card); color: var(--ink); }
.buttons { display: flex; gap: .75rem; margin-top: 1.25rem; }
button { font: inherit; padding: .45rem 1.1rem; border-radius: 4px; border: 1px solid var(--act); cursor: pointer;
  background: var(--act); color: #fff; }
button.plain { background: transparent; color: var(--act); }
code, output { display: block; font-family: ui-monospace, monospace; background: var(--ground); padding: .6rem .8rem;
  border-radius: 4px; margin: .5rem 0; }
`;

const STYLE_HASH = hashOf(STYLE);

/** A page of the site. Everything in it works without scripts, unless it says otherwise. */
export interface Page {
  readonly title: string;
  readonly body: Html;
  /** A script that the page may run, and no other. */
  readonly script?: string;
}

/** Nobody may put the answer into a frame, keep it, or learn its address, which may hold a code, from a link in it. */
export const PRIVATE_HEADERS = {
  "Cache-Control": "no-store",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
} as const;

/**
 * The answer with a page whose forms may lead elsewhere: browsers hold the redirect after a form against `form-action`,
 * and that of a consent leads to the application.
 */
export function pageResponse(
  page: Page,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(textOf(page), {
    status,
    headers: { ...headersOf(page), ...headers, "Content-Type": "text/html; charset=utf-8" },
  });
}

/** Answers with a page whose forms stay on the site, under its title as heading. */
export function showPage(
  c: Context,
  title: string,
  body: Html,
  status: ContentfulStatusCode = 200,
): Response {
  const page = {
    title,
    body: html`
      <h1>${title}</h1>
      ${body}
    `,
  };
  for (const [name, value] of Object.entries(headersOf(page, "form-action 'self'; "))) c.header(name, value);
  return c.html(textOf(page), status) as Response;
}

/** A page with a heading and a sentence. */
export function messagePage(title: string, message: string): Page {
  return {
    title,
    body: html`
      <h1>${title}</h1>
      <p>${message}</p>
    `,
  };
}

/** Hidden fields of a form; those that are undefined are left out. */
export function hiddenFields(fields: Readonly<Record<string, string | undefined>>): Html[] {
  return Object.entries(fields).filter(([, value]) => value !== undefined).map(([name, value = ""]) =>
    html`<input type="hidden" name="${name}" value="${value}">`
  );
}

function textOf({ title, body, script }: Page): string {
  const { text } = html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>${title}</title>
        ${new Html(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <main>${body}</main>
        ${script === undefined ? [] : new Html(`<script>${script}</script>`)}
      </body>
    </html>
  `;
  return text.trimStart();
}

function headersOf({ script }: Page, formAction = ""): Record<string, string> {
  const scripts = script === undefined ? "" : `script-src '${hashOf(script)}'; `;
  return {
    ...PRIVATE_HEADERS,
    "Content-Security-Policy":
      `default-src 'none'; style-src '${STYLE_HASH}'; ${scripts}${formAction}base-uri 'none'; frame-ancestors 'none'`,
  };
}

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
