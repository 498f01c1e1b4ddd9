import type { Resource } from "./rules.ts";

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
  },
  async prepare(world) {
    for (const name of ["acme", "sleepy"]) world.note(name, { org_member: "mia" });
    await world.call("umbrella", "PUT", "/organization/umbrella/team/members/members/zoe");
    world.note("umbrella", { org_member: "zoe" });
    world.note("nowhere", { org_member: "mia" });
  },
};
