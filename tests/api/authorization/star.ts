import type { Resource } from "./rules.ts";

export const stars: Resource = {
  routes: {
    "GET /user/starred": { who: "U:read", ok: 200 },
    "POST /user/starred": {
      on: "repository",
      who: "U:adm&R:read",
      ok: 201,
      body: { namespace: "{namespace}", repository: "{name}" },
    },
    "DELETE /user/starred/{repository}": { who: "U:adm&R:read", ok: 204 },
  },
  async prepare({ deps }) {
    await deps.sql`
      insert into star (user_id, repository_id, created)
      select u.id, r.id, now() from "user" u cross join repository r where not u.robot and not u.organization`;
  },
};
