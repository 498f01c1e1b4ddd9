import { createApplication } from "../../../src/domain/oauth/applications.ts";
import { newCredential, storeOauthToken } from "../../../src/domain/oauth/tokens.ts";
import { OPERATOR } from "../site.ts";
import type { Resource } from "./rules.ts";
import { existing } from "./world.ts";

const AT = "/organization/{orgname}/applications";
const FIELDS = { name: "app", redirect_uri: "", application_uri: "" };

/** OAuth applications of organizations, and the tokens that administrators make for them. */
export const applications: Resource = {
  routes: {
    [`GET ${AT}`]: { who: "A SUF GRO", ok: 200 },
    [`POST ${AT}`]: { who: "A SUF", ok: 200, body: { name: "new" } },
    [`GET ${AT}/{client_id}`]: { who: "A SUF GRO", ok: 200, absent: 404 },
    [`PUT ${AT}/{client_id}`]: { who: "A SUF", ok: 200, absent: 404, body: FIELDS },
    [`DELETE ${AT}/{client_id}`]: { who: "A SUF", ok: 204, absent: 404 },
    [`POST ${AT}/{client_id}/resetclientsecret`]: { who: "A SUF", ok: 200, absent: 404 },
    [`GET ${AT}/{client_id}/tokens`]: { who: "A SUF GRO", ok: 200, absent: 404 },
    [`POST ${AT}/{client_id}/tokens`]: {
      who: "A SUF",
      ok: 200,
      body: { name: "new", scope: "org:admin" },
      except: [{
        callers: ["superuser's super:user"],
        targets: ["own organization"],
        variants: ["FEATURE_SUPERUSERS_FULL_ACCESS"],
        status: 403,
        why: "a token hands out no scope that it lacks",
      }],
    },
    [`DELETE ${AT}/{client_id}/tokens/{token_uuid}`]: { who: "A SUF", ok: 204, absent: 404 },
    "GET /app/{client_id}": { who: "anyone", ok: 200, absent: 404 },
  },
  async prepare(world) {
    for (const { namespace } of existing("organization")) {
      const application = await createApplication(world.deps, OPERATOR, namespace, {
        name: "app",
        description: "",
        applicationUri: "",
        redirectUri: "",
        avatarEmail: null,
      });
      const uuid = await storeOauthToken(world.deps, await newCredential(), {
        applicationId: application.id,
        userId: world.user("alice").id,
        scopes: ["repo:read"],
        lifetimeS: 3600,
        displayName: "token",
      });
      world.note(namespace, { client_id: application.clientId, token_uuid: uuid });
      if (namespace === "acme") world.note("", { client_id: application.clientId });
    }
  },
};
