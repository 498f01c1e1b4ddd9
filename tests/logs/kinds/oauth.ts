/** OAuth applications and what is issued for them, application-specific tokens, federated robots. */
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { forgetIssuers } from "../../../src/domain/oidc_issuers.ts";
import { exchangeIdentityToken } from "../../../src/domain/robot_federation.ts";
import { putKey } from "../../../src/domain/service_key_server.ts";
import { bearerFor } from "../../blobs/bearer.ts";
import { withIssuer } from "../../oauth/issuer.ts";
import type { World } from "../world.ts";
import { ANY_TEXT, type Writing, type Writings } from "./written.ts";

const AT = "/organization/acme/applications";
const FIELDS = { name: "app", redirect_uri: "https://app.example/", application_uri: "" };
const FEDERATION = "/organization/acme/robots/ci/federation";
const APPLICATION = { application_name: "app", client_id: ANY_TEXT };

async function newApplication({ alice }: World): Promise<string> {
  return (await alice.expect(200, "POST", AT, FIELDS)).client_id;
}

async function newToken(world: World): Promise<string> {
  const at = `${AT}/${await newApplication(world)}/tokens`;
  return `${at}/${(await world.alice.expect(200, "POST", at, { name: "t", scope: "repo:read" })).uuid}`;
}

function writes(
  account: string,
  act: (world: World) => Promise<unknown>,
  metadata: Record<string, unknown>,
): Writing {
  return { act, row: () => ({ account, performer: "alice", metadata }) };
}

/** A page of the flow by alice, whose form has been filled in. */
async function post({ alice }: World, path: string, fields: Record<string, string>): Promise<void> {
  const response = await alice.call("POST", path, {
    body: new URLSearchParams(fields).toString(),
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
  });
  await response.body?.cancel();
  if (response.status >= 400) throw new Error(`POST ${path}: ${response.status}`);
}

const newAppToken = async ({ alice }: World): Promise<string> =>
  (await alice.expect(200, "POST", "/user/apptoken", { title: "laptop" })).token.uuid;
const APP_TOKEN = { app_specific_token_title: "laptop", app_specific_token: ANY_TEXT };

async function federate({ alice }: World, issuer: string): Promise<void> {
  await alice.expect(201, "PUT", "/organization/acme/robots/ci");
  await alice.expect(200, "POST", FEDERATION, [{ issuer, subject: "s" }]);
}

export const oauthKinds: Writings = {
  create_application: writes("acme", newApplication, APPLICATION),
  update_application: writes(
    "acme",
    async (world) => await world.alice.expect(200, "PUT", `${AT}/${await newApplication(world)}`, FIELDS),
    APPLICATION,
  ),
  delete_application: writes(
    "acme",
    async (world) => await world.alice.expect(204, "DELETE", `${AT}/${await newApplication(world)}`),
    APPLICATION,
  ),
  reset_application_client_secret: writes(
    "acme",
    async (world) =>
      await world.alice.expect(200, "POST", `${AT}/${await newApplication(world)}/resetclientsecret`),
    APPLICATION,
  ),
  create_oauth_api_token: writes("acme", newToken, {
    ...APPLICATION,
    oauth_token_uuid: ANY_TEXT,
    token_display_name: "t",
    scope: "repo:read",
    auth_method: "OAuth",
  }),
  revoke_oauth_api_token: writes(
    "acme",
    async (world) => await world.alice.expect(204, "DELETE", await newToken(world)),
    { ...APPLICATION, oauth_token_uuid: ANY_TEXT },
  ),
  oauth_token_assigned: writes(
    "acme",
    async (world) => {
      const [client_id, redirect_uri] = [await newApplication(world), FIELDS.redirect_uri];
      const wanted = { client_id, redirect_uri, scope: "repo:read", username: "bob" };
      await post(world, "/oauth/authorize/assignuser", wanted);
    },
    { ...APPLICATION, assigned_user: "bob", scope: "repo:read" },
  ),
  oauth_token_revoked: writes(
    "acme",
    async (world) => {
      const [client_id, redirect_uri] = [await newApplication(world), FIELDS.redirect_uri];
      await post(world, "/oauth/authorizeapp", { client_id, redirect_uri, scope: "repo:read" });
      const { authorizations } = await world.alice.expect(200, "GET", "/user/authorizations");
      await world.alice.expect(204, "DELETE", `/user/authorizations/${authorizations[0].uuid}`);
    },
    { ...APPLICATION, oauth_token_uuid: ANY_TEXT, scope: "repo:read" },
  ),
  create_app_specific_token: writes("alice", newAppToken, APP_TOKEN),
  revoke_app_specific_token: writes(
    "alice",
    async (world) => await world.alice.expect(204, "DELETE", `/user/apptoken/${await newAppToken(world)}`),
    APP_TOKEN,
  ),
  create_robot_federation: writes(
    "acme",
    async (world) => await federate(world, "https://issuer.example"),
    { config: [{ issuer: "https://issuer.example", subject: "s" }], robot: "ci" },
  ),
  delete_robot_federation: writes(
    "acme",
    async (world) => {
      await federate(world, "https://issuer.example");
      await world.alice.expect(204, "DELETE", FEDERATION);
    },
    { robot: "ci" },
  ),
  federated_robot_token_exchange: {
    config: { SSRF_ALLOWED_HOSTS: ["localhost"] },
    act: (world) =>
      withIssuer(async (issuer) => {
        await federate(world, issuer.url);
        const deps = { ...world.deps, authorities: [issuer.authority] };
        // Makes the instance's key.
        await bearerFor(deps, {});
        const nowS = Math.floor(deps.now() / 1000);
        const jwt = await issuer.sign({ iss: issuer.url, sub: "s", iat: nowS, exp: nowS + 60 });
        await exchangeIdentityToken(deps, "acme+ci", jwt, undefined);
        await forgetIssuers(deps);
      }),
    row: () => ({
      account: "acme",
      performer: "acme+ci",
      metadata: { subject: "s", issuer: ANY_TEXT, robot: "acme+ci" },
    }),
  },
  service_key_rotate: {
    async act({ deps, root }) {
      const pairs = [await generateKeyPair("ES256"), await generateKeyPair("ES256")] as const;
      const submit = async (
        kid: string,
        pair: (typeof pairs)[number],
        signer: string,
        by: (typeof pairs)[number],
      ) => {
        const audience = `${deps.config.PREFERRED_URL_SCHEME}://${deps.config.SERVER_HOSTNAME}`;
        const jwt = await new SignJWT({}).setProtectedHeader({ alg: "ES256", kid: signer }).setIssuer(
          "builder",
        )
          .setAudience(audience).setExpirationTime("1m").sign(by.privateKey);
        const jwk = await exportJWK(pair.publicKey);
        const key = { jwk, expiresAtMs: null, rotationDurationS: null };
        await putKey(deps, { kind: "anonymous" }, { service: "builder", kid }, jwt, key);
      };
      await submit("old", pairs[0], "old", pairs[0]);
      await root.expect(201, "POST", "/superuser/approvedkeys/old", { notes: "" });
      await submit("new", pairs[1], "old", pairs[0]);
    },
    row: () => ({
      performer: null,
      metadata: {
        kid: "new",
        signer_kid: "old",
        service: "builder",
        name: "",
        expiration_date: null,
        user_agent: null,
        ip: null,
      },
    }),
  },
};
