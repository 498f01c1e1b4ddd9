import * as z from "zod";
import { visibleEmail } from "../../domain/accounts/accounts.ts";
import { openOrganization } from "../../domain/organizations/organizations.ts";
import {
  createPrototype,
  listPrototypes,
  type PrototypePerson,
  type PrototypeRow,
  removePrototype,
  setPrototypeRole,
} from "../../domain/organizations/prototypes.ts";
import { avatar, avatarSchema } from "./avatar.ts";
import { roleSchema } from "./fields.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";

const personSchema = z.object({
  name: z.string(),
  is_robot: z.boolean(),
  kind: z.literal("user"),
  is_org_member: z.boolean(),
  avatar: avatarSchema,
});
const teamSchema = z.object({ name: z.string(), kind: z.literal("team"), avatar: avatarSchema });
const prototypeSchema = z.object({
  id: z.string(),
  role: roleSchema,
  activating_user: personSchema.nullable(),
  delegate: z.union([personSchema, teamSchema]),
});

export const prototypeRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/prototypes",
    operationId: "getOrganizationPrototypePermissions",
    summary: "Default permissions of new repositories.",
    scope: "org:admin",
    responses: { 200: z.object({ prototypes: z.array(prototypeSchema) }) },
    async handle({ deps, actor, params }) {
      const organization = await openOrganization(deps, actor, params.orgname);
      return reply({
        prototypes: (await listPrototypes(deps, organization)).map((row) =>
          prototypeView(params.orgname, row)
        ),
      });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/organization/{orgname}/prototypes",
    operationId: "createOrganizationPrototypePermission",
    summary: "Adds a default permission.",
    scope: "org:admin",
    body: z.object({
      role: roleSchema,
      delegate: z.object({ name: z.string(), kind: z.enum(["user", "team"]) }),
      activating_user: z.object({ name: z.string() }).nullish(),
    }),
    responses: { 200: prototypeSchema },
    async handle({ deps, actor, params, body }) {
      const organization = await openOrganization(deps, actor, params.orgname);
      const { role, delegate, activating_user: activating } = body;
      const made = await createPrototype(deps, actor, organization, {
        role,
        delegate,
        activatingUser: activating?.name,
      });
      return reply(prototypeView(params.orgname, made));
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/organization/{orgname}/prototypes/{prototypeid}",
    operationId: "updateOrganizationPrototypePermission",
    summary: "Changes the role that it gives.",
    scope: "org:admin",
    body: z.object({ role: roleSchema }),
    responses: { 200: prototypeSchema },
    async handle({ deps, actor, params, body }) {
      const organization = await openOrganization(deps, actor, params.orgname);
      const changed = await setPrototypeRole(deps, actor, organization, params.prototypeid, body.role);
      return reply(prototypeView(params.orgname, changed));
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/organization/{orgname}/prototypes/{prototypeid}",
    operationId: "deleteOrganizationPrototypePermission",
    summary: "Takes a default permission away; repositories that have it keep it.",
    scope: "org:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      const organization = await openOrganization(deps, actor, params.orgname);
      await removePrototype(deps, actor, organization, params.prototypeid);
      return NO_CONTENT;
    },
  }),
];

function prototypeView(organization: string, row: PrototypeRow): z.infer<typeof prototypeSchema> {
  return {
    id: row.uuid,
    role: row.role,
    activating_user: row.activating === null ? null : personView(row.activating),
    delegate: row.delegateUser !== null ? personView(row.delegateUser) : {
      name: row.delegateTeam ?? "",
      kind: "team",
      avatar: avatar("team", row.delegateTeam ?? "", `${organization}/${row.delegateTeam}`),
    },
  };
}

function personView({ name, email, isRobot, isMember }: PrototypePerson): z.infer<typeof personSchema> {
  return {
    name,
    is_robot: isRobot,
    kind: "user",
    is_org_member: isMember,
    avatar: avatar(isRobot ? "robot" : "user", name, visibleEmail({ email })),
  };
}
