/** People, organizations and teams. */
import { PASSWORD } from "../world.ts";
import { expect } from "@std/testing";
import { byAlice, byRoot, type Writings } from "./written.ts";

const inAcme = byAlice({ account: "acme" });
const ACME = "/organization/acme";
const BOB = "/superuser/users/bob";

export const accountKinds: Writings = {
  login_success: {
    act: ({ login }) => login("dave", PASSWORD),
    row: () => ({
      account: "dave",
      performer: "dave",
      ip: "192.0.2.7",
      metadata: { type: "v2auth", useragent: "client/1", username: "dave" },
    }),
  },
  login_failure: {
    act: ({ login }) => login("dave", "not-the-password"),
    row: () => ({
      account: "dave",
      performer: "dave",
      metadata: {
        type: "v2auth",
        kind: "user",
        useragent: "client/1",
        username: "dave",
        message: "Invalid Username or Password",
      },
    }),
  },
  logout_success: byAlice({ account: "alice" })(
    { type: "quayauth", useragent: "", username: "alice" },
    [200, "POST", "/signout"],
  ),
  org_create: byAlice({ account: "made" })(
    { email: "made@example.org", namespace: "made" },
    [201, "POST", "/organization/", { name: "made", email: "made@example.org" }],
  ),
  org_create_team: inAcme({ team: "crew" }, [200, "PUT", `${ACME}/team/crew`, { role: "member" }]),
  org_set_team_role: inAcme(
    { team: "members", role: "creator" },
    [200, "PUT", `${ACME}/team/members`, { role: "creator" }],
  ),
  org_set_team_description: inAcme(
    { team: "members", description: "all of us" },
    [200, "PUT", `${ACME}/team/members`, { role: "member", description: "all of us" }],
  ),
  org_delete_team: inAcme({ team: "members" }, [204, "DELETE", `${ACME}/team/members`]),
  org_add_team_member: inAcme(
    { member: "carol", team: "creators" },
    [200, "PUT", `${ACME}/team/creators/members/carol`],
  ),
  org_remove_team_member: inAcme(
    { member: "carol", team: "members" },
    [204, "DELETE", `${ACME}/team/members/members/carol`],
  ),
  user_create: {
    act: ({ root }) => root.expect(200, "POST", "/superuser/users/", { username: "erin", email: "e@x.org" }),
    row: () => ({
      account: "erin",
      performer: "root",
      metadata: { username: "erin", email: "e@x.org", superuser: "root" },
    }),
  },
  org_delete: {
    act: ({ alice }) => alice.expect(204, "DELETE", ACME),
    row: () => ({ performer: "alice", metadata: { namespace: "acme" } }),
  },
  org_change_email: inAcme(
    { email: "new@example.org", old_email: "", namespace: "acme" },
    [200, "PUT", ACME, { email: "new@example.org" }],
  ),
  org_change_invoicing: inAcme(
    { invoice_email: true, namespace: "acme" },
    [200, "PUT", ACME, { invoice_email: true }],
  ),
  org_change_tag_expiration: inAcme(
    { tag_expiration: 86_400, namespace: "acme" },
    [200, "PUT", ACME, { tag_expiration_s: 86_400 }],
  ),
  org_change_name: byRoot({ account: "renamed" }, { old_name: "acme", new_name: "renamed" }, [
    200,
    "PUT",
    "/superuser/organizations/acme",
    { name: "renamed" },
  ]),
  take_ownership: {
    act: ({ root }) => root.expect(200, "POST", "/superuser/takeownership/acme"),
    row: () => ({
      account: "root",
      performer: "root",
      metadata: { entity_id: expect.any(Number), namespace: "acme", was_user: false, superuser: "root" },
    }),
  },
  user_disable: byRoot({ account: "bob" }, { username: "bob" }, [200, "PUT", BOB, { enabled: false }]),
  user_enable: byRoot({ account: "bob" }, { username: "bob" }, [200, "PUT", BOB, { enabled: false }], [
    200,
    "PUT",
    BOB,
    { enabled: true },
  ]),
  user_change_password: byRoot({ account: "bob" }, { username: "bob" }, [200, "PUT", BOB, {
    password: "another-password",
  }]),
  user_change_email: byRoot(
    { account: "bob" },
    { username: "bob", email: "b@x.org", old_email: "bob@example.org" },
    [200, "PUT", BOB, { email: "b@x.org" }],
  ),
};
