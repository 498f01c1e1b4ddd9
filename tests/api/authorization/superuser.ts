import { createMessage } from "../../../src/domain/notifications/messages.ts";
import { insertServiceKey } from "../../../src/drivers/database/queries/service_key.ts";
import { insertAccount } from "../../../src/drivers/database/queries/user.ts";
import type { Resource, RouteRule } from "./rules.ts";
import { FOREIGN } from "./world.ts";
import { OPERATOR } from "../site.ts";

/** What superusers look at: nothing of it without `FEATURE_SUPER_USERS`. */
const shown = (who: string, ok: number, more: Partial<RouteRule> = {}): RouteRule => ({
  who,
  ok,
  features: ["FEATURE_SUPER_USERS"],
  ...more,
});

/** What they manage: `FL` unless noted. */
const managed = (who: string, ok: number, more: Partial<RouteRule> = {}) =>
  shown(who, ok, { FL: true, ...more });

const user = { with: { username: "managed" }, absent: 404 };
const organization = { with: { name: FOREIGN }, absent: 404 };
const key = { with: { kid: "managed-key" }, absent: 404 };
const build = { with: { build_uuid: "none" } };

export const superusers: Resource = {
  routes: {
    "GET /superuser/users/": managed("SU GRO", 200),
    "POST /superuser/users/": managed("SU", 200, { body: { username: "made", email: "made@example.org" } }),
    "GET /superuser/users/{username}": managed("SU GRO", 200, user),
    "PUT /superuser/users/{username}": managed("SU", 200, { ...user, body: { enabled: false } }),
    "DELETE /superuser/users/{username}": managed("SU", 204, user),
    "POST /superusers/users/{username}/sendrecovery": managed("SU", 200, {
      with: { username: "managed" },
      features: ["FEATURE_SUPER_USERS", "FEATURE_MAILING"],
    }),
    "GET /superuser/organizations/": managed("SU GRO", 200),
    "PUT /superuser/organizations/{name}": managed("SU", 200, { ...organization, body: { name: "renamed" } }),
    "DELETE /superuser/organizations/{name}": managed("SU", 204, organization),
    "POST /superuser/takeownership/{namespace}": managed("SU", 200, {
      with: { namespace: FOREIGN },
      absent: 404,
      on: "registry",
    }),
    "GET /superuser/keys": shown("SU GRO", 200),
    "POST /superuser/keys": managed("SU", 200, { body: { service: "made", expiration: null } }),
    "GET /superuser/keys/{kid}": shown("SU GRO", 200, key),
    "PUT /superuser/keys/{kid}": managed("SU", 200, { ...key, body: { name: "renamed" } }),
    "DELETE /superuser/keys/{kid}": managed("SU", 204, key),
    "POST /superuser/approvedkeys/{kid}": managed("SU", 201, { ...key, body: {} }),
    "GET /superuser/registrysize/": managed("SU GRO", 200),
    "POST /superuser/registrysize/": managed("SU", 201),
    "GET /superuser/changelog/": managed("SU", 200),
    "GET /superuser/registrystatus": managed("SU GRO", 200),
    "GET /superuser/config": managed("SU", 200, {
      features: ["FEATURE_SUPER_USERS", "FEATURE_SUPERUSER_CONFIGDUMP"],
    }),
    "GET /superuser/apptokens": managed("SUF GRO", 200, {
      features: ["FEATURE_SUPER_USERS", "FEATURE_APP_SPECIFIC_TOKENS"],
    }),
    // There are no builds.
    "GET /superuser/{build_uuid}/logs": managed("SU GRO", 404, build),
    "GET /superuser/{build_uuid}/status": managed("SU GRO", 404, build),
    "GET /superuser/{build_uuid}/build": managed("SU GRO", 404, build),
    "GET /messages": { who: "anyone", ok: 200 },
    "POST /messages": managed("SU", 201, {
      body: { message: { content: "x", media_type: "text/plain", severity: "info" } },
    }),
    "DELETE /message/{uuid}": managed("SU", 204, { with: { uuid: "{message}" }, absent: 404 }),
  },
  async prepare(world) {
    const { deps } = world;
    await insertAccount(deps.sql, {
      username: "managed",
      email: "managed@example.org",
      passwordHash: null,
      verified: true,
      kind: "user",
      tagExpirationS: 0,
      nowMs: deps.now(),
    });
    await insertServiceKey(deps.sql, {
      name: "",
      kid: "managed-key",
      service: "managed",
      jwk: "{}",
      metadata: "{}",
      nowMs: deps.now(),
      expiresAtMs: null,
      approvalId: null,
    });
    const message = { content: "x", mediaType: "text/plain", severity: "info" } as const;
    world.note("", { message: await createMessage(deps, OPERATOR, message) });
  },
};
