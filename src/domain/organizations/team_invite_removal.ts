import { deleteTeamInvitesTo } from "../../drivers/database/queries/team_invite.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { withdrawNotifications } from "../notifications/notifications.ts";

/** Takes back every invitation to a team, or to the teams of an organization, that is about to go. */
export async function cancelInvitesTo(
  deps: { readonly sql: Sql },
  target: { teamId: number } | { organizationId: number },
): Promise<void> {
  for (const { userId, token: code } of await deleteTeamInvitesTo(deps.sql, target)) {
    await withdrawNotifications(deps, { kind: "org_team_invite", targetId: userId, matching: { code } });
  }
}
