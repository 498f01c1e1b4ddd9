import { findOrganization } from "../../../src/domain/organizations/organizations.ts";
import { findOrInsertTeamInvite } from "../../../src/drivers/database/queries/team_invite.ts";
import { selectTeam } from "../../../src/drivers/database/queries/team.ts";
import type { Resource } from "./rules.ts";
import { existing } from "./world.ts";

export const teams: Resource = {
  routes: {
    "PUT /organization/{orgname}/team/{teamname}": {
      who: "A SUF",
      ok: 200,
      with: { teamname: "brand-new" },
      body: { role: "member" },
    },
    "DELETE /organization/{orgname}/team/{teamname}": {
      who: "A SUF",
      ok: 204,
      with: { teamname: "members" },
      absent: 404,
    },
    "GET /organization/{orgname}/team/{teamname}/members": {
      who: "A T SUF GRO",
      ok: 200,
      with: { teamname: "members" },
    },
    "PUT /organization/{orgname}/team/{teamname}/members/{membername}": {
      who: "A SUF",
      ok: 200,
      with: { teamname: "members", membername: "oscar" },
      absent: 400,
    },
    "DELETE /organization/{orgname}/team/{teamname}/members/{membername}": {
      who: "A SUF",
      ok: 204,
      with: { teamname: "members", membername: "{org_member}" },
      absent: 404,
    },
    "GET /organization/{orgname}/team/{teamname}/permissions": {
      who: "A SUF GRO",
      ok: 200,
      with: { teamname: "members" },
    },
    "PUT /organization/{orgname}/team/{teamname}/invite/{email}": {
      who: "A SUF",
      ok: 200,
      with: { teamname: "members", email: "new@example.org" },
      features: ["FEATURE_MAILING"],
    },
    "DELETE /organization/{orgname}/team/{teamname}/invite/{email}": {
      who: "A SUF",
      ok: 204,
      with: { teamname: "members", email: "invited@example.org" },
      absent: 404,
      features: ["FEATURE_MAILING"],
    },
    // Passwords in the database come with no groups: 400.
    "POST /organization/{orgname}/team/{teamname}/syncing": {
      who: "A&SU SUF",
      ok: 400,
      with: { teamname: "members" },
      body: { group_dn: "cn=some-group" },
      FL: true,
      features: ["FEATURE_TEAM_SYNCING"],
    },
    "DELETE /organization/{orgname}/team/{teamname}/syncing": {
      who: "A&SU SUF",
      ok: 200,
      with: { teamname: "members" },
      FL: true,
      features: ["FEATURE_TEAM_SYNCING"],
    },
    // A code that nobody was sent.
    "PUT /teaminvite/{code}": {
      who: "U:adm",
      ok: 400,
      with: { code: "no-such-code" },
      features: ["FEATURE_MAILING"],
    },
    "DELETE /teaminvite/{code}": {
      who: "U:adm",
      ok: 400,
      with: { code: "no-such-code" },
      features: ["FEATURE_MAILING"],
    },
  },
  async prepare(world) {
    for (const { namespace } of existing("organization")) {
      const organization = await findOrganization(world.deps, namespace);
      const team = await selectTeam(world.deps.sql, organization.id, "members");
      await findOrInsertTeamInvite(world.deps.sql, {
        teamId: team?.id ?? 0,
        inviterId: world.user("alice").id,
        userId: null,
        email: "invited@example.org",
      });
    }
    for (const name of ["acme", "sleepy"]) world.note(name, { org_member: "mia" });
    await world.call("umbrella", "PUT", "/organization/umbrella/team/members/members/zoe");
    world.note("umbrella", { org_member: "zoe" });
    world.note("nowhere", { org_member: "mia" });
  },
};
