import { expect } from "@std/testing";
import { addRealUser, PASSWORD, type Site, withSite } from "../api/site.ts";
import type { ApiClient } from "../api/api_client.ts";
import { kindsOf, withMailedEmptySite, withMailedSite } from "./mailbox.ts";

const NEW_PASSWORD = "a-new-password";

/** Sends the form of a page as a browser does. */
async function sendForm(
  browser: ApiClient,
  page: string,
  values: Record<string, string>,
  { without = [] as string[] } = {},
): Promise<Response> {
  const hidden = [...page.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)]
    .map(([, name = "", value = ""]) => [name, value] as const);
  const action = /<form method="post" action="([^"]+)">/.exec(page)?.[1] ?? "";
  const fields = Object.fromEntries(
    [...hidden, ...Object.entries(values)].filter(([name]) => !without.includes(name)),
  );
  browser.csrf = undefined;
  return await browser.call("POST", action, {
    body: new URLSearchParams(fields).toString(),
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
  });
}

async function startedBy(site: Site, email: string): Promise<unknown> {
  const browser = site.stranger();
  await browser.fetchCsrf();
  return await browser.expect(200, "POST", "/recovery", { email });
}

Deno.test("POST /recovery: mails a link to a form that sets a new password and signs in, once", async () => {
  await withMailedEmptySite({}, async (site, mailbox) => {
    await addRealUser(site.deps, "alice");
    const before = site.stranger();
    await before.signIn("alice", PASSWORD);
    await site.deps
      .sql`update "user" set invalid_login_attempts = 12, last_invalid_login = now() at time zone 'utc'`;
    expect(await startedBy(site, "ALICE@example.org")).toEqual({ status: "sent" });
    const link = await mailbox.nextLink("alice@example.org");
    expect(link).toMatch(/^\/recovery\?code=[A-Z0-9]{40}$/);
    // Looking, as mail servers do, uses nothing up and signs nobody in.
    const browser = site.stranger();
    const shown = await browser.call("GET", link);
    const page = await shown.text();
    expect([shown.status, page]).toEqual([200, expect.stringContaining("<strong>alice</strong>")]);
    expect(shown.headers.get("Content-Security-Policy")).toContain("default-src 'none'");
    expect(shown.headers.get("Referrer-Policy")).toBe("no-referrer");
    await browser.expect(401, "GET", "/user/");

    const forged = await sendForm(browser, page, { password: NEW_PASSWORD }, { without: ["_csrf_token"] });
    expect(forged.status).toBe(403);
    await forged.body?.cancel();
    const weak = await sendForm(browser, page, { password: "short" });
    expect([weak.status, await weak.text()]).toEqual([400, expect.stringContaining("at least 8 characters")]);
    const done = await sendForm(browser, page, { password: NEW_PASSWORD });
    await done.body?.cancel();
    expect([done.status, done.headers.get("Location")]).toEqual([303, "/"]);
    expect(await browser.expect(200, "GET", "/user/")).toMatchObject({ username: "alice" });
    await before.expect(401, "GET", "/user/");
    // The lock-out is over too.
    expect((await site.stranger().signIn("alice", NEW_PASSWORD)).status).toBe(200);
    expect((await site.stranger().signIn("alice", PASSWORD)).status).toBe(403);
    const other = site.stranger();
    await other.fetchCsrf();
    const again = await sendForm(other, page, {
      password: "yet-another-password",
      _csrf_token: other.csrf ?? "",
    });
    expect([again.status, await again.text()]).toEqual([400, expect.stringContaining("has been used")]);
    expect(await kindsOf(site, "alice")).toContain("account_change_password");
  });
});

Deno.test("POST /recovery: an address that nobody has is answered the same, and nothing is sent", async () => {
  await withMailedSite({}, async (site, mailbox) => {
    for (const email of ["nobody@example.org", "not an address", "", "a".repeat(3000)]) {
      expect(await startedBy(site, email)).toEqual({ status: "sent" });
    }
    // Accounts without an address carry filler in its column.
    await site.deps.sql`update "user" set email = 'filler-of-bob' where username = 'bob'`;
    expect(await startedBy(site, "filler-of-bob")).toEqual({ status: "sent" });
    await site.deps.sql`update "user" set enabled = false where username = 'carol'`;
    expect(await startedBy(site, "carol@example.org")).toEqual({ status: "sent" });
    expect(await startedBy(site, "alice@example.org")).toEqual({ status: "sent" });
    await mailbox.next("alice@example.org");
    // Nobody's mailbox is filled from here.
    expect(await startedBy(site, "alice@example.org")).toEqual({ status: "sent" });
    await site.deps.sql`update "user" set email = 'acme@example.org' where username = 'acme'`;
    expect(await startedBy(site, "acme@example.org")).toEqual({
      status: "org",
      orgemail: "acme@example.org",
      orgname: "a**e",
    });
    expect((await mailbox.next("acme@example.org")).text).toContain("alice");
    expect(await startedBy(site, "acme@example.org")).toMatchObject({ status: "org" });
    expect(mailbox.sent).toEqual([]);
    const browser = site.stranger();
    await browser.fetchCsrf();
    await browser.expect(400, "POST", "/recovery", { email: 7 });
    await browser.expect(400, "POST", "/recovery");
  });
});

Deno.test("GET /recovery: a link works for USER_RECOVERY_TOKEN_LIFETIME, and only the last one", async () => {
  await withMailedEmptySite({ USER_RECOVERY_TOKEN_LIFETIME: "30m" }, async (site, mailbox) => {
    await addRealUser(site.deps, "alice");
    await startedBy(site, "alice@example.org");
    const link = await mailbox.nextLink("alice@example.org");
    const statusOf = async (path: string) => {
      const answer = await site.stranger().call("GET", path);
      await answer.body?.cancel();
      return answer.status;
    };
    expect(await statusOf(link)).toBe(200);
    // Confirming is another purpose.
    expect(await statusOf(link.replace("/recovery", "/confirm"))).toBe(400);
    await site.deps.sql`update emailconfirmation set created = created - interval '29 minutes'`;
    expect(await statusOf(link)).toBe(200);
    await site.deps.sql`update emailconfirmation set created = created - interval '2 minutes'`;
    expect(await statusOf(link)).toBe(400);
    await startedBy(site, "alice@example.org");
    expect(await statusOf(await mailbox.nextLink("alice@example.org"))).toBe(200);
    expect(await statusOf(link)).toBe(400);
    expect(await statusOf("/recovery?code=<script>alert(1)</script>")).toBe(400);
  });
});

Deno.test("POST /recovery: not there without mails", async () => {
  await withSite({}, async (site) => {
    const browser = site.stranger();
    await browser.fetchCsrf();
    await browser.expect(404, "POST", "/recovery", { email: "alice@example.org" });
  });
});

Deno.test("X-CSRF-Token: as the field _csrf_token of a form, too", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    const send = async (token: string) => {
      const call = {
        body: new URLSearchParams({ _csrf_token: token }).toString(),
        headers: { "Content-Type": "application/x-www-form-urlencoded" },
      };
      const response = await alice.withCookie(alice.cookie, undefined).call("POST", "/api/v1/signout", call);
      await response.body?.cancel();
      return response.status;
    };
    expect(await send("wrong")).toBe(403);
    await alice.expect(200, "GET", "/user/");
    expect(await send(alice.csrf ?? "")).toBe(200);
    await alice.expect(401, "GET", "/user/");
    const bob = await site.browserOf("bob");
    // The API speaks JSON: a form is no body.
    const response = await bob.call("POST", "/api/v1/organization/", {
      body: "name=from-a-form",
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
    });
    await response.body?.cancel();
    expect(response.status).toBe(400);
  });
});
