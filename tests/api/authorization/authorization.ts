import { createOauthApplication, newCredential, storeOauthToken } from "../../../src/domain/oauth/tokens.ts";
import { insertOauthAssignment } from "../../../src/drivers/database/queries/oauth_assignment.ts";
import type { Resource } from "./rules.ts";
import { PEOPLE } from "./world.ts";

const features = ["FEATURE_ASSIGN_OAUTH_TOKEN"];

/** What the own account has let applications do, and what it was assigned. */
export const authorizations: Resource = {
  routes: {
    "GET /user/authorizations": { who: "U:adm", ok: 200 },
    "GET /user/authorizations/{access_token_uuid}": { who: "U:adm", ok: 200, absent: 404 },
    "DELETE /user/authorizations/{access_token_uuid}": { who: "U:adm", ok: 204, absent: 404 },
    "GET /user/assignedauthorization": { who: "U:adm", ok: 200, features },
    "DELETE /user/assignedauthorization/{assigned_authorization_uuid}": {
      who: "U:adm",
      ok: 204,
      features,
      absent: 404,
    },
  },
  async prepare(world) {
    const { deps } = world;
    for (const name of Object.keys(PEOPLE)) {
      const userId = world.user(name).id;
      const clientId = crypto.randomUUID().slice(0, 20);
      const application = { ownerId: userId, clientId, name: "app", description: "" };
      const applicationId = await createOauthApplication(deps, application);
      const access_token_uuid = await storeOauthToken(deps, await newCredential(), {
        applicationId,
        userId,
        scopes: ["repo:read"],
        lifetimeS: 3600,
      });
      const assigned_authorization_uuid = await insertOauthAssignment(deps.sql, {
        userId,
        applicationId,
        redirectUri: "",
        scope: "repo:read",
        responseType: "token",
      });
      world.note(name, { access_token_uuid, assigned_authorization_uuid });
    }
    const nothing = crypto.randomUUID();
    world.note("", { access_token_uuid: nothing, assigned_authorization_uuid: nothing });
  },
};
