import type { Resource } from "./rules.ts";

export const organizations: Resource = {
  routes: {
    "POST /organization/": {
      who: "U:adm&unrestricted",
      ok: 201,
      body: { name: "brand-new", email: "new@example.org" },
    },
    "GET /organization/{orgname}": { who: "anyone", ok: 200 },
    "PUT /organization/{orgname}": { who: "A SUF", ok: 200, body: { invoice_email: true } },
    "GET /organization/{orgname}/collaborators": { who: "A SUF GRO", ok: 200 },
    "GET /organization/{orgname}/members": { who: "A SUF GRO", ok: 200 },
    "GET /organization/{orgname}/members/{membername}": {
      who: "A SUF GRO",
      ok: 200,
      with: { membername: "{org_member}" },
      absent: 404,
    },
    "DELETE /organization/{orgname}/members/{membername}": {
      who: "A SUF",
      ok: 204,
      with: { membername: "{org_member}" },
      // zoe is its only administrator.
      okOn: { "foreign organization": 400 },
    },
    "DELETE /organization/{orgname}": { who: "A SUF", ok: 204, FL: true },
  },
};
