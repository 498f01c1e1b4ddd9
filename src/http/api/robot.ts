import * as z from "zod";
import type { Actor } from "../../domain/access/access.ts";
import { requirePerson } from "../../domain/access/rights.ts";
import {
  createRobot,
  deleteRobot,
  getRobot,
  type ListedRobot,
  listRobotPermissions,
  listRobots,
  regenerateRobotToken,
  type Robot,
} from "../../domain/accounts/robots.ts";
import { AppError } from "../../lib/errors.ts";
import { avatarSchema, type TeamViews, teamViews } from "./avatar.ts";
import { booleanParam, rfc2822, roleSchema } from "./fields.ts";
import { type ApiReply, defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";

const summarySchema = z.object({
  name: z.string(),
  created: z.string().nullable(),
  last_accessed: z.string().nullable(),
  description: z.string(),
  token: z.string().optional(),
});
const robotSchema = summarySchema.extend({
  unstructured_metadata: z.record(z.string(), z.unknown()).nullable().meta({
    description: "null when a robot is created without any.",
  }),
});
const listedSchema = summarySchema.extend({
  teams: z.array(z.object({ name: z.string(), avatar: avatarSchema })).optional(),
  repositories: z.array(z.string()).optional(),
});
const listSchema = z.object({ robots: z.array(listedSchema) });
const createSchema = z.object({
  description: z.string().max(255).nullish(),
  unstructured_metadata: z.record(z.string(), z.unknown()).nullish(),
}).optional();
const listQuery = z.object({
  permissions: booleanParam(false),
  token: booleanParam(true),
  limit: z.coerce.number().int().min(1).optional(),
});
const permissionsSchema = z.object({
  permissions: z.array(z.object({
    repository: z.object({ name: z.string(), is_public: z.boolean() }),
    role: roleSchema,
  })),
});

function summaryView(robot: Robot, withToken: boolean) {
  return {
    name: robot.name,
    created: rfc2822(robot.createdMs),
    last_accessed: rfc2822(robot.lastAccessedMs),
    description: robot.description,
    ...(withToken && robot.token !== undefined ? { token: robot.token } : {}),
  };
}

function listedView(
  robot: ListedRobot,
  withToken: boolean,
  teamView: TeamViews,
): z.infer<typeof listedSchema> {
  const { teams, repositories } = robot;
  return {
    ...summaryView(robot, withToken),
    ...(teams && { teams: teams.map(teamView) }),
    ...(repositories && { repositories: [...repositories] }),
  };
}

function robotView(robot: Robot) {
  return { ...summaryView(robot, true), unstructured_metadata: robot.metadata };
}

/** Quay answers 400 for a robot that does not exist. */
export async function robotCall(work: () => Promise<ApiReply>): Promise<ApiReply> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AppError && error.code === "not_found") {
      throw new AppError("invalid_request", error.publicMessage, {}, { cause: error });
    }
    throw error;
  }
}

/** The same resource twice: in the caller's own namespace, and in an organization. */
function robotRoutesAt<Base extends "/user/robots" | "/organization/{orgname}/robots">(options: {
  base: Base;
  suffix: "User" | "Org";
  scope: "user:admin" | "org:admin";
  namespaceOf: (actor: Actor, params: Readonly<Record<string, string>>) => string;
}): Route[] {
  const { base, suffix, scope, namespaceOf } = options;
  const pathOf = (actor: Actor, params: Readonly<Record<"robot_shortname", string>>) => ({
    namespace: namespaceOf(actor, params),
    short: params.robot_shortname,
  });
  return [
    defineRoute({
      method: "GET",
      path: base as "/user/robots",
      operationId: `get${suffix}Robots`,
      summary: "The robots of the namespace.",
      scope,
      query: listQuery,
      responses: { 200: listSchema },
      async handle({ deps, actor, params, query }) {
        const namespace = namespaceOf(actor, params);
        const { limit, permissions: withPermissions, token: withTokens } = query;
        const options = { namespace, limit, withPermissions, withTokens };
        const { robots } = await listRobots(deps, actor, options);
        const teams = teamViews(namespace);
        return reply({ robots: robots.map((robot) => listedView(robot, withTokens, teams)) });
      },
    }),
    defineRoute({
      method: "GET",
      path: `${base}/{robot_shortname}` as "/user/robots/{robot_shortname}",
      operationId: `get${suffix}Robot`,
      summary: "A robot and its token.",
      scope,
      responses: { 200: robotSchema },
      handle: ({ deps, actor, params }) =>
        robotCall(async () => reply(robotView(await getRobot(deps, actor, pathOf(actor, params))))),
    }),
    defineRoute({
      method: "PUT",
      path: `${base}/{robot_shortname}` as "/user/robots/{robot_shortname}",
      operationId: `create${suffix}Robot`,
      summary: "Creates a robot.",
      scope,
      body: createSchema,
      responses: { 201: robotSchema },
      handle: ({ deps, actor, params, body }) =>
        robotCall(async () => {
          const robot = await createRobot(deps, actor, {
            ...pathOf(actor, params),
            description: body?.description ?? "",
            metadata: body?.unstructured_metadata ?? {},
          });
          // Quay says back what it was told.
          return reply(
            { ...robotView(robot), unstructured_metadata: body?.unstructured_metadata ?? null },
            201,
          );
        }),
    }),
    defineRoute({
      method: "DELETE",
      path: `${base}/{robot_shortname}` as "/user/robots/{robot_shortname}",
      operationId: `delete${suffix}Robot`,
      summary: "Deletes a robot.",
      scope,
      responses: { 204: null },
      handle: ({ deps, actor, params }) =>
        robotCall(async () => {
          await deleteRobot(deps, actor, pathOf(actor, params));
          return NO_CONTENT;
        }),
    }),
    defineRoute({
      method: "GET",
      path: `${base}/{robot_shortname}/permissions` as "/user/robots/{robot_shortname}/permissions",
      operationId: `get${suffix}RobotPermissions`,
      summary: "The repositories that name the robot.",
      scope,
      responses: { 200: permissionsSchema },
      handle: ({ deps, actor, params }) =>
        robotCall(async () => {
          const grants = await listRobotPermissions(deps, actor, pathOf(actor, params));
          return reply({
            permissions: grants.map((grant) => ({
              repository: { name: grant.repository, is_public: grant.isPublic },
              role: grant.role,
            })),
          });
        }),
    }),
    defineRoute({
      method: "POST",
      path: `${base}/{robot_shortname}/regenerate` as "/user/robots/{robot_shortname}/regenerate",
      operationId: `regenerate${suffix}RobotToken`,
      summary: "Gives a robot a new token; the old one is void at once.",
      scope,
      responses: { 200: robotSchema },
      handle: ({ deps, actor, params }) =>
        robotCall(async () =>
          reply(robotView(await regenerateRobotToken(deps, actor, pathOf(actor, params))))
        ),
    }),
  ];
}

export const robotRoutes: readonly Route[] = [
  ...robotRoutesAt({
    base: "/user/robots",
    suffix: "User",
    scope: "user:admin",
    namespaceOf: (actor) => requirePerson(actor, "user:admin").username,
  }),
  ...robotRoutesAt({
    base: "/organization/{orgname}/robots",
    suffix: "Org",
    scope: "org:admin",
    namespaceOf: (_actor, params) => params.orgname ?? "",
  }),
];
