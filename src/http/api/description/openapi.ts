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

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly unknown[];
  readonly requestBody?: unknown;
  readonly responses: Readonly<Record<string, unknown>>;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
}

export interface OpenApiDocument {
  readonly openapi: "3.1.0";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly { readonly url: string }[];
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: Readonly<Record<string, unknown>>;
}

/** OpenAPI 3.1 of `routes`, from the schemas that they check requests with. */
export function openApiDocument({ baseUrl, config }: Site, routes: readonly Route[]): OpenApiDocument {
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) {
    (paths[`/api/v1${route.path}`] ??= {})[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: `${config.REGISTRY_TITLE} API`,
      version: versionInfo({}).version,
      description:
        "The part of Quay's REST API that this registry has. Repository names have slashes in paths.",
    },
    servers: [{ url: baseUrl }],
    tags: [...new Set(routes.map(tagOf))].sort().map((name) => ({ name })),
    paths,
    components: {
      schemas: { ApiError: apiErrorSchema },
      responses: {
        Error: content("It was refused or went wrong.", { $ref: "#/components/schemas/ApiError" }),
      },
      securitySchemes: {
        oauth2: {
          type: "oauth2",
          flows: {
            implicit: { authorizationUrl: `${baseUrl}/oauth/authorize`, scopes: scopeTexts(config) },
          },
        },
        session: {
          type: "apiKey",
          in: "cookie",
          name: "_csrf_token",
          description: "Of a signed-in browser; changes need the header X-CSRF-Token as well.",
        },
      },
    },
  };
}

function operation(route: Route): Operation {
  const parameters = parametersOf(route);
  const responses: Record<string, unknown> = {};
  for (const [status, schema] of Object.entries(route.responses)) {
    responses[status] = schema === null ? { description: "Done." } : content("Done.", outputSchema(schema));
  }
  return {
    operationId: route.operationId,
    summary: route.summary,
    tags: [tagOf(route)],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined ? {} : {
      requestBody: {
        required: bodyIsRequired(route.body),
        content: { "application/json": { schema: inputSchema(route.body) } },
      },
    }),
    responses: { ...responses, default: { $ref: "#/components/responses/Error" } },
    security: [
      { oauth2: route.scope === undefined ? [] : [route.scope] },
      { session: [] },
      ...(isForStrangers(route) ? [{}] : []),
    ],
  };
}

/** Whether somebody who is not signed in may get more than a refusal: of what others may do only reading is for everybody. */
function isForStrangers({ allowAnonymous, method, scope, freshLogin }: Route): boolean {
  if (allowAnonymous === true) return true;
  return method === "GET" && freshLogin !== true && (scope === undefined || scope === "repo:read");
}

function content(description: string, schema: JsonSchema) {
  return { description, content: { "application/json": { schema } } };
}
