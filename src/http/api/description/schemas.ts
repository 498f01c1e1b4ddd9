import * as z from "zod";
import { SCOPES } from "../../../domain/access/access.ts";
import type { Config } from "../../../config/schema.ts";
import type { Route } from "../route.ts";

export type JsonSchema = Record<string, unknown>;

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query";
  readonly required: boolean;
  readonly description: string;
  readonly schema: JsonSchema;
}

/** JSON Schema of what clients send. */
export function inputSchema(schema: z.ZodType): JsonSchema {
  return bare(z.toJSONSchema(schema, { io: "input", unrepresentable: "any", reused: "inline" }));
}

/** JSON Schema of what they get. */
export function outputSchema(schema: z.ZodType): JsonSchema {
  return bare(z.toJSONSchema(schema, { io: "output", unrepresentable: "any", reused: "inline" }));
}

/** Whether the route refuses requests without a body. */
export function bodyIsRequired(schema: z.ZodType): boolean {
  return !schema.safeParse(undefined).success;
}

/** OpenAPI 3.1 and Swagger say once for the whole document which JSON Schema they mean. */
function bare({ $schema: _, ...schema }: JsonSchema): JsonSchema {
  return schema;
}

const PATH_PARAMETERS: Readonly<Record<string, string>> = {
  repository: "Its full name, namespace/name; the slash is not encoded.",
  orgname: "The organization's name.",
  teamname: "The team's name.",
  membername: "Name of a user, or full name of a robot.",
  username: "The user's name.",
  robot_shortname: "The robot's name without its namespace and the plus sign.",
  namespace: "Name of a user or an organization.",
  name: "The organization's name.",
  manifestref: "A digest, such as sha256:…",
  tag: "The tag's name.",
  labelid: "The label's id.",
  prototypeid: "The default permission's id.",
  uuid: "Its id, as a list tells it.",
  kid: "The key's id.",
  policy_uuid: "The policy's id.",
  quota_id: "The quota's id.",
  limit_id: "The limit's id.",
  prefix: "The beginning of a name.",
  email: "An e-mail address.",
  code: "The code that the invitation names.",
  service_id: "The external sign-in's id.",
  error_type: "As answers name it in error_type.",
  build_uuid: "A build's id: there is none.",
};

/** Of the path and of the query, in this order. */
export function parametersOf(route: Route): Parameter[] {
  const inPath = Array.from(route.path.matchAll(/\{([^}]+)\}/g), ([, name = ""]): Parameter => ({
    name,
    in: "path",
    required: true,
    description: PATH_PARAMETERS[name] ?? "",
    schema: { type: "string" },
  }));
  if (route.query === undefined) return inPath;
  const { properties = {}, required = [] } = inputSchema(route.query) as {
    properties?: Record<string, JsonSchema>;
    required?: string[];
  };
  // What an empty query is read as: the defaults, wherever the schema has put them.
  const defaults = (route.query.safeParse({}).data ?? {}) as Record<string, unknown>;
  const inQuery = Object.entries(properties).map((
    [name, { description, pattern, ...schema }],
  ): Parameter => ({
    name,
    in: "query",
    required: required.includes(name),
    description: typeof description === "string" ? description : "",
    schema: {
      ...schema,
      // Patterns of numbers and booleans are about their text in the address.
      ...(pattern === undefined || schema.type !== "string" ? {} : { pattern }),
      ...(defaults[name] === undefined ? {} : { default: defaults[name] }),
    },
  }));
  return [...inPath, ...inQuery];
}

const SUBJECTS: readonly (readonly [part: RegExp, tag: string])[] = [
  [/\/quota(\/|$)/, "namespacequota"],
  [/\/autoprunepolicy\//, "autoprune"],
  [/\/permissions\//, "permission"],
  [/\/tag\//, "tag"],
  [/\/manifest\//, "manifest"],
  [/\/robots/, "robot"],
  [/\/team\//, "team"],
  [/\/prototypes/, "prototype"],
  [/^\/(discovery|openapi|docs)/, "discovery"],
  [/^\/(signin|signout)/, "user"],
  [/^\/superusers?\//, "superuser"],
  [/^\/(entities|find)\//, "search"],
  [/^\/messages?/, "globalmessages"],
];

/** The subject that a route is filed under, as Quay names it. */
export function tagOf(route: Route): string {
  const found = SUBJECTS.find(([part]) => part.test(route.path));
  return found?.[1] ?? /^\/([a-z]+)/.exec(route.path)?.[1] ?? "api";
}

const SCOPE_TEXTS: Readonly<Record<(typeof SCOPES)[number], string>> = {
  "repo:read": "Read the repositories that the user can read.",
  "repo:write": "Change the repositories that the user can change.",
  "repo:admin": "Administer the repositories that the user administers.",
  "repo:create": "Create repositories where the user can.",
  "user:read": "Read the user's own account.",
  "user:admin": "Administer the user's own account.",
  "org:admin": "Administer the organizations that the user administers.",
  "super:user": "Administer the registry, as superuser.",
};

/** OAuth scopes with what they allow; the superusers' is not offered where there are none. */
export function scopeTexts(config: Config): Record<string, string> {
  return Object.fromEntries(
    SCOPES.filter((scope) => scope !== "super:user" || config.FEATURE_SUPER_USERS)
      .map((scope) => [scope, SCOPE_TEXTS[scope]]),
  );
}

export const apiErrorSchema: JsonSchema = {
  type: "object",
  description: "What is wrong. Some answers have only `message` or `error`.",
  properties: {
    status: { type: "integer", description: "Status code of the answer." },
    type: { type: "string", description: "Address that explains the kind of error." },
    title: { type: "string", description: "Kind of error." },
    detail: { type: "string", description: "What is wrong in this case." },
    error_message: { type: "string", description: "Same as detail." },
    error_type: { type: "string", description: "Same as title." },
    message: { type: "string", description: "Same as detail." },
  },
};
