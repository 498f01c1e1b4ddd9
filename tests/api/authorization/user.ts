import type { Resource } from "./rules.ts";

/** The own account. */
export const users: Resource = {
  routes: {
    "GET /user/": { who: "U:read", ok: 200, anonymousAlways: true },
    "PUT /user/": { who: "U:adm", ok: 200, body: {}, FL: true },
    // The body is empty: whom it lets so far is the question here.
    "POST /user/": { who: "anyone", ok: 400, body: {} },
    "DELETE /user/": {
      who: "U:adm",
      ok: 204,
      FL: true,
      except: [{
        callers: ["organization admin", "organization admin's user:admin"],
        variants: ["ordinary", "FEATURE_SUPERUSERS_FULL_ACCESS", "FEATURE_RESTRICTED_USERS"],
        status: 400,
        why: "alice is the only administrator of acme",
      }],
    },
    "GET /users/{username}": { who: "anyone", ok: 200, with: { username: "mia" }, absent: 404 },
    // A password that is nobody's.
    "POST /user/clientkey": { who: "U:adm", ok: 400, body: { password: "wrong-password" } },
    "POST /user/convert": {
      who: "U:adm",
      ok: 400,
      body: { adminUser: "nobody", adminPassword: "wrong-password" },
    },
    "POST /recovery": {
      who: "anyone",
      ok: 200,
      body: { email: "nobody@example.org" },
      anonymousAlways: true,
      features: ["FEATURE_MAILING"],
    },
    "POST /externallogin/{service_id}": {
      who: "anyone",
      ok: 400,
      with: { service_id: "unknown" },
      body: { kind: "login" },
      anonymousAlways: true,
      readonlyToo: true,
    },
    "POST /detachexternal/{service_id}": { who: "U:adm", ok: 200, with: { service_id: "github" } },
  },
};
