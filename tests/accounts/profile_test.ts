import { expect } from "@std/testing";
import { addRealUser, OPERATOR, PASSWORD, withEmptySite, withSite } from "../api/site.ts";
import { authenticateBasic } from "../../src/domain/accounts/credentials.ts";
import { createOrganization } from "../../src/domain/organizations/organizations.ts";
import { kindsOf, logOf, withMailedSite } from "./mailbox.ts";

Deno.test("PUT /user/: settings, each with its row in the log; what is as it was writes none", async () => {
  await withSite({ FEATURE_USER_METADATA: true }, async (site) => {
    const alice = await site.browserOf("alice");
    const changed = await alice.expect(200, "PUT", "/user/", {
      invoice_email: true,
      invoice_email_address: "bills@example.org",
      tag_expiration_s: 86_400,
      given_name: "Alice",
      family_name: "Ångström",
      company: "ACME",
      location: "Here",
      unknown_field: 1,
    });
    expect(changed).toMatchObject({
      invoice_email: true,
      invoice_email_address: "bills@example.org",
      tag_expiration_s: 86_400,
      given_name: "Alice",
      family_name: "Ångström",
      company: "ACME",
      location: "Here",
    });
    expect(await alice.expect(200, "GET", "/user/")).toEqual(changed);
    expect(await logOf(site, "alice")).toEqual([
      { kind: "user_change_invoicing", performer: "alice", metadata: { invoice_email: true } },
      {
        kind: "user_change_invoicing",
        performer: "alice",
        metadata: { invoice_email_address: "bills@example.org" },
      },
      { kind: "user_change_tag_expiration", performer: "alice", metadata: { tag_expiration: 86_400 } },
      {
        kind: "user_change_metadata",
        performer: "alice",
        metadata: { given_name: "Alice", family_name: "Ångström", company: "ACME", location: "Here" },
      },
    ]);
    await alice.expect(200, "PUT", "/user/", { tag_expiration_s: 86_400, company: "ACME" });
    expect((await logOf(site, "alice")).length).toBe(4);
    const emptied = await alice.expect(200, "PUT", "/user/", { company: null, invoice_email_address: "" });
    expect(emptied).toMatchObject({ company: null, invoice_email_address: null, location: "Here" });
  });
});

Deno.test("PUT /user/: bad values change nothing, also not the good ones beside them", async () => {
  await withSite({ FEATURE_USER_METADATA: true }, async (site) => {
    const alice = await site.browserOf("alice");
    const before = await alice.expect(200, "GET", "/user/");
    const bad: unknown[] = [
      { tag_expiration_s: 5 },
      { tag_expiration_s: -1 },
      { tag_expiration_s: "86400" },
      { invoice_email: "yes" },
      { invoice_email_address: "nonsense" },
      { email: "nonsense" },
      { email: "Bob@Example.ORG" },
      { email: `${"a".repeat(250)}@example.org` },
      { password: "short" },
      { password: 12345678 },
      { given_name: "x".repeat(256) },
      { given_name: "nul\0" },
      [],
      "text",
      undefined,
    ];
    for (const more of bad) {
      const body = typeof more === "object" && !Array.isArray(more) ? { company: "New", ...more } : more;
      await alice.expect(400, "PUT", "/user/", body);
    }
    expect(await alice.expect(200, "GET", "/user/")).toEqual(before);
    expect(await kindsOf(site, "alice")).toEqual([]);
  });
});

Deno.test("PUT /user/ without the features: names and metadata stay, silently", async () => {
  await withSite({ FEATURE_CHANGE_TAG_EXPIRATION: false }, async (site) => {
    const alice = await site.browserOf("alice");
    const before = await alice.expect(200, "GET", "/user/");
    const body = { username: "alice2", company: "ACME", tag_expiration_s: 86_400 };
    expect(await alice.expect(200, "PUT", "/user/", body)).toEqual(before);
    expect(await kindsOf(site, "alice")).toEqual([]);
  });
});

Deno.test("PUT /user/ password: this browser goes on, all others must sign in again", async () => {
  await withEmptySite({}, async (site) => {
    await addRealUser(site.deps, "alice");
    const here = site.stranger();
    const there = site.stranger();
    await here.signIn("alice", PASSWORD);
    await there.signIn("alice", PASSWORD);
    const oldCookie = here.withCookie(here.cookie, here.csrf);
    const oldCsrf = here.csrf;
    await here.expect(200, "PUT", "/user/", { password: "another-password" });
    expect(here.csrf).not.toBe(oldCsrf);
    await here.expect(200, "GET", "/user/");
    await here.expect(200, "PUT", "/user/", { invoice_email: true });
    await there.expect(401, "GET", "/user/");
    await oldCookie.expect(401, "GET", "/user/");
    expect((await site.stranger().signIn("alice", PASSWORD)).status).toBe(403);
    await site.deps.sql`update "user" set invalid_login_attempts = 0`;
    expect((await site.stranger().signIn("alice", "another-password")).status).toBe(200);
    expect(await kindsOf(site, "alice")).toContain("account_change_password");
    const text = JSON.stringify(await logOf(site, "alice"));
    expect(text).not.toContain("another-password");
  });
});

Deno.test("PUT /user/ email: at once without mails; taken by somebody at the same time", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    const changed = await alice.expect(200, "PUT", "/user/", { email: "new@example.org" });
    expect(changed.email).toBe("new@example.org");
    expect(await logOf(site, "alice")).toEqual([{
      kind: "user_change_email",
      performer: "alice",
      metadata: { email: "new@example.org", old_email: "alice@example.org" },
    }]);
    const browsers = [alice, await site.browserOf("bob"), await site.browserOf("carol")];
    const answers = await Promise.all(
      browsers.map((browser) => browser.api("PUT", "/user/", { email: "wanted@example.org" })),
    );
    await Promise.all(answers.map((answer) => answer.body?.cancel()));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400]);
    const gone = await alice.expect(200, "PUT", "/user/", { email: "" });
    expect(gone.email).toBe("");
  });
});

Deno.test("PUT /user/ email with mails: counts when its owner has confirmed it", async () => {
  await withMailedSite({}, async (site, mailbox) => {
    const alice = await site.browserOf("alice");
    expect((await alice.expect(200, "PUT", "/user/", { email: "new@example.org" })).email).toBe(
      "alice@example.org",
    );
    const first = await mailbox.nextLink("new@example.org");
    await alice.expect(200, "PUT", "/user/", { email: "newer@example.org" });
    const second = await mailbox.nextLink("newer@example.org");
    // Only the last one counts.
    const old = await site.stranger().call("GET", first);
    await old.body?.cancel();
    expect(old.status).toBe(400);
    // Somebody has the address by the time that it is confirmed.
    await site.deps.sql`update "user" set email = 'newer@example.org' where username = 'bob'`;
    const taken = await site.stranger().call("GET", second);
    expect([taken.status, await taken.text()]).toEqual([400, expect.stringContaining("already used")]);
    await site.deps.sql`update "user" set email = 'bob@example.org' where username = 'bob'`;
    const confirmed = await site.stranger().call("GET", second);
    await confirmed.body?.cancel();
    expect(confirmed.status).toBe(302);
    expect((await alice.expect(200, "GET", "/user/")).email).toBe("newer@example.org");
    expect(await logOf(site, "alice")).toEqual([{
      kind: "user_change_email",
      performer: "alice",
      metadata: { email: "newer@example.org", old_email: "alice@example.org" },
    }]);
    expect((await alice.expect(400, "PUT", "/user/", { email: "bob@example.org" })).error_message)
      .toContain("already used");
    expect(mailbox.sent).toEqual([]);
  });
});

Deno.test("PUT /user/ username: with FEATURE_USER_RENAME; robots and repositories come along", async () => {
  await withSite({ FEATURE_USER_RENAME: true, GLOBAL_READONLY_SUPER_USERS: ["auditor"] }, async (site) => {
    const alice = await site.browserOf("alice");
    await alice.expect(201, "PUT", "/user/robots/ci");
    await alice.expect(201, "POST", "/repository", {
      repository: "app",
      visibility: "private",
      description: "",
    });
    const refused = async (username: string) =>
      (await alice.expect(400, "PUT", "/user/", { username, invoice_email: true })).error_message;
    expect(await refused("bob")).toContain("already exists");
    expect(await refused("acme")).toContain("already exists");
    // These names come with rights.
    expect(await refused("root")).toContain("already exists");
    expect(await refused("auditor")).toContain("already exists");
    expect(await refused("Not a name")).toContain("Username");
    expect(await refused("a".repeat(254))).toContain("robots");
    expect(await alice.expect(200, "GET", "/user/")).toMatchObject({
      username: "alice",
      invoice_email: false,
    });

    const view = await alice.expect(200, "PUT", "/user/", { username: "alicia" });
    expect(view).toMatchObject({ username: "alicia", is_me: true });
    expect((await alice.expect(200, "GET", "/user/")).username).toBe("alicia");
    const { robots } = await alice.expect(200, "GET", "/user/robots");
    expect(robots.map(({ name }: { name: string }) => name)).toEqual(["alicia+ci"]);
    await alice.expect(200, "GET", "/repository/alicia/app");
    await alice.expect(403, "GET", "/repository/alice/app");
    expect((await logOf(site, "alicia")).at(-1)).toEqual({
      kind: "user_change_name",
      performer: "alicia",
      metadata: { old_username: "alice", username: "alicia" },
    });
    const [bob, carol] = [await site.browserOf("bob"), await site.browserOf("carol")];
    const answers = await Promise.all(
      [bob, carol].map((who) => who.api("PUT", "/user/", { username: "wanted" })),
    );
    await Promise.all(answers.map((answer) => answer.body?.cancel()));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
  });
});

Deno.test("GET /user/ prompts: answered by what they ask for; a pending name may be changed or kept", async () => {
  await withSite({ FEATURE_USER_METADATA: true }, async (site) => {
    const { sql } = site.deps;
    await sql`insert into userprompt (user_id, kind_id)
      select u.id, k.id from "user" u, userpromptkind k where u.username in ('alice', 'bob')`;
    await sql`insert into federatedlogin (user_id, service_id, service_ident, metadata_json)
      select id, 1, 'google-id', '{"service_username": "al"}' from "user" where username = 'alice'`;
    const alice = await site.browserOf("alice");
    expect(await alice.expect(200, "GET", "/user/")).toMatchObject({
      prompts: ["confirm_username", "enter_name", "enter_company"],
      logins: [{ service: "google", service_identifier: "google-id", metadata: { service_username: "al" } }],
    });
    const named = await alice.expect(200, "PUT", "/user/", {
      username: "alicia",
      given_name: "Al",
      company: "",
    });
    expect(named).toMatchObject({ username: "alicia", prompts: [] });
    // Only once.
    expect((await alice.expect(200, "PUT", "/user/", { username: "alissa" })).username).toBe("alicia");
    const bob = await site.browserOf("bob");
    const kept = await bob.expect(200, "PUT", "/user/", { username: "bob" });
    expect(kept).toMatchObject({ username: "bob", prompts: ["enter_name", "enter_company"] });

    await alice.expect(200, "POST", "/detachexternal/google");
    await alice.expect(200, "POST", "/detachexternal/google");
    expect((await alice.expect(200, "GET", "/user/")).logins).toEqual([]);
    const unknown = await alice.expect(400, "POST", "/externallogin/google", { kind: "login" });
    expect(unknown.error_message).toContain("google");
    await alice.expect(400, "POST", "/externallogin/google", { kind: "other" });
  });
});

Deno.test("POST /user/clientkey: an encrypted password that clients can sign in with", async () => {
  await withEmptySite({ FEATURE_REQUIRE_ENCRYPTED_BASIC_AUTH: true }, async (site) => {
    await addRealUser(site.deps, "alice");
    const browser = site.stranger();
    await browser.signIn("alice", PASSWORD);
    const wrong = await browser.expect(400, "POST", "/user/clientkey", { password: "not-her-password" });
    expect(wrong.error_message).toContain("Invalid Username or Password");
    // The failure counts, as everywhere.
    const locked = await browser.api("POST", "/user/clientkey", { password: PASSWORD });
    await locked.body?.cancel();
    expect(locked.status).toBe(429);
    await site.deps.sql`update "user" set invalid_login_attempts = 0`;
    const { key } = await browser.expect(200, "POST", "/user/clientkey", { password: PASSWORD });
    expect(key).not.toContain(PASSWORD);
    expect(await authenticateBasic(site.deps, "alice", key)).toMatchObject({ username: "alice" });
    await expect(authenticateBasic(site.deps, "alice", PASSWORD)).rejects.toThrow("encrypted");
    expect((await logOf(site, "alice")).at(-1)).toMatchObject({ kind: "user_generate_client_key" });
    await browser.expect(400, "POST", "/user/clientkey", {});
  });
});

Deno.test("POST /user/convert: the account becomes an organization of somebody else, who is signed in", async () => {
  await withEmptySite({ SUPER_USERS: ["root"] }, async (site) => {
    for (const name of ["team-ci", "alice", "root"]) await addRealUser(site.deps, name);
    const browser = site.stranger();
    await browser.signIn("team-ci", PASSWORD);
    await browser.expect(201, "PUT", "/user/robots/bot");
    await browser.expect(201, "POST", "/repository", {
      repository: "app",
      visibility: "private",
      description: "",
    });
    const refused = async (adminUser: string, adminPassword: string) =>
      await browser.expect(400, "POST", "/user/convert", { adminUser, adminPassword });
    expect(await refused("alice", "wrong-password")).toMatchObject({ reason: "invaliduser" });
    expect(await refused("nobody", PASSWORD)).toMatchObject({ reason: "invaliduser" });
    expect(await refused("team-ci", PASSWORD)).toMatchObject({ reason: "invaliduser" });
    await site.deps.sql`update "user" set invalid_login_attempts = 0`;
    await createOrganization(site.deps, OPERATOR, { name: "acme", owner: "team-ci" });
    expect((await refused("alice", PASSWORD)).error_message).toContain("acme");
    await browser.expect(204, "DELETE", "/organization/acme");
    await browser.expect(200, "POST", "/user/convert", { adminUser: "alice", adminPassword: PASSWORD });
    const me = await browser.expect(200, "GET", "/user/");
    expect(me).toMatchObject({ username: "alice", organizations: [{ name: "team-ci", is_org_admin: true }] });
    await browser.expect(200, "GET", "/repository/team-ci/app");
    await browser.expect(200, "GET", "/organization/team-ci/robots/bot");
    expect((await site.stranger().signIn("team-ci", PASSWORD)).status).toBe(403);
    expect(await kindsOf(site, "team-ci")).toContain("account_convert");
    const root = site.stranger();
    await root.signIn("root", PASSWORD);
    await root.expect(400, "POST", "/user/convert", { adminUser: "alice", adminPassword: PASSWORD });
  });
});
