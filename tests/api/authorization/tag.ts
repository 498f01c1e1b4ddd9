import type { Resource } from "./rules.ts";

export const tags: Resource = {
  routes: {
    "GET /repository/{repository}/tag/": { who: "R:read", ok: 200 },
    "GET /repository/{repository}/build/": { who: "R:read", ok: 200 },
    "PUT /repository/{repository}/tag/{tag}": {
      who: "R:write",
      content: true,
      ok: 201,
      with: { tag: "brand-new" },
      body: { manifest_digest: "{digest}" },
    },
    "DELETE /repository/{repository}/tag/{tag}": {
      who: "R:write",
      content: true,
      ok: 204,
      with: { tag: "v1" },
      absent: 404,
    },
    "POST /repository/{repository}/tag/{tag}/restore": {
      who: "R:write",
      content: true,
      ok: 200,
      with: { tag: "old" },
      body: { manifest_digest: "{digest}" },
    },
    "POST /repository/{repository}/tag/{tag}/expire": {
      who: "R:write",
      content: true,
      ok: 200,
      with: { tag: "v1" },
      body: { is_alive: true },
      features: ["PERMANENTLY_DELETE_TAGS"],
    },
  },
};
