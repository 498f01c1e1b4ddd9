import { expect } from "@std/testing";
import {
  openSession,
  sealSession,
  startSession,
  startUserSession,
} from "../../src/domain/accounts/sessions.ts";
import { setPassword } from "../../src/domain/accounts/accounts.ts";
import { addRealUser, OPERATOR, PASSWORD, withEmptySite, withSite } from "./site.ts";

const config = { SECRET_KEY: "k", SESSION_TIMEOUT: "1h", FRESH_LOGIN_TIMEOUT: "10m" };
const NOW = 1_800_000_000_000;

Deno.test("openSession(): gives back what was sealed, and nothing else", () => {
  const session = startUserSession("uuid-of-alice", NOW);
  const cookie = sealSession(config, session);
  expect(openSession(config, cookie, NOW + 1)).toEqual(session);
  expect(openSession(config, sealSession(config, startSession(NOW)), NOW)?.userUuid).toBe(undefined);
  const flipped = (at: number) =>
    cookie.slice(0, at) + (cookie[at] === "A" ? "B" : "A") + cookie.slice(at + 1);
  const bad = {
    empty: "",
    "another form": "eyJhbGciOiJub25lIn0.e30.",
    "flipped at its start": flipped(4),
    "flipped in the middle": flipped(60),
    "cut short": cookie.slice(0, -6),
    "only the version": "s1.",
    "too long": cookie + "A".repeat(2000),
    "of another version": `s2.${cookie.slice(3)}`,
    "of another key": sealSession({ ...config, SECRET_KEY: "other" }, session),
  };
  for (const [what, value] of Object.entries(bad)) {
    expect([what, openSession(config, value, NOW)]).toEqual([what, undefined]);
  }
  expect(openSession(config, cookie, NOW + 3_599_999)).not.toBe(undefined);
  expect(openSession(config, cookie, NOW + 3_600_000)).toBe(undefined);
});

Deno.test("POST /signin: session cookie, rotated CSRF token, and GET /user/ afterwards", async () => {
  await withEmptySite({}, async (site) => {
    await addRealUser(site.deps, "alice");
    const browser = site.stranger();
    await browser.fetchCsrf();
    const before = browser.csrf;
    const response = await browser.api("POST", "/signin", { username: "alice", password: PASSWORD });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ success: true });
    const [line = ""] = response.headers.getSetCookie();
    expect(line).toMatch(/^_csrf_token=s1\./);
    expect(line).toMatch(/; HttpOnly/i);
    expect(line).toMatch(/; SameSite=Lax/i);
    expect(line).toMatch(/; Max-Age=2678400/i);
    expect(line).not.toMatch(/; Secure/i);
    expect(browser.csrf).not.toBe(before);
    const user = await browser.expect(200, "GET", "/user/");
    expect(user).toMatchObject({
      anonymous: false,
      username: "alice",
      email: "alice@example.org",
      is_me: true,
    });
    // The token from before signing in is void.
    const old = browser.withCookie(browser.cookie, before);
    expect((await old.api("POST", "/organization/", { name: "acme" })).status).toBe(403);
    await browser.expect(201, "POST", "/organization/", { name: "acme" });
    // A sign-in by e-mail address reaches the same person.
    expect((await site.stranger().signIn("alice@example.org", PASSWORD)).status).toBe(200);
  });
});

Deno.test("POST /signin: a wrong password, then the lock-out", async () => {
  await withEmptySite({}, async (site) => {
    await addRealUser(site.deps, "alice");
    const browser = site.stranger();
    const wrong = await browser.signIn("alice", "not-her-password");
    expect(wrong.status).toBe(403);
    expect(await wrong.json()).toMatchObject({ invalidCredentials: true, needsEmailVerification: false });
    expect((await browser.signIn("nobody-here", "whatever-it-is")).status).toBe(403);
    await site.deps
      .sql`update "user" set invalid_login_attempts = 10, last_invalid_login = now() at time zone 'utc'`;
    const locked = await browser.signIn("alice", PASSWORD);
    expect(locked.status).toBe(429);
    expect(Number(locked.headers.get("Retry-After"))).toBeGreaterThan(400);
  });
});

Deno.test("X-CSRF-Token: missing, wrong, of another session, from a query parameter", async () => {
  await withSite({}, async (site) => {
    const alice = await site.browserOf("alice");
    const bob = await site.browserOf("bob");
    const post = async (cookie: string | undefined, csrf: string | undefined, path = "/organization/") => {
      const response = await alice.withCookie(cookie, csrf).api("POST", path, { name: "new-one" });
      return [response.status, await response.json()];
    };
    const refused = [403, { error: "The CSRF token is missing or not this session's." }];
    expect(await post(alice.cookie, undefined)).toEqual(refused);
    expect(await post(alice.cookie, "")).toEqual(refused);
    expect(await post(alice.cookie, bob.csrf)).toEqual(refused);
    expect(await post(undefined, alice.csrf)).toEqual(refused);
    expect(await post(`${alice.cookie}x`, alice.csrf)).toEqual(refused);
    expect(await post(alice.cookie, undefined, `/organization/?_csrf_token=${alice.csrf}`)).toEqual([
      201,
      "Created",
    ]);
    const reading = await alice.withCookie(alice.cookie, undefined).api("GET", "/user/");
    expect(reading.status).toBe(200);
    await reading.body?.cancel();
  });
});

Deno.test("POST /signout and a new password: every session of the user is over", async () => {
  await withSite({}, async (site) => {
    const [first, second, other] = [
      await site.browserOf("alice"),
      await site.browserOf("alice"),
      await site.browserOf("bob"),
    ];
    await first.expect(200, "GET", "/user/");
    await second.expect(200, "POST", "/signout");
    await first.expect(401, "GET", "/user/");
    await second.expect(401, "GET", "/user/");
    await other.expect(200, "GET", "/user/");
    const again = await site.browserOf("alice");
    await setPassword(site.deps, OPERATOR, "alice", "another-password");
    await again.expect(401, "GET", "/user/");
  });
});

Deno.test("a disabled user's session and token are worth nothing", async () => {
  await withSite({}, async (site) => {
    const browser = await site.browserOf("alice");
    const script = await site.scriptOf("alice", ["user:read"]);
    await script.expect(200, "GET", "/user/");
    await site.deps.sql`update "user" set enabled = false where username = 'alice'`;
    await browser.expect(401, "GET", "/user/");
    await script.expect(401, "GET", "/user/");
  });
});

Deno.test("fresh login: an old session must give the password again", async () => {
  await withEmptySite({}, async (site) => {
    await addRealUser(site.deps, "alice");
    const browser = await site.browserOf("alice");
    await browser.expect(201, "POST", "/organization/", { name: "acme" });
    const session = openSession(site.deps.config, browser.cookie ?? "", site.deps.now());
    if (session === undefined) throw new Error("no session");
    const stale = { ...session, loginMs: session.loginMs - 3_600_000 };
    const old = browser.withCookie(sealSession(site.deps.config, stale), session.csrfToken);
    const refused = await old.expect(401, "DELETE", "/organization/acme");
    expect(refused.error_type).toBe("fresh_login_required");
    const wrong = await old.expect(403, "POST", "/signin/verify", { password: "not-her-password" });
    expect(wrong.invalidCredentials).toBe(true);
    await site.deps.sql`update "user" set invalid_login_attempts = 0`;
    await old.expect(200, "POST", "/signin/verify", { password: PASSWORD });
    await old.expect(204, "DELETE", "/organization/acme");
    await old.expect(404, "GET", "/organization/acme");
  });
});

Deno.test("session cookie: Secure with https, no Max-Age without FEATURE_PERMANENT_SESSIONS", async () => {
  const overrides = { PREFERRED_URL_SCHEME: "https", FEATURE_PERMANENT_SESSIONS: false } as const;
  await withEmptySite(overrides, async (site) => {
    const response = await site.stranger().call("GET", "/csrf_token");
    await response.body?.cancel();
    const [line = ""] = response.headers.getSetCookie();
    expect(line).toMatch(/; Secure/i);
    expect(line).not.toMatch(/Max-Age/i);
  });
});
