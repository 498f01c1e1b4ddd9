import type { Resource, RouteRule } from "./rules.ts";

const gone: RouteRule = { who: "R:admin", ok: 410, with: { code: "abc" } };

export const repositoryTokens: Resource = {
  routes: {
    "GET /repository/{repository}/tokens/": gone,
    "POST /repository/{repository}/tokens/": gone,
    "GET /repository/{repository}/tokens/{code}": gone,
    "PUT /repository/{repository}/tokens/{code}": gone,
    "DELETE /repository/{repository}/tokens/{code}": gone,
  },
};
