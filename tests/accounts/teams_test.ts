import { expect } from "@std/testing";
import { OPERATOR, PASSWORD, withSite } from "../api/site.ts";
import type { Config } from "../../src/config/schema.ts";
import { hashPassword } from "../../src/domain/accounts/passwords.ts";
import { AppError } from "../../src/lib/errors.ts";
import { createRobot } from "../../src/domain/accounts/robots.ts";
import { kindsOf, logOf, withMailedSite } from "./mailbox.ts";

const TEAM = "/organization/acme/team/members";

/** Names and e-mail addresses of who is in the team, and of who is asked to be. */
// deno-lint-ignore no-explicit-any
const short = ({ members }: any) =>
  members.map(({ kind, name, email, invited }: Record<string, unknown>) => [kind, name ?? email, invited]);

Deno.test("team/{team}: what happens to teams is in the log, what does not is not", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    const before = (await logOf(site, "acme")).length;
    await alice.expect(200, "PUT", "/organization/acme/team/builders", {
      role: "member",
      description: "They build",
    });
    await alice.expect(200, "PUT", "/organization/acme/team/builders", {
      role: "member",
      description: "They build",
    });
    await alice.expect(200, "PUT", "/organization/acme/team/builders", {
      role: "creator",
      description: "Builders",
    });
    await alice.expect(200, "PUT", "/organization/acme/team/builders/members/bob");
    await alice.expect(400, "PUT", "/organization/acme/team/builders/members/bob");
    await alice.expect(204, "DELETE", "/organization/acme/team/builders/members/bob");
    await alice.expect(204, "DELETE", "/organization/acme/team/builders");
    expect((await logOf(site, "acme")).slice(before).map(({ kind, metadata }) => ({ kind, ...metadata })))
      .toEqual([
        { kind: "org_create_team", team: "builders" },
        { kind: "org_set_team_description", team: "builders", description: "Builders" },
        { kind: "org_set_team_role", team: "builders", role: "creator" },
        { kind: "org_add_team_member", team: "builders", member: "bob" },
        { kind: "org_remove_team_member", team: "builders", member: "bob" },
        { kind: "org_delete_team", team: "builders" },
      ]);
  });
});

Deno.test("PUT members/{member} with mails: outsiders are asked, members and robots are added at once", async () => {
  await withMailedSite({}, async (site, mailbox) => {
    const alice = await site.browserOf("alice");
    await createRobot(site.deps, OPERATOR, { namespace: "acme", short: "ci" });
    expect(await alice.expect(200, "PUT", `${TEAM}/members/acme+ci`)).toMatchObject({ invited: false });
    expect(await alice.expect(200, "PUT", "/organization/acme/team/creators/members/carol"))
      .toMatchObject({ invited: false });
    expect(mailbox.sent).toEqual([]);
    expect(await alice.expect(200, "PUT", `${TEAM}/members/bob`)).toMatchObject({
      name: "bob",
      invited: true,
    });
    const first = await mailbox.nextLink("bob@example.org");
    // Asked again: the same invitation, mailed again, one notification.
    await alice.expect(200, "PUT", `${TEAM}/members/bob`);
    expect(await mailbox.nextLink("bob@example.org")).toBe(first);
    const bob = await site.browserOf("bob");
    expect((await bob.expect(200, "GET", "/user/notifications")).notifications).toEqual([
      expect.objectContaining({
        kind: "org_team_invite",
        metadata: expect.objectContaining({ org: "acme", team: "members", inviter: "alice" }),
      }),
    ]);
    expect(short(await alice.expect(200, "GET", `${TEAM}/members`))).toEqual([
      ["user", "acme+ci", false],
      ["user", "carol", false],
    ]);
    expect(short(await alice.expect(200, "GET", `${TEAM}/members?includePending=true`))).toEqual([
      ["user", "acme+ci", false],
      ["user", "carol", false],
      ["user", "bob", true],
    ]);
    // Who is in the team sees it, not who was asked, and changes nothing.
    const carol = await site.browserOf("carol");
    const seen = await carol.expect(200, "GET", `${TEAM}/members?includePending=true`);
    expect([short(seen).length, seen.can_edit]).toEqual([2, false]);
    await bob.expect(403, "GET", `${TEAM}/members`);

    const code = first.split("=")[1];
    // Meant for bob.
    expect((await carol.expect(400, "PUT", `/teaminvite/${code}`)).error_message).not.toContain("bob");
    expect(await bob.expect(200, "PUT", `/teaminvite/${code}`)).toEqual({ org: "acme", team: "members" });
    await bob.expect(400, "PUT", `/teaminvite/${code}`);
    await bob.expect(200, "GET", `${TEAM}/members`);
    expect((await bob.expect(200, "GET", "/user/notifications")).notifications).toEqual([]);
    expect((await logOf(site, "acme")).at(-1)).toEqual({
      kind: "org_team_member_invite_accepted",
      performer: "bob",
      metadata: { member: "bob", team: "members", inviter: "alice" },
    });
  });
});

Deno.test("an invitation is declined, or taken back", async () => {
  await withMailedSite({}, async (site, mailbox) => {
    const alice = await site.browserOf("alice");
    const bob = await site.browserOf("bob");
    await alice.expect(200, "PUT", `${TEAM}/members/bob`);
    const declined = (await mailbox.nextLink("bob@example.org")).split("=")[1];
    await bob.expect(204, "DELETE", `/teaminvite/${declined}`);
    await bob.expect(400, "PUT", `/teaminvite/${declined}`);
    await alice.expect(200, "PUT", `${TEAM}/members/bob`);
    const takenBack = (await mailbox.nextLink("bob@example.org")).split("=")[1];
    expect(takenBack).not.toBe(declined);
    await alice.expect(204, "DELETE", `${TEAM}/members/bob`);
    await bob.expect(400, "PUT", `/teaminvite/${takenBack}`);
    await alice.expect(400, "DELETE", `${TEAM}/members/bob`);
    expect((await bob.expect(200, "GET", "/user/notifications")).notifications).toEqual([]);
    const kinds = await kindsOf(site, "acme");
    expect(kinds.filter((kind) => kind.includes("invite"))).toEqual([
      "org_invite_team_member",
      "org_team_member_invite_declined",
      "org_invite_team_member",
      "org_delete_team_member_invite",
    ]);
    for (const code of ["x", "a".repeat(1000), "%F0%9F%98%80"]) {
      await bob.expect(400, "PUT", `/teaminvite/${code}`);
      await bob.expect(400, "DELETE", `/teaminvite/${code}`);
    }
    await alice.expect(403, "PUT", "/organization/other/team/members/members/bob");
  });
});

Deno.test("invitations end with the team, the organization and the people that they are about", async () => {
  await withMailedSite({}, async (site, mailbox) => {
    const alice = await site.browserOf("alice");
    const bob = await site.browserOf("bob");
    const codeFor = async (team: string) => {
      await alice.expect(200, "PUT", `/organization/acme/team/${team}/members/bob`);
      return (await mailbox.nextLink("bob@example.org")).split("=")[1];
    };
    const notified = async () => (await bob.expect(200, "GET", "/user/notifications")).notifications.length;
    const [first, second] = [await codeFor("members"), await codeFor("creators")];
    expect(await notified()).toBe(2);
    await alice.expect(204, "DELETE", TEAM);
    expect(await notified()).toBe(1);
    await bob.expect(400, "PUT", `/teaminvite/${first}`);
    await alice.expect(204, "DELETE", "/organization/acme");
    expect(await notified()).toBe(0);
    await bob.expect(400, "PUT", `/teaminvite/${second}`);

    await alice.expect(201, "POST", "/organization/", { name: "next", email: "next@example.org" });
    await alice.expect(200, "PUT", "/organization/next/team/crew", { role: "member" });
    await alice.expect(200, "PUT", "/organization/next/team/crew/members/bob");
    await bob.expect(204, "DELETE", "/user/");
    const { members } = await alice.expect(
      200,
      "GET",
      "/organization/next/team/crew/members?includePending=true",
    );
    expect(members).toEqual([]);
  });
});

Deno.test("one invitation accepted many times at once: one membership, one row in the log", async () => {
  await withMailedSite({}, async (site, mailbox) => {
    await (await site.browserOf("alice")).expect(200, "PUT", `${TEAM}/members/bob`);
    const code = (await mailbox.nextLink("bob@example.org")).split("=")[1];
    const bob = await site.browserOf("bob");
    const answers = await Promise.all([1, 2, 3, 4].map(() => bob.api("PUT", `/teaminvite/${code}`)));
    await Promise.all(answers.map((answer) => answer.body?.cancel()));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400]);
    const kinds = await kindsOf(site, "acme");
    expect(kinds.filter((kind) => kind === "org_team_member_invite_accepted").length).toBe(1);
  });
});

Deno.test("FEATURE_REQUIRE_TEAM_INVITE: false: outsiders are added at once", async () => {
  await withMailedSite({ FEATURE_REQUIRE_TEAM_INVITE: false }, async (site, mailbox) => {
    const alice = await site.browserOf("alice");
    expect(await alice.expect(200, "PUT", `${TEAM}/members/bob`)).toMatchObject({ invited: false });
    expect(mailbox.sent).toEqual([]);
  });
});

Deno.test("invite/{email}: whoever reads the mail may join; when it cannot be sent nobody is invited", async () => {
  await withMailedSite({}, async (site, mailbox) => {
    const alice = await site.browserOf("alice");
    const at = `${TEAM}/invite/dave@example.org`;
    expect(await alice.expect(200, "PUT", at)).toMatchObject({
      kind: "invite",
      email: "dave@example.org",
      invited: true,
    });
    const code = (await mailbox.nextLink("dave@example.org")).split("=")[1];
    expect(short(await alice.expect(200, "GET", `${TEAM}/members?includePending=1`))).toEqual([
      ["user", "carol", false],
      ["invite", "dave@example.org", true],
    ]);
    await alice.expect(204, "DELETE", `${TEAM}/invite/Dave@Example.org`);
    await alice.expect(404, "DELETE", at);
    await (await site.browserOf("bob")).expect(400, "PUT", `/teaminvite/${code}`);
    for (const email of ["nonsense", "a@b@c", "%20@example.org", "a%0d%0aBcc:x@example.org"]) {
      await alice.expect(400, "PUT", `${TEAM}/invite/${email}`);
    }
    await alice.expect(404, "PUT", "/organization/acme/team/nobody/invite/dave@example.org");
    const { mail } = site.deps;
    mail.send = () => Promise.reject(new AppError("mail_failed", "The mail could not be sent: it is down."));
    await alice.expect(520, "PUT", at);
    expect(short(await alice.expect(200, "GET", `${TEAM}/members?includePending=1`)).length).toBe(1);
    // For an account it also stands in the application.
    expect(await alice.expect(200, "PUT", `${TEAM}/members/bob`)).toMatchObject({ invited: true });
  });
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    await alice.expect(404, "PUT", `${TEAM}/invite/dave@example.org`);
    await alice.expect(404, "DELETE", `${TEAM}/invite/dave@example.org`);
    await alice.expect(404, "PUT", "/teaminvite/code");
  });
});

Deno.test("/confirminvite: a page to join with, signed in or not", async () => {
  await withMailedSite({}, async (site, mailbox) => {
    const { sql } = site.deps;
    await sql`update "user" set password_hash = ${await hashPassword(PASSWORD, 4)}, verified = false
      where username = 'bob'`;
    const alice = await site.browserOf("alice");
    await alice.expect(200, "PUT", `${TEAM}/invite/bob@example.org`);
    const link = await mailbox.nextLink("bob@example.org");
    const browser = site.stranger();
    const shown = await browser.call("GET", link);
    const page = await shown.text();
    expect([shown.status, page]).toEqual([200, expect.stringContaining("Sign in and join")]);
    const send = (fields: Record<string, string>, who = browser) =>
      who.call("POST", "/confirminvite", {
        body: new URLSearchParams({ code: link.split("=")[1] ?? "", ...fields }).toString(),
        headers: { "Content-Type": "application/x-www-form-urlencoded" },
      });
    await browser.fetchCsrf();
    const wrong = await send({ username: "bob", password: "not-his-password" });
    expect([wrong.status, await wrong.text()]).toEqual([400, expect.stringContaining("Invalid Username")]);
    await sql`update "user" set invalid_login_attempts = 0`;
    // The mail with the code has confirmed bob's address.
    const joined = await send({ username: "bob", password: PASSWORD });
    await joined.body?.cancel();
    expect([joined.status, joined.headers.get("Location")]).toEqual([303, "/organization/acme"]);
    expect(await browser.expect(200, "GET", "/user/")).toMatchObject({ username: "bob", verified: true });

    await alice.expect(200, "PUT", `${TEAM}/invite/dave@example.org`);
    const forDave = (await mailbox.nextLink("dave@example.org")).split("=")[1] ?? "";
    const newcomer = site.stranger();
    const offered = await (await newcomer.call("GET", `/confirminvite?code=${forDave}`)).text();
    expect(offered).toContain('value="dave@example.org"');
    await newcomer.fetchCsrf();
    const wanted = { code: forDave, answer: "create", email: "dave@example.org", password: PASSWORD };
    const taken = await send({ ...wanted, username: "bob" }, newcomer);
    expect([taken.status, await taken.text()]).toEqual([400, expect.stringContaining("already exists")]);
    const made = await send({ ...wanted, username: "dave" }, newcomer);
    await made.body?.cancel();
    expect(made.status).toBe(303);
    expect(await newcomer.expect(200, "GET", "/user/")).toMatchObject({
      username: "dave",
      verified: true,
      organizations: [{ name: "acme" }],
    });

    await alice.expect(200, "PUT", `${TEAM}/invite/carol@example.org`);
    const second = await mailbox.nextLink("carol@example.org");
    const root = await site.browserOf("root");
    const asked = await (await root.call("GET", second)).text();
    expect(asked).toContain("signed in as <strong>root</strong>");
    const code = second.split("=")[1] ?? "";
    const refused = await send({ code, answer: "accept" }, root.withCookie(root.cookie, undefined));
    await refused.body?.cancel();
    expect(refused.status).toBe(403);
    const declined = await send({ code, answer: "decline" }, root);
    expect([declined.status, await declined.text()]).toEqual([200, expect.stringContaining("declined")]);
    const gone = await root.call("GET", second);
    expect([gone.status, await gone.text()]).toEqual([400, expect.stringContaining("does not exist")]);
  });
});

Deno.test("team/{team}/syncing: needs sign-in that knows groups; then it is kept, and people are no longer put in by hand", async () => {
  const at = `${TEAM}/syncing`;
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    await alice.expect(404, "POST", at, { group_dn: "cn=a" });
    await alice.expect(404, "DELETE", at);
  });
  await withSite(
    { FEATURE_TEAM_SYNCING: true, FEATURE_NONSUPERUSER_TEAM_SYNCING_SETUP: true },
    async (site) => {
      const alice = await site.browserOf("alice");
      const refused = await alice.expect(400, "POST", at, { group_dn: "cn=a" });
      expect(refused.error_message).toContain("Could not sync to group");
      expect(await alice.expect(200, "GET", `${TEAM}/members`)).not.toHaveProperty("can_sync");
    },
  );
  const oidc: Partial<Config> = {
    FEATURE_TEAM_SYNCING: true,
    AUTHENTICATION_TYPE: "OIDC",
    SOME_LOGIN_CONFIG: {
      CLIENT_ID: "quay",
      CLIENT_SECRET: "not-told",
      OIDC_SERVER: "https://id.example/",
      SERVICE_NAME: "Some",
    },
    SUPER_USERS: ["alice"],
  };
  await withSite(oidc, async (site) => {
    const alice = await site.browserOf("alice");
    expect((await alice.expect(200, "GET", `${TEAM}/members`)).can_sync).toEqual({
      service: "oidc",
      issuer_domain: "https://id.example/",
    });
  });
  const ldap: Partial<Config> = {
    FEATURE_TEAM_SYNCING: true,
    AUTHENTICATION_TYPE: "LDAP",
    LDAP_BASE_DN: ["dc=example", "dc=org"],
    SUPER_USERS: ["alice"],
  };
  await withSite(ldap, async (site) => {
    const alice = await site.browserOf("alice");
    await createRobot(site.deps, OPERATOR, { namespace: "acme", short: "ci" });
    for (const body of [{}, { group_name: "x" }, { group_dn: "" }, { group_dn: 7 }, undefined]) {
      await alice.expect(400, "POST", at, body);
    }
    expect(await alice.expect(200, "POST", at, { group_dn: "cn=builders" })).toMatchObject({
      name: "members",
    });
    await alice.expect(200, "POST", at, { group_dn: "cn=others" });
    expect(await alice.expect(200, "GET", `${TEAM}/members`)).toMatchObject({
      can_sync: { service: "ldap", base_dn: "dc=example,dc=org" },
      synced: { service: "ldap", last_updated: null, config: { group_dn: "cn=others" } },
    });
    expect((await alice.expect(200, "GET", "/organization/acme")).teams.members.is_synced).toBe(true);
    for (const [method, name] of [["PUT", "bob"], ["DELETE", "carol"]] as const) {
      expect((await alice.expect(400, method, `${TEAM}/members/${name}`)).error_message).toContain(
        "auth-synced",
      );
    }
    await alice.expect(200, "PUT", `${TEAM}/members/acme+ci`);
    const carol = await site.browserOf("carol");
    expect((await carol.expect(200, "GET", `${TEAM}/members`)).synced).toEqual({ service: "ldap" });
    await carol.expect(403, "POST", at, { group_dn: "cn=a" });
    await alice.expect(200, "DELETE", at);
    await alice.expect(200, "DELETE", at);
    await alice.expect(200, "PUT", `${TEAM}/members/bob`);
    const kinds = await kindsOf(site, "acme");
    expect(kinds.filter((kind) => kind.includes("sync"))).toEqual([
      "enable_team_sync",
      "enable_team_sync",
      "disable_team_sync",
    ]);
  });
  await withSite({ ...ldap, AUTHENTICATION_TYPE: "OIDC" }, async (site) => {
    const alice = await site.browserOf("alice");
    await alice.expect(200, "POST", at, { group_name: "builders" });
    // Who is in the group is only known when they sign in.
    expect((await alice.expect(200, "GET", `${TEAM}/members`)).members).toEqual([]);
    const last = await alice.expect(400, "POST", "/organization/acme/team/owners/syncing", {
      group_name: "owners",
    });
    expect(last.error_message).toContain("at least one administrator");
    expect((await alice.expect(200, "GET", "/organization/acme/team/owners/members")).members.length).toBe(1);
  });
});
