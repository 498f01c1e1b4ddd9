import * as z from "zod";
import type { Actor } from "../../domain/access/access.ts";
import { isGlobalReadonlySuperuser } from "../../domain/access/access.ts";
import { visibleEmail } from "../../domain/accounts/accounts.ts";
import type { Deps } from "../../domain/deps.ts";
import { openRepository } from "../../domain/repositories/repositories.ts";
import {
  getTeamPermission,
  getUserPermission,
  listTeamPermissions,
  listUserPermissions,
  type PersonGrant,
  removeTeamPermission,
  removeUserPermission,
  setTeamPermission,
  setUserPermission,
  type TeamGrant,
} from "../../domain/access/repository_permissions.ts";
import { listTransitiveRoles } from "../../domain/access/transitive_permissions.ts";
import { avatar, avatarSchema } from "./avatar.ts";
import { roleSchema } from "./fields.ts";
import { defineRoute, NO_CONTENT, reply, repositoryPath, type Route } from "./route.ts";

const userGrantSchema = z.object({
  role: roleSchema,
  name: z.string(),
  is_robot: z.boolean(),
  avatar: avatarSchema,
  is_org_member: z.boolean().optional(),
});
const teamGrantSchema = z.object({ role: roleSchema, name: z.string(), avatar: avatarSchema });
const roleBody = z.object({ role: roleSchema });

export const repositoryPermissionRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/permissions/user/",
    operationId: "listRepoUserPermissions",
    summary: "Users and robots with a permission of their own.",
    scope: "repo:admin",
    responses: { 200: z.object({ permissions: z.record(z.string(), userGrantSchema) }) },
    async handle({ deps, actor, params }) {
      const repository = await openForReading(deps, actor, params.repository);
      const grants = await listUserPermissions(deps, repository);
      return reply({ permissions: Object.fromEntries(grants.map((grant) => [grant.name, userView(grant)])) });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/permissions/user/{username}",
    operationId: "getUserPermissions",
    summary: "The permission of one user or robot.",
    scope: "repo:admin",
    responses: { 200: userGrantSchema },
    async handle({ deps, actor, params }) {
      const repository = await openForReading(deps, actor, params.repository);
      return reply(userView(await getUserPermission(deps, repository, params.username)));
    },
  }),
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/permissions/user/{username}/transitive",
    operationId: "getUserTransitivePermission",
    summary: "Every role of a user or robot: of its own and by teams.",
    scope: "repo:admin",
    responses: { 200: z.object({ permissions: z.array(z.object({ role: roleSchema })) }) },
    async handle({ deps, actor, params }) {
      const repository = await openForReading(deps, actor, params.repository);
      const roles = await listTransitiveRoles(deps, repository, params.username);
      return reply({ permissions: roles.map((role) => ({ role })) });
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/repository/{repository}/permissions/user/{username}",
    operationId: "changeUserPermissions",
    summary: "Gives a user or robot a permission.",
    scope: "repo:admin",
    body: roleBody,
    responses: { 200: userGrantSchema },
    async handle({ deps, actor, params, body }) {
      const repository = await openRepository(deps, actor, repositoryPath(params.repository), "admin");
      return reply(userView(await setUserPermission(deps, actor, repository, params.username, body.role)));
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/repository/{repository}/permissions/user/{username}",
    operationId: "deleteUserPermissions",
    summary: "Takes it away.",
    scope: "repo:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      const repository = await openRepository(deps, actor, repositoryPath(params.repository), "admin");
      await removeUserPermission(deps, actor, repository, params.username);
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/permissions/team/",
    operationId: "listRepoTeamPermissions",
    summary: "Teams with a permission.",
    scope: "repo:admin",
    responses: { 200: z.object({ permissions: z.record(z.string(), teamGrantSchema) }) },
    async handle({ deps, actor, params }) {
      const repository = await openForReading(deps, actor, params.repository);
      const grants = await listTeamPermissions(deps, repository);
      return reply({
        permissions: Object.fromEntries(
          grants.map((grant) => [grant.name, teamView(repository.namespace, grant)]),
        ),
      });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/permissions/team/{teamname}",
    operationId: "getTeamPermissions",
    summary: "The permission of one team.",
    scope: "repo:admin",
    responses: { 200: roleBody },
    async handle({ deps, actor, params }) {
      const repository = await openForReading(deps, actor, params.repository);
      const { role } = await getTeamPermission(deps, repository, params.teamname);
      return reply({ role });
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/repository/{repository}/permissions/team/{teamname}",
    operationId: "changeTeamPermissions",
    summary: "Gives a team a permission.",
    scope: "repo:admin",
    body: roleBody,
    responses: { 200: teamGrantSchema },
    async handle({ deps, actor, params, body }) {
      const repository = await openRepository(deps, actor, repositoryPath(params.repository), "admin");
      const grant = await setTeamPermission(deps, actor, repository, params.teamname, body.role);
      return reply(teamView(repository.namespace, grant));
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/repository/{repository}/permissions/team/{teamname}",
    operationId: "deleteTeamPermissions",
    summary: "Takes it away.",
    scope: "repo:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      const repository = await openRepository(deps, actor, repositoryPath(params.repository), "admin");
      await removeTeamPermission(deps, actor, repository, params.teamname);
      return NO_CONTENT;
    },
  }),
];

/** Global read-only superusers may look at what only administrators change. */
function openForReading(deps: Deps, actor: Actor, path: string) {
  const need = isGlobalReadonlySuperuser(deps.config, actor) ? "read" : "admin";
  return openRepository(deps, actor, repositoryPath(path), need);
}

function userView(grant: PersonGrant): z.infer<typeof userGrantSchema> {
  return {
    role: grant.role,
    name: grant.name,
    is_robot: grant.isRobot,
    avatar: avatar(grant.isRobot ? "robot" : "user", grant.name, visibleEmail(grant)),
    ...(grant.isMember === undefined ? {} : { is_org_member: grant.isMember }),
  };
}

function teamView(namespace: string, grant: TeamGrant): z.infer<typeof teamGrantSchema> {
  return {
    role: grant.role,
    name: grant.name,
    avatar: avatar("team", grant.name, `${namespace}/${grant.name}`),
  };
}
