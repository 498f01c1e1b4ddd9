import type { Resource } from "./rules.ts";
import { existing } from "./world.ts";

/** Default permissions. */
export const prototypes: Resource = {
  routes: {
    "GET /organization/{orgname}/prototypes": { who: "A SUF", ok: 200 },
    "POST /organization/{orgname}/prototypes": {
      who: "A SUF",
      ok: 200,
      body: { role: "read", delegate: { name: "rita", kind: "user" } },
    },
    "PUT /organization/{orgname}/prototypes/{prototypeid}": {
      who: "A SUF",
      ok: 200,
      body: { role: "admin" },
      absent: 404,
    },
    "DELETE /organization/{orgname}/prototypes/{prototypeid}": { who: "A SUF", ok: 204, absent: 404 },
  },
  async prepare(world) {
    for (const { namespace } of existing("organization")) {
      const made = await world.call(namespace, "POST", `/organization/${namespace}/prototypes`, {
        role: "write",
        delegate: { name: "will", kind: "user" },
      });
      world.note(namespace, { prototypeid: made.id });
    }
    world.note("nowhere", { prototypeid: crypto.randomUUID() });
  },
};
