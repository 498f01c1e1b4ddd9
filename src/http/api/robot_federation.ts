import * as z from "zod";
import type { Actor } from "../../domain/access/access.ts";
import { requirePerson } from "../../domain/access/rights.ts";
import { getFederation, removeFederation, setFederation } from "../../domain/accounts/robot_federation.ts";
import { robotCall } from "./robot.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";

const configSchema = z.array(z.object({
  issuer: z.string().meta({
    description: "Address of the OpenID Connect issuer, https for its tokens to be taken.",
  }),
  subject: z.string().meta({ description: "The claim `sub` of its tokens." }),
}));

/** The same resource twice: for robots of the caller, and of an organization. */
function federationRoutesAt<Base extends "/user/robots" | "/organization/{orgname}/robots">(options: {
  base: Base;
  suffix: "User" | "Org";
  scope: "user:admin" | "org:admin";
  namespaceOf: (actor: Actor, params: Readonly<Record<string, string>>) => string;
}): Route[] {
  const { base, suffix, scope, namespaceOf } = options;
  const path = `${base}/{robot_shortname}/federation` as "/user/robots/{robot_shortname}/federation";
  const robotOf = (actor: Actor, params: Readonly<Record<"robot_shortname", string>>) => ({
    namespace: namespaceOf(actor, params),
    short: params.robot_shortname,
  });
  return [
    defineRoute({
      method: "GET",
      path,
      operationId: `get${suffix}RobotFederation`,
      summary: "Whose identity tokens the robot accepts.",
      scope,
      responses: { 200: configSchema },
      handle: ({ deps, actor, params }) =>
        robotCall(async () => reply(await getFederation(deps, actor, robotOf(actor, params)))),
    }),
    defineRoute({
      method: "POST",
      path,
      operationId: `create${suffix}RobotFederation`,
      summary: "Replaces whose identity tokens the robot accepts.",
      scope,
      body: configSchema,
      responses: { 200: configSchema },
      handle: ({ deps, actor, params, body }) =>
        robotCall(async () => {
          await setFederation(deps, actor, robotOf(actor, params), body);
          return reply(body);
        }),
    }),
    defineRoute({
      method: "DELETE",
      path,
      operationId: `delete${suffix}RobotFederation`,
      summary: "The robot accepts identity tokens no more.",
      scope,
      responses: { 204: null },
      handle: ({ deps, actor, params }) =>
        robotCall(async () => {
          await removeFederation(deps, actor, robotOf(actor, params));
          return NO_CONTENT;
        }),
    }),
  ];
}

export const robotFederationRoutes: readonly Route[] = [
  ...federationRoutesAt({
    base: "/user/robots",
    suffix: "User",
    scope: "user:admin",
    namespaceOf: (actor) => requirePerson(actor, "user:admin").username,
  }),
  ...federationRoutesAt({
    base: "/organization/{orgname}/robots",
    suffix: "Org",
    scope: "org:admin",
    namespaceOf: (_actor, params) => params.orgname ?? "",
  }),
];
