import * as z from "zod";
import { addTeamMember, deleteTeam, listTeamMembers, putTeam, removeTeamMember } from "../../domain/teams.ts";
import { visibleEmail } from "../../domain/accounts.ts";
import { avatar, avatarSchema } from "./avatar.ts";
import { optionalText } from "./fields.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";

const teamRole = z.enum(["member", "creator", "admin"]);

const teamSchema = z.object({
  name: z.string(),
  description: z.string(),
  can_view: z.boolean(),
  role: teamRole,
  avatar: avatarSchema,
  new_team: z.boolean(),
});

const memberSchema = z.object({
  name: z.string(),
  kind: z.literal("user"),
  is_robot: z.boolean(),
  avatar: avatarSchema,
  invited: z.boolean(),
});

function memberView(member: { name: string; email: string; isRobot: boolean }): z.infer<typeof memberSchema> {
  return {
    name: member.name,
    kind: "user",
    is_robot: member.isRobot,
    avatar: avatar(member.isRobot ? "robot" : "user", member.name, visibleEmail(member)),
    invited: false,
  };
}

export const teamRoutes: readonly Route[] = [
  defineRoute({
    method: "PUT",
    path: "/organization/{orgname}/team/{teamname}",
    operationId: "updateOrganizationTeam",
    summary: "Creates a team, or changes its role and description.",
    scope: "org:admin",
    body: z.object({ role: teamRole, description: optionalText }),
    responses: { 200: teamSchema },
    async handle({ deps, actor, params, body }) {
      const path = { organization: params.orgname, team: params.teamname };
      const { team, created } = await putTeam(deps, actor, path, body);
      const view: z.infer<typeof teamSchema> = {
        name: team.name,
        description: team.description,
        can_view: true,
        role: team.role,
        avatar: avatar("team", team.name, `${params.orgname}/${team.name}`),
        new_team: created,
      };
      return reply(view);
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/organization/{orgname}/team/{teamname}",
    operationId: "deleteOrganizationTeam",
    summary: "Deletes a team.",
    scope: "org:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      await deleteTeam(deps, actor, { organization: params.orgname, team: params.teamname });
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/team/{teamname}/members",
    operationId: "getOrganizationTeamMembers",
    summary: "The members of a team.",
    scope: "org:admin",
    responses: { 200: z.object({ name: z.string(), members: z.array(memberSchema), can_edit: z.boolean() }) },
    async handle({ deps, actor, params }) {
      const path = { organization: params.orgname, team: params.teamname };
      const { team, members, canEdit } = await listTeamMembers(deps, actor, path);
      return reply({ name: team.name, members: members.map(memberView), can_edit: canEdit });
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/organization/{orgname}/team/{teamname}/members/{membername}",
    operationId: "updateOrganizationTeamMember",
    summary: "Adds a user, or a robot of the organization, to a team.",
    scope: "org:admin",
    responses: { 200: memberSchema },
    async handle({ deps, actor, params }) {
      const path = { organization: params.orgname, team: params.teamname };
      const member = await addTeamMember(deps, actor, path, params.membername);
      return reply(memberView({ name: member.username, email: member.email, isRobot: member.robot }));
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/organization/{orgname}/team/{teamname}/members/{membername}",
    operationId: "deleteOrganizationTeamMember",
    summary: "Takes somebody out of a team.",
    scope: "org:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      const path = { organization: params.orgname, team: params.teamname };
      await removeTeamMember(deps, actor, path, params.membername);
      return NO_CONTENT;
    },
  }),
];
