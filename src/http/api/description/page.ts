import { createHash } from "node:crypto";
import type { OpenApiDocument, Operation } from "./openapi.ts";
import type { Parameter } from "./schemas.ts";

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; color: #151515; }
h2 { margin-top: 2rem; border-bottom: 1px solid #c7c7c7; }
summary { cursor: pointer; padding: .3rem 0; }
summary code { font-weight: 600; }
.method { display: inline-block; width: 4.5rem; font-weight: 700; }
pre { background: #f2f2f2; padding: .75rem; overflow: auto; font-size: .85rem; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top; }
nav a { margin-right: 1rem; }
@media (prefers-color-scheme: dark) {
  body { background: #151515; color: #f2f2f2; } pre { background: #292929; } a { color: #92c5f9; }
}
`;

/** The description as one page without scripts and without anything from elsewhere. `policy`: its CSP. */
export function docsPage(document: OpenApiDocument): { html: string; policy: string } {
  const hash = createHash("sha256").update(STYLE).digest("base64");
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; ` +
    "frame-ancestors 'none'";
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation }))
  );
  const sections = document.tags.map(({ name }) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(name));
    return `<h2 id="${escape(name)}">${escape(name)}</h2>` + own.map(section).join("");
  });
  const links = document.tags.map(({ name }) => `<a href="#${escape(name)}">${escape(name)}</a>`);
  const { title, version, description } = document.info;
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8">` +
    `<meta name="viewport" content="width=device-width"><title>${
      escape(title)
    }</title><style>${STYLE}</style></head>` +
    `<body><h1>${escape(title)}</h1><p>${escape(description)} Version ${escape(version)}. ` +
    `For programs: <a href="openapi.json">OpenAPI 3.1</a>, <a href="discovery">Swagger 2.0</a>.</p>` +
    `<nav>${links.join(" ")}</nav><main>${sections.join("")}</main></body></html>`;
  return { html, policy };
}

function section(entry: { path: string; method: string; operation: Operation }): string {
  const { path, method, operation } = entry;
  const scopes = operation.security.flatMap((way) => way.oauth2 ?? []);
  return `<details id="${escape(operation.operationId)}"><summary><span class="method">${
    escape(method.toUpperCase())
  }</span> <code>${escape(path)}</code> ${escape(operation.summary)}</summary>` +
    (scopes.length === 0 ? "" : `<p>OAuth scope: <code>${escape(scopes.join(" "))}</code></p>`) +
    parameterTable((operation.parameters ?? []) as readonly Parameter[]) +
    (operation.requestBody === undefined ? "" : `<h4>Body</h4>${schemaOf(operation.requestBody)}`) +
    Object.entries(operation.responses).filter(([status]) => status !== "default")
      .map(([status, response]) => `<h4>${escape(status)}</h4>${schemaOf(response)}`).join("") +
    `</details>`;
}

function parameterTable(parameters: readonly Parameter[]): string {
  if (parameters.length === 0) return "";
  const rows = parameters.map(({ name, in: where, required, description, schema }) =>
    `<tr><td><code>${escape(name)}</code></td><td>${where}${required ? ", required" : ""}</td>` +
    `<td>${escape(String(schema.type ?? ""))}</td><td>${escape(description)}</td></tr>`
  );
  return `<table><tr><th>Parameter</th><th>In</th><th>Type</th><th></th></tr>${rows.join("")}</table>`;
}

function schemaOf(carrier: unknown): string {
  const { content } = carrier as { content?: Record<string, { schema: unknown }> };
  const schema = content?.["application/json"]?.schema;
  return schema === undefined ? "<p>No JSON.</p>" : `<pre>${escape(JSON.stringify(schema, null, 2))}</pre>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
