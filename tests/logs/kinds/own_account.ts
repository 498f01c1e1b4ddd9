/** What people do to their own accounts, robots and default permissions; who is asked to join a team. */
import { addRealUser, PASSWORD } from "../../api/site.ts";
import type { World } from "../world.ts";
import { ANY_TEXT, byAlice, type Writing, type Writings } from "./written.ts";

const own = byAlice({ account: "alice" });
const inAcme = byAlice({ account: "acme" });
const ACME = "/organization/acme";
const ROBOT = `${ACME}/robots/ci`;
const PROTOTYPES = `${ACME}/prototypes`;
const SYNCED = { FEATURE_TEAM_SYNCING: true, AUTHENTICATION_TYPE: "LDAP", SUPER_USERS: ["alice"] } as const;
const MAILED = { FEATURE_MAILING: true };

const readers = { role: "read", delegate: { name: "members", kind: "team" } };
const prototype = {
  prototypeid: ANY_TEXT,
  username: "alice",
  activating_username: null,
  delegate_team: "members",
};

/** The id of the only default permission there. */
async function prototypeId({ alice }: World): Promise<string> {
  return (await alice.expect(200, "POST", PROTOTYPES, readers)).id;
}

/** Invites bob to the team, who answers. */
function answered(method: "PUT" | "DELETE", status: number): Writing {
  return {
    config: MAILED,
    async act({ site, alice }) {
      await alice.expect(200, "PUT", `${ACME}/team/members/members/bob`);
      const bob = await site.browserOf("bob");
      const { notifications: [{ metadata }] } = await bob.expect(200, "GET", "/user/notifications");
      await bob.expect(status, method, `/teaminvite/${metadata.code}`);
    },
    row: () => ({
      account: "acme",
      performer: "bob",
      metadata: { member: "bob", team: "members", inviter: "alice" },
    }),
  };
}

export const ownAccountKinds: Writings = {
  account_change_password: own({ username: "alice" }, [200, "PUT", "/user/", {
    password: "another-password",
  }]),
  account_convert: {
    async act({ site, deps }) {
      await addRealUser(deps, "dave");
      const bob = await site.browserOf("bob");
      await bob.expect(200, "POST", "/user/convert", { adminUser: "dave", adminPassword: PASSWORD });
    },
    row: () => ({ account: "bob", performer: "bob", metadata: { username: "bob", admin: "dave" } }),
  },
  user_change_name: {
    ...byAlice({ account: "alicia", performer: "alicia" })(
      { old_username: "alice", username: "alicia" },
      [200, "PUT", "/user/", { username: "alicia" }],
    ),
    config: { FEATURE_USER_RENAME: true },
  },
  user_change_invoicing: own({ invoice_email: true }, [200, "PUT", "/user/", { invoice_email: true }]),
  user_change_tag_expiration: own({ tag_expiration: 86_400 }, [200, "PUT", "/user/", {
    tag_expiration_s: 86_400,
  }]),
  user_change_metadata: {
    ...own({ company: "ACME" }, [200, "PUT", "/user/", { company: "ACME" }]),
    config: { FEATURE_USER_METADATA: true },
  },
  user_generate_client_key: {
    async act({ site, deps }) {
      await addRealUser(deps, "dave");
      await (await site.browserOf("dave")).expect(200, "POST", "/user/clientkey", { password: PASSWORD });
    },
    row: () => ({ account: "dave", performer: "dave", metadata: { username: "dave" } }),
  },
  user_delete: {
    act: async ({ site }) => (await site.browserOf("bob")).expect(204, "DELETE", "/user/"),
    row: () => ({ metadata: { username: "bob" } }),
  },
  create_robot: inAcme(
    { robot: "ci", description: "builds", unstructured_metadata: { a: 1 } },
    [201, "PUT", ROBOT, { description: "builds", unstructured_metadata: { a: 1 } }],
  ),
  regenerate_robot_token: inAcme({ robot: "ci" }, [201, "PUT", ROBOT], [200, "POST", `${ROBOT}/regenerate`]),
  delete_robot: inAcme({ robot: "ci" }, [201, "PUT", ROBOT], [204, "DELETE", ROBOT]),
  create_prototype_permission: inAcme({ ...prototype, role: "read" }, [200, "POST", PROTOTYPES, readers]),
  modify_prototype_permission: {
    act: async (world) =>
      world.alice.expect(200, "PUT", `${PROTOTYPES}/${await prototypeId(world)}`, { role: "write" }),
    row: () => ({
      account: "acme",
      performer: "alice",
      metadata: { ...prototype, role: "write", original_role: "read" },
    }),
  },
  delete_prototype_permission: {
    act: async (world) => world.alice.expect(204, "DELETE", `${PROTOTYPES}/${await prototypeId(world)}`),
    row: () => ({ account: "acme", performer: "alice", metadata: { ...prototype, role: "read" } }),
  },
  org_change_email: inAcme(
    { email: "acme@x.org", old_email: "", namespace: "acme" },
    [200, "PUT", ACME, { email: "acme@x.org" }],
  ),
  org_change_invoicing: inAcme(
    { invoice_email_address: "bills@x.org", namespace: "acme" },
    [200, "PUT", ACME, { invoice_email_address: "bills@x.org" }],
  ),
  org_change_tag_expiration: inAcme(
    { tag_expiration: 86_400, namespace: "acme" },
    [200, "PUT", ACME, { tag_expiration_s: 86_400 }],
  ),
  org_invite_team_member: {
    ...inAcme({ user: "bob", member: "bob", team: "members" }, [
      200,
      "PUT",
      `${ACME}/team/members/members/bob`,
    ]),
    config: MAILED,
  },
  org_delete_team_member_invite: {
    ...inAcme(
      { email: "new@x.org", member: "new@x.org", team: "members" },
      [200, "PUT", `${ACME}/team/members/invite/new@x.org`],
      [204, "DELETE", `${ACME}/team/members/invite/new@x.org`],
    ),
    config: MAILED,
  },
  org_team_member_invite_accepted: answered("PUT", 200),
  org_team_member_invite_declined: answered("DELETE", 204),
  enable_team_sync: {
    ...inAcme(
      { team: "members", group_dn: "cn=crew" },
      [200, "POST", `${ACME}/team/members/syncing`, { group_dn: "cn=crew" }],
    ),
    config: { ...SYNCED, SUPER_USERS: [...SYNCED.SUPER_USERS] },
  },
  disable_team_sync: {
    ...inAcme(
      { team: "members" },
      [200, "POST", `${ACME}/team/members/syncing`, { group_dn: "cn=crew" }],
      [200, "DELETE", `${ACME}/team/members/syncing`],
    ),
    config: { ...SYNCED, SUPER_USERS: [...SYNCED.SUPER_USERS] },
  },
};
