import type { Resource } from "./rules.ts";

/** Signing in and out. The bodies are empty: who gets as far as that is the question here. */
export const sessions: Resource = {
  routes: {
    "POST /signin": { who: "anyone", ok: 400, body: {}, anonymousAlways: true, readonlyToo: true },
    "POST /signin/verify": { who: "anyone", ok: 400, body: {}, readonlyToo: true },
    "POST /signout": {
      who: "stranger U:adm",
      except: [{
        callers: ["superuser's super:user"],
        variants: ["REGISTRY_STATE: readonly"],
        status: 200,
        why: "nothing is changed then: no session ends",
      }],
      ok: 200,
      anonymousAlways: true,
      readonlyToo: true,
    },
    "POST /user/initialize": { who: "anyone", ok: 400, body: {}, anonymousAlways: true, noCsrf: true },
  },
};
