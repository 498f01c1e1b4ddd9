import { addLabel } from "../../../src/domain/manifest_labels.ts";
import { findManifest } from "../../../src/domain/manifest_view.ts";
import { findRepository } from "../../../src/domain/repositories.ts";
import { OPERATOR } from "../site.ts";
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
    const { deps } = world;
    for (const { namespace, repository: name } of existing("repository")) {
      const repository = await findRepository(deps.sql, namespace, name ?? "");
      if (repository === undefined) throw new Error(`${namespace}/${name} is not there`);
      const { id } = await findManifest(deps, repository.id, world.digest);
      const label = await addLabel(
        deps,
        { actor: OPERATOR, repository },
        { id, digest: world.digest },
        {
          key: "by",
          value: "hand",
          mediaType: null,
        },
      );
      world.note(`${namespace}/${name}`, { labelid: label.uuid });
    }
  },
};
