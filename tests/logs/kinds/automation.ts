/** Robots, default permissions, applications and their tokens. */
import { ANY_TEXT, byAlice, type Writings } from "./written.ts";
import type { World } from "../world.ts";

const inAcme = byAlice({ account: "acme" });
const ACME = "/organization/acme";
const ROBOT = `${ACME}/robots/ci`;
const MADE: [number, string, string] = [201, "PUT", ROBOT];
const APPLICATIONS = `${ACME}/applications`;
const APPLICATION = { application_name: "Reporter", client_id: ANY_TEXT };
const TRUSTED = [{ issuer: "https://issuer.example.org", subject: "builder" }];

const PROTOTYPE = { role: "read", delegate: { name: "bob", kind: "user" } };
const PROTOTYPE_ROW = {
  prototypeid: ANY_TEXT,
  username: "alice",
  activating_username: null,
  role: "read",
  delegate_user: "bob",
};

async function prototype({ alice }: World): Promise<string> {
  const { id } = await alice.expect(200, "POST", `${ACME}/prototypes`, PROTOTYPE);
  return `${ACME}/prototypes/${id}`;
}

async function application({ alice }: World): Promise<string> {
  const { client_id } = await alice.expect(200, "POST", APPLICATIONS, { name: "Reporter" });
  return `${APPLICATIONS}/${client_id}`;
}

function writes(act: (world: World) => Promise<unknown>, metadata: Record<string, unknown>) {
  return { act, row: () => ({ account: "acme", performer: "alice", metadata }) };
}

const TOKEN = { name: "nightly", scope: "repo:read", expiration: 3600 };

export const automationKinds: Writings = {
  create_robot: inAcme(
    { robot: "ci", description: "builds", unstructured_metadata: {} },
    [201, "PUT", ROBOT, { description: "builds" }],
  ),
  delete_robot: inAcme({ robot: "ci" }, MADE, [204, "DELETE", ROBOT]),
  regenerate_robot_token: inAcme({ robot: "ci" }, MADE, [200, "POST", `${ROBOT}/regenerate`]),
  create_robot_federation: inAcme(
    { robot: "ci", config: TRUSTED },
    MADE,
    [200, "POST", `${ROBOT}/federation`, TRUSTED],
  ),
  delete_robot_federation: inAcme({ robot: "ci" }, MADE, [204, "DELETE", `${ROBOT}/federation`]),
  create_prototype_permission: writes(prototype, PROTOTYPE_ROW),
  modify_prototype_permission: writes(
    async (world) => await world.alice.expect(200, "PUT", await prototype(world), { role: "admin" }),
    { ...PROTOTYPE_ROW, role: "admin", original_role: "read" },
  ),
  delete_prototype_permission: writes(
    async (world) => await world.alice.expect(204, "DELETE", await prototype(world)),
    PROTOTYPE_ROW,
  ),
  create_application: writes(application, APPLICATION),
  update_application: writes(
    async (world) =>
      await world.alice.expect(200, "PUT", await application(world), {
        name: "Renamed",
        redirect_uri: "",
        application_uri: "",
      }),
    { ...APPLICATION, application_name: "Renamed" },
  ),
  reset_application_client_secret: writes(
    async (world) => await world.alice.expect(200, "POST", `${await application(world)}/resetclientsecret`),
    APPLICATION,
  ),
  delete_application: writes(
    async (world) => await world.alice.expect(204, "DELETE", await application(world)),
    APPLICATION,
  ),
  create_oauth_api_token: writes(
    async (world) => await world.alice.expect(200, "POST", `${await application(world)}/tokens`, TOKEN),
    {
      ...APPLICATION,
      oauth_token_uuid: ANY_TEXT,
      token_display_name: "nightly",
      scope: "repo:read",
      auth_method: "OAuth",
    },
  ),
  revoke_oauth_api_token: writes(
    async (world) => {
      const at = await application(world);
      const { uuid } = await world.alice.expect(200, "POST", `${at}/tokens`, TOKEN);
      await world.alice.expect(204, "DELETE", `${at}/tokens/${uuid}`);
    },
    { ...APPLICATION, oauth_token_uuid: ANY_TEXT },
  ),
  export_logs_success: inAcme(
    { export_id: ANY_TEXT, url: null, email: "auditor@example.org" },
    [200, "POST", `${ACME}/exportlogs`, { callback_email: "auditor@example.org" }],
  ),
  export_logs_failure: inAcme(
    { url: "gopher://example.org/", email: null, error: "Invalid callback URL" },
    [400, "POST", `${ACME}/exportlogs`, { callback_url: "gopher://example.org/" }],
  ),
};
