import { expect } from "@std/testing";
import type { Config } from "../../src/config/schema.ts";
import { AppError } from "../../src/lib/errors.ts";
import { OPERATOR, PASSWORD, withEmptySite, withSite } from "../api/site.ts";
import { createOrganization } from "../../src/domain/organizations/organizations.ts";
import { kindsOf, logOf, withMailedEmptySite, withMailedSite } from "./mailbox.ts";

const DAVE = { username: "dave", password: PASSWORD, email: "dave@example.org" };

Deno.test("POST /user/: creates the account, signs in, rotates the CSRF token", async () => {
  await withEmptySite({}, async (site) => {
    const browser = site.stranger();
    await browser.fetchCsrf();
    const before = browser.csrf;
    const view = await browser.expect(200, "POST", "/user/", DAVE);
    expect(view).toMatchObject({
      anonymous: false,
      username: "dave",
      is_me: true,
      verified: true,
      prompts: [],
    });
    expect(browser.csrf).not.toBe(before);
    expect((await browser.expect(200, "GET", "/user/")).username).toBe("dave");
    await browser.expect(201, "POST", "/organization/", { name: "acme" });
    expect((await site.stranger().signIn("dave", PASSWORD)).status).toBe(200);
    expect((await logOf(site, "dave"))[0]).toEqual({
      kind: "user_create",
      performer: null,
      metadata: { username: "dave", email: "dave@example.org" },
    });
  });
});

Deno.test("POST /user/: names and addresses that are taken, bad ones, missing ones", async () => {
  await withSite(
    { FEATURE_BLACKLISTED_EMAILS: true, BLACKLISTED_EMAIL_DOMAINS: ["Spam.example"] },
    async (site) => {
      const browser = site.stranger();
      await browser.fetchCsrf();
      const refused = async (body: unknown) =>
        (await browser.expect(400, "POST", "/user/", body)).error_message;
      expect(await refused({ ...DAVE, username: "alice" })).toContain("already exists");
      expect(await refused({ ...DAVE, username: "acme" })).toContain("already exists");
      expect(await refused({ ...DAVE, email: "Alice@Example.org" })).toContain("already been used");
      expect(await refused({ ...DAVE, email: "dave@spam.example" })).toContain("disabled");
      expect(await refused({ ...DAVE, email: "dave@mail.SPAM.example" })).toContain("disabled");
      expect(await refused({ ...DAVE, email: "not an address" })).toContain("Invalid email");
      expect(await refused({ ...DAVE, password: "short" })).toContain("8 characters");
      expect(await refused({ ...DAVE, password: "with white space" })).toContain("whitespace");
      for (const username of ["d", "Dave", "dave+bot", "dave..x", "d".repeat(256), "дейв"]) {
        expect(await refused({ ...DAVE, username })).toContain("Username");
      }
      await refused({ username: "dave" });
      await refused({ ...DAVE, username: 7 });
      await refused(undefined);
      await site.stranger().expect(403, "POST", "/user/", DAVE);
      const [{ count } = { count: -1 }] = await site.deps.sql<{ count: number }[]>`
      select count(*)::integer as count from "user" where username like 'd%'`;
      expect(count).toBe(0);
      // A name that only begins like a refused domain is another domain.
      await browser.expect(200, "POST", "/user/", { ...DAVE, email: "dave@notspam.example" });
    },
  );
});

Deno.test("POST /user/: of two who want one name at once, one gets it", async () => {
  await withEmptySite({}, async (site) => {
    const browsers = [site.stranger(), site.stranger(), site.stranger()];
    await Promise.all(browsers.map((browser) => browser.fetchCsrf()));
    const answers = await Promise.all(
      browsers.map((browser, index) =>
        browser.api("POST", "/user/", { ...DAVE, email: `dave${index}@example.org` })
      ),
    );
    const messages = await Promise.all(answers.map((answer) => answer.json()));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400]);
    for (const [index, { status }] of answers.entries()) {
      if (status === 400) expect(messages[index].error_message).toContain("already exists");
    }
    expect(await kindsOf(site, "dave")).toEqual(["user_create"]);
  });
});

Deno.test("POST /user/: not there when people may not, or passwords are elsewhere", async () => {
  const off: Partial<Config>[] = [
    { FEATURE_USER_CREATION: false },
    { FEATURE_DIRECT_LOGIN: false },
    { AUTHENTICATION_TYPE: "LDAP" },
  ];
  for (const config of off) {
    await withEmptySite(config, async (site) => {
      const browser = site.stranger();
      await browser.fetchCsrf();
      await browser.expect(404, "POST", "/user/", DAVE);
    });
  }
});

Deno.test("POST /user/ with mails: the account works once its address is confirmed, by a link that works once", async () => {
  await withMailedEmptySite({ FEATURE_USER_METADATA: true }, async (site, mailbox) => {
    const browser = site.stranger();
    await browser.fetchCsrf();
    expect((await browser.expect(400, "POST", "/user/", { ...DAVE, email: "" })).error_message)
      .toContain("Email address is required");
    expect(await browser.expect(200, "POST", "/user/", DAVE)).toEqual({ awaiting_verification: true });
    await browser.expect(401, "GET", "/user/");
    const early = await site.stranger().signIn("dave", PASSWORD);
    expect(early.status).toBe(403);
    expect(await early.json()).toMatchObject({ needsEmailVerification: true, invalidCredentials: false });

    const link = await mailbox.nextLink("dave@example.org");
    expect(link).toMatch(/^\/confirm\?code=[A-Z0-9]{40}$/);
    const stored = await site.deps.sql<{ code: string; verification_code: string }[]>`
      select code, verification_code from emailconfirmation`;
    expect(stored.length).toBe(1);
    expect(stored[0]?.verification_code).toMatch(/^\$2b\$/);
    expect(link).not.toContain(stored[0]?.verification_code);

    const wrong = `${link.slice(0, -1)}${link.endsWith("A") ? "B" : "A"}`;
    for (
      const bad of [wrong, "/confirm", "/confirm?code=", "/confirm?code=%00", "/recovery" + link.slice(8)]
    ) {
      const answer = await site.stranger().call("GET", bad);
      expect([bad, answer.status]).toEqual([bad, 400]);
      expect(answer.headers.getSetCookie()).toEqual([]);
      await answer.body?.cancel();
    }
    const mailReader = site.stranger();
    const confirmed = await mailReader.call("GET", link);
    expect([confirmed.status, confirmed.headers.get("Location")]).toEqual([302, "/"]);
    const view = await mailReader.expect(200, "GET", "/user/");
    expect(view).toMatchObject({
      username: "dave",
      verified: true,
      prompts: ["enter_name", "enter_company"],
    });
    const again = await site.stranger().call("GET", link);
    expect(again.status).toBe(400);
    expect(await again.text()).toContain("invalid, or has been used");
    expect((await site.stranger().signIn("dave", PASSWORD)).status).toBe(200);
  });
});

Deno.test("POST /user/ with mails: two who follow one link at once: one is signed in", async () => {
  await withMailedEmptySite({}, async (site, mailbox) => {
    const browser = site.stranger();
    await browser.fetchCsrf();
    await browser.expect(200, "POST", "/user/", DAVE);
    const link = await mailbox.nextLink("dave@example.org");
    const answers = await Promise.all([1, 2, 3].map(() => site.stranger().call("GET", link)));
    await Promise.all(answers.map((answer) => answer.body?.cancel()));
    expect(answers.map(({ status }) => status).sort()).toEqual([302, 400, 400]);
  });
});

Deno.test("POST /user/ with mails: when the mail cannot be sent there is no account", async () => {
  await withMailedEmptySite({}, async (site) => {
    const { mail } = site.deps;
    const send = mail.send.bind(mail);
    mail.send = () => Promise.reject(new AppError("mail_failed", "The mail could not be sent: it is down."));
    const browser = site.stranger();
    await browser.fetchCsrf();
    const failed = await browser.expect(520, "POST", "/user/", DAVE);
    expect(failed.error_message).toContain("could not be sent");
    mail.send = send;
    expect(await browser.expect(200, "POST", "/user/", DAVE)).toEqual({ awaiting_verification: true });
  });
});

Deno.test("FEATURE_INVITE_ONLY_USER_CREATION: only with an invitation of that address, which is thereby accepted", async () => {
  await withMailedSite({ FEATURE_INVITE_ONLY_USER_CREATION: true }, async (site, mailbox) => {
    const alice = await site.browserOf("alice");
    await alice.expect(200, "PUT", "/organization/acme/team/members/invite/dave@example.org");
    const invite_code = new URLSearchParams((await mailbox.nextLink("dave@example.org")).split("?")[1]).get(
      "code",
    );
    const browser = site.stranger();
    await browser.fetchCsrf();
    const refused = async (more: object) =>
      (await browser.expect(400, "POST", "/user/", { ...DAVE, ...more })).error_message;
    expect(await refused({})).toContain("non-invited");
    expect(await refused({ invite_code: "no-such-code" })).toContain("does not exist");
    expect(await refused({ invite_code, email: "eve@example.org" })).toContain("another e-mail address");
    // The mail with the code has confirmed the address.
    const view = await browser.expect(200, "POST", "/user/", { ...DAVE, invite_code });
    expect(view).toMatchObject({ verified: true, organizations: [{ name: "acme", is_org_admin: false }] });
    expect(mailbox.sent).toEqual([]);
    expect(await kindsOf(site, "acme")).toContain("org_team_member_invite_accepted");
    const eve = site.stranger();
    await eve.fetchCsrf();
    await eve.expect(400, "POST", "/user/", { ...DAVE, username: "eve", invite_code });
  });
});

Deno.test("DELETE /user/: frees the name, ends the sessions; not for the last administrator, twice at once neither", async () => {
  await withSite({}, async (site) => {
    await createOrganization(site.deps, OPERATOR, { name: "duo", owner: "bob" });
    const bob = await site.browserOf("bob");
    const carol = await site.browserOf("carol");
    expect((await bob.expect(400, "DELETE", "/user/")).error_message).toContain("only administrator");
    await bob.expect(200, "PUT", "/organization/duo/team/owners/members/carol");
    const answers = await Promise.all([bob.api("DELETE", "/user/"), carol.api("DELETE", "/user/")]);
    await Promise.all(answers.map((answer) => answer.body?.cancel()));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 400]);
    const [gone, left] = answers[0]?.status === 204 ? ["bob", "carol"] : ["carol", "bob"];
    await site.stranger().expect(404, "GET", `/users/${gone}`);
    await site.stranger().expect(200, "GET", `/users/${left}`);
    await (gone === "bob" ? bob : carol).expect(401, "GET", "/user/");
    const [{ kind } = { kind: "" }] = await site.deps.sql<{ kind: string }[]>`
      select k.name as kind from logentry3 l join logentrykind k on k.id = l.kind_id
      where l.metadata_json::json->>'username' = ${gone ?? ""} order by l.id desc limit 1`;
    expect(kind).toBe("user_delete");
  });
});

Deno.test("GET /users/{username}: others see no more than the name", async () => {
  await withSite({}, async (site) => {
    const seen = await site.stranger().expect(200, "GET", "/users/alice");
    expect(Object.keys(seen).sort()).toEqual(["anonymous", "avatar", "username"]);
    expect(await (await site.browserOf("bob")).expect(200, "GET", "/users/alice")).toEqual(seen);
    const own = await (await site.browserOf("alice")).expect(200, "GET", "/users/alice");
    expect(own).toMatchObject({ is_me: true, email: "alice@example.org" });
    const script = await site.scriptOf("alice", ["repo:read"]);
    expect(await script.expect(200, "GET", "/users/alice")).toEqual(seen);
    for (const name of ["nobody", "acme", "alice+ci", "%00", "a".repeat(5000)]) {
      await site.stranger().expect(404, "GET", `/users/${name}`);
    }
  });
});
