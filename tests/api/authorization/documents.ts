import type { Resource } from "./rules.ts";

/** What the API tells everybody about itself. */
export const documents: Resource = {
  routes: {
    "GET /error/{error_type}": {
      who: "anyone",
      ok: 200,
      with: { error_type: "not_found" },
      absent: 404,
      anonymousAlways: true,
    },
    "GET /discovery": { who: "anyone", ok: 200, anonymousAlways: true },
    "GET /openapi.json": { who: "anyone", ok: 200, anonymousAlways: true },
    "GET /docs": { who: "anyone", ok: 200, anonymousAlways: true },
    "GET /registry/capabilities": { who: "anyone", ok: 200, anonymousAlways: true },
  },
};
