import type { Resource } from "./rules.ts";
import { existing } from "./world.ts";

export const manifests: Resource = {
  routes: {
    "GET /repository/{repository}/manifest/{manifestref}": {
      who: "R:read",
      ok: 200,
      with: { manifestref: "{digest}" },
      absent: 404,
    },
    "GET /repository/{repository}/manifest/{manifestref}/security": {
      who: "R:read",
      ok: 200,
      with: { manifestref: "{digest}" },
      absent: 404,
      features: ["FEATURE_SECURITY_SCANNER"],
    },
    "GET /repository/{repository}/manifest/{manifestref}/labels": {
      who: "R:read",
      ok: 200,
      with: { manifestref: "{digest}" },
    },
    "POST /repository/{repository}/manifest/{manifestref}/labels": {
      who: "R:write",
      content: true,
      ok: 201,
      with: { manifestref: "{digest}" },
      body: { key: "a", value: "b", media_type: null },
    },
    "GET /repository/{repository}/manifest/{manifestref}/labels/{labelid}": {
      who: "R:read",
      ok: 200,
      with: { manifestref: "{digest}" },
      absent: 404,
    },
    "DELETE /repository/{repository}/manifest/{manifestref}/labels/{labelid}": {
      who: "R:write",
      content: true,
      ok: 204,
      with: { manifestref: "{digest}" },
      absent: 404,
    },
  },
  async prepare(world) {
    for (const { namespace, repository } of existing("repository")) {
      const path = `${namespace}/${repository}`;
      const { label } = await world.call(
        namespace,
        "POST",
        `/repository/${path}/manifest/${world.digest}/labels`,
        { key: "by", value: "hand", media_type: null },
      );
      world.note(path, { labelid: label.id });
    }
  },
};
