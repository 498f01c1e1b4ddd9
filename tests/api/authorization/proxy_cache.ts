import { findNamespace } from "../../../src/domain/organizations/organizations.ts";
import { insertProxyCache } from "../../../src/drivers/database/queries/proxy_cache.ts";
import type { Resource } from "./rules.ts";
import { existing } from "./world.ts";

const features = ["FEATURE_PROXY_CACHE"];
const body = { upstream_registry: "1.1.1.1" };

export const proxyCaches: Resource = {
  routes: {
    "GET /organization/{orgname}/proxycache": { who: "M SUF GRO", ok: 200, features },
    // There is one already.
    "POST /organization/{orgname}/proxycache": { who: "A SUF", ok: 400, features, body },
    "DELETE /organization/{orgname}/proxycache": { who: "A SUF", ok: 201, features },
    // A registry that must not be gone to: nothing is asked.
    "POST /organization/{orgname}/validateproxycache": {
      who: "A SUF",
      ok: 400,
      features,
      body: { upstream_registry: "169.254.0.1" },
    },
  },
  async prepare({ deps }) {
    for (const { namespace } of existing("organization")) {
      const { id } = await findNamespace(deps, namespace);
      await insertProxyCache(deps.sql, id, {
        upstreamRegistry: body.upstream_registry,
        sealedUsername: null,
        sealedPassword: null,
        expirationS: 86_400,
        insecure: false,
      });
    }
  },
};
