import * as z from "zod";
import { isSuperuser } from "../../domain/access/access.ts";
import { visibleEmail } from "../../domain/accounts/accounts.ts";
import { maySetUpTeamSync, teamSyncPlace, teamSyncService } from "../../domain/organizations/team_sync.ts";
import {
  addTeamMember,
  deleteTeam,
  listTeamPermissions,
  putTeam,
  removeTeamMember,
  type TeamRow,
  viewTeam,
} from "../../domain/organizations/teams.ts";
import { avatar, avatarSchema } from "./avatar.ts";
import { booleanParam, optionalText, rfc2822, roleSchema } from "./fields.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";

const teamRole = z.enum(["member", "creator", "admin"]);

export const teamSchema = z.object({
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

export const inviteSchema = z.object({
  email: z.string(),
  kind: z.literal("invite"),
  avatar: avatarSchema,
  invited: z.literal(true),
});

const membersSchema = z.object({
  name: z.string(),
  members: z.array(z.union([memberSchema, inviteSchema])),
  can_edit: z.boolean(),
  can_sync: z.object({
    service: z.string(),
    base_dn: z.string().optional(),
    issuer_domain: z.string().optional(),
  }).optional(),
  synced: z.object({
    service: z.string(),
    last_updated: z.string().nullable().optional(),
    config: z.record(z.string(), z.unknown()).optional(),
  }).optional(),
});

export function teamView(organization: string, team: TeamRow, created = false): z.infer<typeof teamSchema> {
  return {
    name: team.name,
    description: team.description,
    can_view: true,
    role: team.role,
    avatar: avatar("team", team.name, `${organization}/${team.name}`),
    new_team: created,
  };
}

function memberView(
  member: { name: string; email: string; isRobot: boolean },
  invited = false,
): z.infer<typeof memberSchema> {
  return {
    name: member.name,
    kind: "user",
    is_robot: member.isRobot,
    avatar: avatar(member.isRobot ? "robot" : "user", member.name, visibleEmail(member)),
    invited,
  };
}

export function inviteView(email: string): z.infer<typeof inviteSchema> {
  return { email, kind: "invite", avatar: avatar("user", email, email), invited: true };
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
      return reply(teamView(params.orgname, team, created));
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
    query: z.object({ includePending: booleanParam(false) }),
    responses: { 200: membersSchema },
    async handle({ deps, actor, params, query }) {
      const path = { organization: params.orgname, team: params.teamname };
      const { team, members, invites, isAdmin, sync } = await viewTeam(deps, actor, path, query);
      const service = teamSyncService(deps.config)?.service;
      const view: z.infer<typeof membersSchema> = {
        name: team.name,
        members: [
          ...members.map((member) => memberView(member)),
          ...invites.map(({ name, email }) =>
            name === null ? inviteView(email) : memberView({ name, email, isRobot: false }, true)
          ),
        ],
        can_edit: isAdmin,
      };
      if (service !== undefined && isAdmin && maySetUpTeamSync(deps.config, actor)) {
        view.can_sync = { service, ...teamSyncPlace(deps.config) };
      }
      if (sync !== undefined) {
        view.synced = {
          service: sync.service,
          ...(isSuperuser(deps.config, actor)
            ? { last_updated: rfc2822(sync.lastUpdatedMs), config: JSON.parse(sync.configJson) }
            : {}),
        };
      }
      return reply(view);
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/organization/{orgname}/team/{teamname}/members/{membername}",
    operationId: "updateOrganizationTeamMember",
    summary: "Adds a user, or a robot of the organization, to a team; or invites the user.",
    scope: "org:admin",
    responses: { 200: memberSchema },
    async handle({ deps, actor, params }) {
      const path = { organization: params.orgname, team: params.teamname };
      const { account, invited } = await addTeamMember(deps, actor, path, params.membername);
      const { username: name, email, robot: isRobot } = account;
      return reply(memberView({ name, email, isRobot }, invited));
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/organization/{orgname}/team/{teamname}/members/{membername}",
    operationId: "deleteOrganizationTeamMember",
    summary: "Takes somebody out of a team, or an invitation back.",
    scope: "org:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      const path = { organization: params.orgname, team: params.teamname };
      await removeTeamMember(deps, actor, path, params.membername);
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/team/{teamname}/permissions",
    operationId: "getOrganizationTeamPermissions",
    summary: "The repositories that the team has a permission on.",
    scope: "org:admin",
    responses: {
      200: z.object({
        permissions: z.array(z.object({
          repository: z.object({ name: z.string(), is_public: z.boolean() }),
          role: roleSchema,
        })),
      }),
    },
    async handle({ deps, actor, params }) {
      const path = { organization: params.orgname, team: params.teamname };
      const grants = await listTeamPermissions(deps, actor, path);
      return reply({
        permissions: grants.map(({ repository, isPublic, role }) => ({
          repository: { name: repository, is_public: isPublic },
          role,
        })),
      });
    },
  }),
];
