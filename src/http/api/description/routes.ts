import * as z from "zod";
import type { Config } from "../../../config/schema.ts";
import type { Deps } from "../../../domain/deps.ts";
import { booleanParam } from "../fields.ts";
import { type ApiReply, defineRoute, reply, type Route } from "../route.ts";

type Make = (site: Site, routes: readonly Route[]) => Promise<ApiReply>;

/** Where and what the site is, as its description says. */
export interface Site {
  readonly baseUrl: string;
  readonly config: Config;
}

/**
 * The API's descriptions of itself, made from the very schemas that check requests. Each is made when it is first asked
 * for, and once: it is the same for everybody.
 * @param routes all of them, these included
 */
export function descriptionRoutes(routes: () => readonly Route[]): readonly Route[] {
  const discovery = memoized(async (site, all) => {
    const { swagger } = await import("./swagger.ts");
    return json(swagger(site, all));
  });
  const openApi = memoized(async (site, all) => {
    const { openApiDocument } = await import("./openapi.ts");
    return json(openApiDocument(site, all));
  });
  const page = memoized(async (site, all) => {
    const [{ openApiDocument }, { docsPage }] = await Promise.all([
      import("./openapi.ts"),
      import("./page.ts"),
    ]);
    const { html, policy } = docsPage(openApiDocument(site, all));
    return {
      status: 200,
      document: { type: "text/html; charset=utf-8", text: html },
      headers: { "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff" },
    };
  });
  const open = { allowAnonymous: true, forBrowsers: true } as const;
  return [
    defineRoute({
      ...open,
      method: "GET",
      path: "/discovery",
      operationId: "discovery",
      summary: "This API in Swagger 2.0, as Quay describes its own.",
      query: z.object({
        internal: booleanParam(false).meta({ description: "Changes nothing: all is shown." }),
      }),
      responses: {
        200: z.looseObject({ swagger: z.literal("2.0"), paths: z.record(z.string(), z.unknown()) }),
      },
      handle: ({ deps, baseUrl }) => discovery(deps, baseUrl, routes()),
    }),
    defineRoute({
      ...open,
      method: "GET",
      path: "/openapi.json",
      operationId: "openApi",
      summary: "This API in OpenAPI 3.1.",
      responses: { 200: z.looseObject({ openapi: z.string(), paths: z.record(z.string(), z.unknown()) }) },
      handle: ({ deps, baseUrl }) => openApi(deps, baseUrl, routes()),
    }),
    defineRoute({
      ...open,
      method: "GET",
      path: "/docs",
      operationId: "apiDocs",
      summary: "This API as a page to read.",
      responses: { 200: null },
      handle: ({ deps, baseUrl }) => page(deps, baseUrl, routes()),
    }),
  ];
}

function json(value: unknown): ApiReply {
  return { ...reply(undefined), document: { type: "application/json", text: JSON.stringify(value) } };
}

function memoized(make: Make) {
  const made = new WeakMap<Config, Promise<ApiReply>>();
  return ({ config }: Pick<Deps, "config">, baseUrl: string, routes: readonly Route[]): Promise<ApiReply> => {
    let answer = made.get(config);
    if (answer === undefined) {
      answer = make({ baseUrl, config }, routes);
      made.set(config, answer);
      answer.catch(() => made.delete(config));
    }
    return answer;
  };
}
