import * as z from "zod";
import { visibleEmail } from "../../domain/accounts/accounts.ts";
import {
  getMember,
  listCollaborators,
  listMembers,
  type OrganizationPerson,
  removeMember,
} from "../../domain/organizations/organization_members.ts";
import { avatar, avatarSchema, type TeamViews, teamViews } from "./avatar.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";

const collaboratorSchema = z.object({
  kind: z.literal("user"),
  name: z.string(),
  avatar: avatarSchema,
  repositories: z.array(z.string()),
});
const memberSchema = z.object({
  name: z.string(),
  kind: z.enum(["user", "robot"]),
  avatar: avatarSchema,
  teams: z.array(z.object({ name: z.string(), avatar: avatarSchema })),
  repositories: z.array(z.string()),
});

export const organizationMemberRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/collaborators",
    operationId: "getOrganizationCollaborators",
    summary: "Users and robots in no team who have a permission on a repository.",
    scope: "org:admin",
    responses: { 200: z.object({ collaborators: z.array(collaboratorSchema) }) },
    async handle({ deps, actor, params }) {
      const collaborators = await listCollaborators(deps, actor, params.orgname);
      return reply({
        collaborators: collaborators.map((person): z.infer<typeof collaboratorSchema> => ({
          kind: "user",
          name: person.name,
          avatar: personAvatar(person),
          repositories: person.repositories,
        })),
      });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/members",
    operationId: "getOrganizationMembers",
    summary: "The people in its teams.",
    scope: "org:admin",
    responses: { 200: z.object({ members: z.array(memberSchema) }) },
    async handle({ deps, actor, params }) {
      const members = await listMembers(deps, actor, params.orgname);
      const teams = teamViews(params.orgname);
      return reply({ members: members.map((person) => memberView(person, teams)) });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/members/{membername}",
    operationId: "getOrganizationMember",
    summary: "One of them, or a robot of the organization.",
    scope: "org:admin",
    responses: { 200: memberSchema },
    async handle({ deps, actor, params }) {
      return reply(
        memberView(
          await getMember(deps, actor, params.orgname, params.membername),
          teamViews(params.orgname),
        ),
      );
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/organization/{orgname}/members/{membername}",
    operationId: "removeOrganizationMember",
    summary: "Takes a person out of all teams and off all repositories.",
    scope: "org:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      await removeMember(deps, actor, params.orgname, params.membername);
      return NO_CONTENT;
    },
  }),
];

function memberView(
  person: OrganizationPerson,
  teamView: TeamViews,
): z.infer<typeof memberSchema> {
  return {
    name: person.name,
    kind: person.isRobot ? "robot" : "user",
    avatar: personAvatar(person),
    teams: person.teams.map(teamView),
    repositories: person.repositories,
  };
}

function personAvatar(person: OrganizationPerson) {
  return avatar(person.isRobot ? "robot" : "user", person.name, visibleEmail(person));
}
