import { createAppToken } from "../../../src/domain/accounts/app_tokens.ts";
import type { Resource } from "./rules.ts";
import { PEOPLE } from "./world.ts";

const features = ["FEATURE_APP_SPECIFIC_TOKENS"];

/** Application-specific tokens of the own account. */
export const appTokens: Resource = {
  routes: {
    "GET /user/apptoken": { who: "U:adm", ok: 200, features },
    "POST /user/apptoken": { who: "U:adm", ok: 200, features, FL: true, body: { title: "new" } },
    "GET /user/apptoken/{token_uuid}": { who: "U:adm", ok: 200, features, FL: true, absent: 404 },
    "DELETE /user/apptoken/{token_uuid}": { who: "U:adm", ok: 204, features, FL: true, absent: 404 },
  },
  async prepare(world) {
    for (const name of Object.keys(PEOPLE)) {
      const person = {
        kind: "user",
        ...world.user(name),
        username: name,
        scopes: "all",
        via: "session",
      } as const;
      const { token } = await createAppToken(world.deps, person, "laptop");
      world.note(name, { token_uuid: token.uuid });
    }
    world.note("", { token_uuid: crypto.randomUUID() });
  },
};
