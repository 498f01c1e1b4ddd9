import * as z from "zod";
import {
  acceptInvite,
  cancelEmailInvite,
  declineInvite,
  inviteEmail,
} from "../../domain/organizations/team_invites.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";
import { inviteSchema, inviteView } from "./team.ts";

export const teamInviteRoutes: readonly Route[] = [
  defineRoute({
    method: "PUT",
    path: "/organization/{orgname}/team/{teamname}/invite/{email}",
    operationId: "inviteTeamMemberEmail",
    summary: "Invites whoever reads that e-mail address to a team.",
    scope: "org:admin",
    responses: { 200: inviteSchema },
    async handle({ deps, actor, params }) {
      const { orgname: organization, teamname: team, email } = params;
      await inviteEmail(deps, actor, { organization, team, email });
      return reply(inviteView(email));
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/organization/{orgname}/team/{teamname}/invite/{email}",
    operationId: "deleteTeamMemberEmailInvite",
    summary: "Takes that invitation back.",
    scope: "org:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      const { orgname: organization, teamname: team, email } = params;
      await cancelEmailInvite(deps, actor, { organization, team, email });
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/teaminvite/{code}",
    operationId: "acceptOrganizationTeamInvite",
    summary: "Accepts an invitation to a team.",
    scope: "user:admin",
    responses: { 200: z.object({ org: z.string(), team: z.string() }) },
    async handle({ deps, actor, params }) {
      const invite = await acceptInvite(deps, actor, params.code);
      return reply({ org: invite.organization, team: invite.team });
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/teaminvite/{code}",
    operationId: "declineOrganizationTeamInvite",
    summary: "Declines an invitation to a team.",
    scope: "user:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      await declineInvite(deps, actor, params.code);
      return NO_CONTENT;
    },
  }),
];
