import * as z from "zod";
import { disableTeamSync, enableTeamSync } from "../../domain/organizations/team_sync.ts";
import { defineRoute, reply, type Route } from "./route.ts";
import { teamSchema, teamView } from "./team.ts";

/** Which of the three it is depends on where people sign in. */
const groupSchema = z.object({
  group_dn: z.string().optional(),
  group_id: z.string().optional(),
  group_name: z.string().optional(),
});

export const teamSyncRoutes: readonly Route[] = [
  defineRoute({
    method: "POST",
    path: "/organization/{orgname}/team/{teamname}/syncing",
    operationId: "enableOrganizationTeamSync",
    summary: "Lets a team follow a group of the directory.",
    scope: "org:admin",
    body: groupSchema,
    responses: { 200: teamSchema },
    freshLogin: true,
    async handle({ deps, actor, params, body }) {
      const { orgname: organization, teamname: team } = params;
      return reply(teamView(organization, await enableTeamSync(deps, actor, { organization, team }, body)));
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/organization/{orgname}/team/{teamname}/syncing",
    operationId: "disableOrganizationTeamSync",
    summary: "Ends that; its members stay.",
    scope: "org:admin",
    responses: { 200: teamSchema },
    freshLogin: true,
    async handle({ deps, actor, params }) {
      const { orgname: organization, teamname: team } = params;
      return reply(teamView(organization, await disableTeamSync(deps, actor, { organization, team })));
    },
  }),
];
