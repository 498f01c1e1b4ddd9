import type { Resource } from "./rules.ts";

export const organizations: Resource = {
  routes: {
    "POST /organization/": {
      who: "U:adm&unrestricted",
      ok: 201,
      body: { name: "brand-new", email: "new@example.org" },
    },
    "GET /organization/{orgname}": { who: "anyone", ok: 200 },
    "DELETE /organization/{orgname}": { who: "A SUF", ok: 204, FL: true },
  },
};
