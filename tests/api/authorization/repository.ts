import type { Resource } from "./rules.ts";

export const repositories: Resource = {
  routes: {
    "POST /repository": {
      on: "namespace",
      who: "C",
      ok: 201,
      body: { namespace: "{namespace}", repository: "brand-new", visibility: "private", description: "" },
      // Nothing is made in a disabled namespace.
      okOn: { "disabled namespace": 403 },
    },
    "GET /repository": {
      on: "namespace",
      who: "anyone",
      ok: 200,
      query: "namespace={namespace}",
      // An empty list, as of one that has nothing to show.
      okOn: { "missing namespace": 200 },
    },
    "GET /repository/{repository}": { who: "R:read", ok: 200 },
    "PUT /repository/{repository}": { who: "R:write", ok: 200, body: { description: "x" } },
    "DELETE /repository/{repository}": { who: "R:admin", ok: 204 },
    "POST /repository/{repository}/changevisibility": {
      who: "R:admin",
      ok: 200,
      body: { visibility: "private" },
    },
    "PUT /repository/{repository}/changestate": {
      who: "R:admin",
      ok: 200,
      body: { state: "NORMAL" },
      features: ["FEATURE_REPO_MIRROR"],
    },
  },
};
