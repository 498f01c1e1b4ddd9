import { expect } from "@std/testing";
import type { z } from "zod";
import { API_ROUTES } from "../../src/http/api/api.ts";
import { RouteTable } from "../../src/http/api/route.ts";
import { Content } from "./content.ts";
import { withSite } from "./site.ts";

const BROWSER = { "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0" };

Deno.test("GET /openapi.json: every route, once, with what it takes and answers", async () => {
  await withSite({ FEATURE_ANONYMOUS_ACCESS: false, REGISTRY_TITLE: "Site 7" }, async (site) => {
    const response = await site.stranger().call("GET", "/api/v1/openapi.json", { headers: BROWSER });
    expect(response.status).toBe(200);
    const document = await response.json();
    expect(document).toMatchObject({
      openapi: "3.1.0",
      info: { title: "Site 7 API" },
      servers: [{ url: "http://registry.test" }],
    });
    const described = Object.entries<Record<string, { operationId: string }>>(document.paths)
      .flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, { operationId }]) => `${method} ${path} ${operationId}`)
      );
    const wanted = API_ROUTES.map((route) =>
      `${route.method.toLowerCase()} /api/v1${route.path} ${route.operationId}`
    );
    expect(described.sort()).toEqual(wanted.sort());
    expect(new Set(API_ROUTES.map((route) => route.operationId)).size).toBe(API_ROUTES.length);
    const list = document.paths["/api/v1/repository/{repository}/tag/"].get;
    expect(list.security).toContainEqual({ oauth2: ["repo:read"] });
    expect(list.parameters).toContainEqual({
      name: "onlyActiveTags",
      in: "query",
      required: false,
      description: "",
      schema: { type: "boolean", default: false },
    });
    expect(list.parameters).toContainEqual(
      expect.objectContaining({ name: "limit", schema: { type: "integer", default: 50 } }),
    );
    expect(list.responses["200"].content["application/json"].schema.required).toContain("has_additional");
    const create = document.paths["/api/v1/repository"].post;
    expect(create.requestBody.content["application/json"].schema.required).toEqual([
      "repository",
      "visibility",
      "description",
    ]);
    expect(brokenReferences(document)).toEqual([]);
  });
});

Deno.test("GET /openapi.json: paths, parameters, bodies and security fit together", async () => {
  await withSite({}, async (site) => {
    const document = await site.stranger().expect(200, "GET", "/openapi.json");
    const { oauth2, session } = document.components.securitySchemes;
    expect([oauth2.type, session.type]).toEqual(["oauth2", "apiKey"]);
    const scopes = Object.keys(oauth2.flows.implicit.scopes);
    const wrong: string[] = [];
    for (const [path, methods] of Object.entries<Record<string, Described>>(document.paths)) {
      const inTemplate = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
      for (const [method, operation] of Object.entries(methods)) {
        const tell = (what: string) => wrong.push(`${method} ${path}: ${what}`);
        const parameters = operation.parameters ?? [];
        const inPath = parameters.filter((parameter) => parameter.in === "path");
        if (`${inPath.map(({ name }) => name).sort()}` !== `${inTemplate}`) tell("path parameters");
        if (inPath.some(({ required }) => !required)) tell("an optional path parameter");
        if (new Set(parameters.map(({ name }) => name)).size < parameters.length) tell("a parameter twice");
        for (const { name, schema } of parameters) {
          if (schema.type === undefined && schema.anyOf === undefined && schema.enum === undefined) {
            tell(`${name} is of no type`);
          }
        }
        const statuses = Object.keys(operation.responses);
        if (!statuses.some((status) => /^[234]\d\d$/.test(status)) || !statuses.includes("default")) {
          tell(`answers ${statuses}`);
        }
        const body = operation.requestBody?.content["application/json"];
        if (operation.requestBody !== undefined && !body?.schema) tell("a body of no form");
        for (const way of operation.security) {
          for (const scope of way.oauth2 ?? []) if (!scopes.includes(scope)) tell(`unknown scope ${scope}`);
        }
        if (operation.summary === "" || operation.tags.length !== 1) tell("no summary or no subject");
      }
    }
    expect(wrong).toEqual([]);
    // Whoever may be refused for not being signed in is not told that nobody need be.
    const ways = (path: string, method: string) => document.paths[`/api/v1${path}`][method].security;
    expect(ways("/superuser/users/", "get")).not.toContainEqual({});
    expect(ways("/repository", "get")).toContainEqual({});
  });
});

interface Described {
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly schema: Record<string, unknown>;
  }[];
  readonly requestBody?: { readonly content: Record<string, { schema: unknown }> };
  readonly responses: Record<string, unknown>;
  readonly security: readonly Record<string, string[]>[];
}

Deno.test("GET /discovery: Swagger 2.0 in Quay's shape", async () => {
  await withSite({ FEATURE_ANONYMOUS_ACCESS: false }, async (site) => {
    const document = await site.stranger().expect(200, "GET", "/discovery?internal=true");
    expect(document).toMatchObject({
      swagger: "2.0",
      host: "registry.test",
      basePath: "/",
      schemes: ["http"],
      securityDefinitions: {
        oauth2_implicit: {
          type: "oauth2",
          flow: "implicit",
          authorizationUrl: "http://registry.test/oauth/authorize",
        },
      },
    });
    const ids = Object.values<Record<string, { operationId?: string }>>(document.paths)
      .flatMap((path) => Object.values(path).map(({ operationId }) => operationId))
      .filter((id) => id !== undefined);
    expect(ids.sort()).toEqual(API_ROUTES.map((route) => route.operationId).sort());
    const path = document.paths["/api/v1/repository/{repository}/tag/{tag}"];
    expect(path).toMatchObject({ "x-tag": "tag", "x-path": "/api/v1/repository/{repository}/tag/{tag}" });
    expect(path.put.security).toEqual([{ oauth2_implicit: ["repo:write"] }]);
    expect(path.put.parameters.at(-1)).toMatchObject({ name: "body", in: "body", required: true });
    expect(brokenReferences(document)).toEqual([]);
    // Words of newer JSON Schema, which readers of Swagger 2.0 refuse.
    const newer = /"(anyOf|oneOf|const|propertyNames|prefixItems|exclusiveM\w+imum|\$schema)":/;
    expect(newer.exec(JSON.stringify(document.definitions))).toBe(null);
  });
});

Deno.test("GET /docs: a page without scripts and without anything from elsewhere", async () => {
  await withSite({ REGISTRY_TITLE: "<b>'\"&" }, async (site) => {
    const response = await site.stranger().call("GET", "/api/v1/docs", { headers: BROWSER });
    expect(response.headers.get("Content-Type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("Content-Security-Policy")).toMatch(
      /^default-src 'none'; style-src 'sha256-/,
    );
    const html = await response.text();
    for (const { operationId } of API_ROUTES) expect(html).toContain(`id="${operationId}"`);
    expect(html).not.toContain("<b>");
    expect(html).not.toMatch(/<script|<img|<link|src=|javascript:| on[a-z]+=/i);
    for (const [, address = ""] of html.matchAll(/href="([^"]*)"/g)) {
      expect(address).toMatch(/^(#[a-z]+|openapi\.json|discovery)$/);
    }
  });
});

Deno.test("answers hold what the description says, and nothing else", async () => {
  await withSite({ FEATURE_SUPERUSERS_FULL_ACCESS: true }, async (site) => {
    const content = await Content.of(site.deps, "acme/app");
    const digest = await content.image({ word: "one", tag: "v1", labels: { maintainer: "me" } });
    await content.image({ word: "two", tag: "v1", labels: { "quay.expires-after": "1h" } });
    await content.image({ word: "one", tag: "v2", labels: { maintainer: "me" } });
    const alice = await site.browserOf("alice");
    await alice.expect(201, "PUT", "/organization/acme/robots/ci");
    const at = `/repository/acme/app/manifest/${digest}`;
    const { labels } = await alice.expect(200, "GET", `${at}/labels`);
    const paths = [
      "/user/",
      "/organization/acme",
      "/organization/acme/team/owners/members",
      "/organization/acme/robots",
      "/organization/acme/robots/ci",
      "/user/robots",
      "/repository?namespace=acme",
      "/repository/acme/app",
      "/repository/acme/app/permissions/user/",
      "/repository/acme/app/permissions/team/",
      "/repository/acme/app/tag/",
      at,
      `${at}/labels`,
      `${at}/labels/${labels[0].id}`,
      "/error/not_found",
    ];
    const forSuperusers = [
      "/superuser/users/",
      "/superuser/organizations/",
      "/superuser/keys",
      "/superuser/registrysize/",
      "/superuser/registrystatus",
      "/superuser/changelog/",
      "/superuser/apptokens",
      "/messages",
      "/find/all?query=a",
      "/find/repositories?query=a",
      "/entities/a",
    ];
    const root = await site.browserOf("root");
    const message = { content: "Hello", media_type: "text/plain", severity: "info" };
    await root.expect(201, "POST", "/messages", { message });
    await root.expect(200, "POST", "/superuser/keys", { service: "site", expiration: null });
    const table = new RouteTable(API_ROUTES);
    for (const path of [...paths, ...forSuperusers]) {
      const client = forSuperusers.includes(path) ? root : alice;
      const answer = await client.expect(200, "GET", path);
      const match = table.find("GET", path.split("?", 1)[0]!);
      const schema = match.kind === "route" ? match.route.responses[200] as z.ZodType : undefined;
      // Parsing drops what the schema does not name.
      expect([path, schema?.parse(answer)]).toEqual([path, answer]);
    }
  });
});

/** `$ref`s that lead nowhere. */
function brokenReferences(document: unknown): string[] {
  const broken: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    const { $ref } = value as { $ref?: unknown };
    if (typeof $ref === "string") {
      const target = $ref.replace(/^#\//, "").split("/")
        .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document);
      if (target === undefined) broken.push($ref);
    }
    Object.values(value).forEach(visit);
  };
  visit(document);
  return broken;
}
