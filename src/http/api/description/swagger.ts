import { versionInfo } from "../../../lib/version.ts";
import type { Route } from "../route.ts";
import type { Site } from "./routes.ts";
import {
  apiErrorSchema,
  bodyIsRequired,
  inputSchema,
  type JsonSchema,
  outputSchema,
  parametersOf,
  scopeTexts,
  tagOf,
} from "./schemas.ts";
import { swaggerSchema } from "./swagger_schema.ts";

/** Swagger 2.0 of `routes` in the shape of Quay's `GET /api/v1/discovery`: its extensions, its names for errors. */
export function swagger({ baseUrl, config }: Site, routes: readonly Route[]) {
  const definitions: Record<string, JsonSchema> = { ApiError: apiErrorSchema };
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = `/api/v1${route.path}`;
    const tag = tagOf(route);
    const described = paths[path] ??= {
      "x-name": `endpoints.api.${tag}.${route.operationId}`,
      "x-path": path,
      "x-tag": tag,
      parameters: pathParameters(route),
    };
    described[route.method.toLowerCase()] = operation(route, tag, definitions);
  }
  for (const [path, described] of Object.entries(paths)) {
    const related = userPathOf(path, paths);
    if (related !== undefined) described["x-user-related"] = related["x-name"];
  }
  const { host, protocol } = new URL(baseUrl);
  return {
    swagger: "2.0",
    host,
    basePath: "/",
    schemes: [protocol.replace(":", "")],
    info: {
      version: "v1",
      title: `${config.REGISTRY_TITLE} API`,
      description: `The part of Quay's REST API that this registry has (Quaylet ${versionInfo({}).version}).`,
    },
    securityDefinitions: {
      oauth2_implicit: {
        type: "oauth2",
        flow: "implicit",
        authorizationUrl: `${baseUrl}/oauth/authorize`,
        scopes: scopeTexts(config),
      },
    },
    paths: Object.fromEntries(
      Object.entries(paths).sort(([a], [b]) => a < b ? -1 : 1),
    ),
    definitions,
    tags: [...new Set(routes.map(tagOf))].sort().map((name) => ({ name, description: "" })),
  };
}

/**
 * What does for the caller's own namespace what the path does for an organization. Quay's older console makes one function
 * of both, and stops where the second lacks a method of the first.
 */
function userPathOf(
  path: string,
  paths: Readonly<Record<string, Record<string, unknown>>>,
): Record<string, unknown> | undefined {
  const [, rest] = /^\/api\/v1\/organization\/\{orgname\}(.*)$/.exec(path) ?? [];
  if (rest === undefined) return undefined;
  const own = paths[`/api/v1/user${rest === "" ? "/" : rest}`];
  const methods = Object.keys(paths[path] ?? {}).filter((key) => METHODS.has(key));
  return own !== undefined && methods.every((method) => method in own) ? own : undefined;
}

const METHODS = new Set(["get", "post", "put", "delete"]);

function operation(route: Route, tag: string, definitions: Record<string, JsonSchema>) {
  const responses: Record<string, unknown> = {};
  for (const [status, description] of ERRORS) {
    responses[status] = { description, schema: { $ref: "#/definitions/ApiError" } };
  }
  for (const [status, schema] of Object.entries(route.responses)) {
    if (schema === null) responses[status] = { description: "Successful invocation" };
    else {
      const name = `${route.operationId}_${status}`;
      definitions[name] = swaggerSchema(outputSchema(schema));
      responses[status] = { description: "Successful invocation", schema: { $ref: `#/definitions/${name}` } };
    }
  }
  const parameters: unknown[] = [...pathParameters(route), ...queryParameters(route)];
  if (route.body !== undefined) {
    const name = `${route.operationId}_body`;
    definitions[name] = swaggerSchema(inputSchema(route.body));
    parameters.push({
      name: "body",
      in: "body",
      required: bodyIsRequired(route.body),
      description: "Request body contents.",
      schema: { $ref: `#/definitions/${name}` },
    });
  }
  return {
    operationId: route.operationId,
    description: route.summary,
    tags: [tag],
    parameters,
    responses,
    ...(route.scope === undefined ? {} : { security: [{ oauth2_implicit: [route.scope] }] }),
    ...(route.freshLogin === true ? { "x-requires-fresh-login": true } : {}),
  };
}

const ERRORS = [
  ["400", "Bad Request"],
  ["401", "Session required"],
  ["403", "Unauthorized access"],
  ["404", "Not found"],
] as const;

function pathParameters(route: Route) {
  return parametersOf(route).filter((parameter) => parameter.in === "path")
    .map(({ schema: _, ...parameter }) => ({ ...parameter, type: "string" }));
}

function queryParameters(route: Route) {
  return parametersOf(route).filter((parameter) => parameter.in === "query").map((parameter) => {
    const { schema, ...rest } = parameter;
    const { type, enum: choices } = schema as { type?: unknown; enum?: unknown };
    return {
      ...rest,
      type: typeof type === "string" ? type : "string",
      ...(Array.isArray(choices) ? { enum: choices } : {}),
    };
  });
}
