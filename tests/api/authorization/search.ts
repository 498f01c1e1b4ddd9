import type { Resource } from "./rules.ts";

/** Everybody may search; what each finds is in `tests/search/`. */
export const searches: Resource = {
  routes: {
    "GET /entities/{prefix}": { who: "anyone", ok: 200, with: { prefix: "a" } },
    // Without a directory there is nobody to link.
    "POST /entities/link/{username}": { who: "anyone", ok: 404, with: { username: "somebody" } },
    "GET /find/all": { who: "anyone", ok: 200, query: "query=a" },
    "GET /find/repositories": { who: "anyone", ok: 200, query: "query=a" },
  },
};
