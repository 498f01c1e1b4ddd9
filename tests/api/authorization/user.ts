import type { Resource } from "./rules.ts";

/** The own account. */
export const users: Resource = {
  routes: {
    "GET /user/": { who: "U:read", ok: 200, anonymousAlways: true },
  },
};
