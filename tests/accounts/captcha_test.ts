import { expect } from "@std/testing";
import { PASSWORD, type Site } from "../api/site.ts";
import { Mailbox } from "./mailbox.ts";
import { type CaptchaService, SECRET, withCaptcha } from "./captcha_service.ts";

const BOT = "Are you a bot? If not, please revalidate the captcha.";
const DAVE = { username: "dave", password: PASSWORD, email: "dave@example.org" };

async function stranger(site: Site) {
  const browser = site.stranger();
  await browser.fetchCsrf();
  return browser;
}

async function countAccounts({ deps }: Site): Promise<number> {
  const [row] = await deps.sql<{ count: number }[]>`select count(*)::integer as count from "user"`;
  return row?.count ?? -1;
}

Deno.test("POST /user/: makes no account without a captcha that the service confirms", async () => {
  await withCaptcha({}, async (site, service) => {
    const browser = await stranger(site);
    const before = await countAccounts(site);
    for (const recaptcha_response of [undefined, null, "", "made up", "s".repeat(9000)]) {
      const answer = await browser.expect(400, "POST", "/user/", { ...DAVE, recaptcha_response });
      expect([answer.message, answer.error_type]).toEqual([BOT, "invalid_request"]);
    }
    // What cannot be a solution is not worth the way.
    expect(service.asked).toEqual([{ secret: SECRET, response: "made up" }]);
    expect(await countAccounts(site)).toBe(before);
    await browser.expect(200, "POST", "/user/", { ...DAVE, recaptcha_response: "solved-1" });
    expect(service.asked.at(-1)).toEqual({ secret: SECRET, response: "solved-1" });
    const again = { ...DAVE, username: "dave2", email: "dave2@example.org", recaptcha_response: "solved-1" };
    await (await stranger(site)).expect(400, "POST", "/user/", again);
  });
});

Deno.test("POST /user/: what is wrong anyway costs no captcha", async () => {
  await withCaptcha({}, async (site, service) => {
    const browser = await stranger(site);
    const taken = { ...DAVE, username: "alice", recaptcha_response: "solved-1" };
    expect((await browser.expect(400, "POST", "/user/", taken)).message).toContain("already exists");
    expect(service.asked).toEqual([]);
  });
});

Deno.test("POST /organization/: needs a captcha, except of RECAPTCHA_WHITELISTED_USERS", async () => {
  await withCaptcha({ RECAPTCHA_WHITELISTED_USERS: ["bob"] }, async (site, service) => {
    const alice = await site.browserOf("alice");
    expect((await alice.expect(400, "POST", "/organization/", { name: "duo" })).message).toBe(BOT);
    const taken = { name: "acme", recaptcha_response: "solved-1" };
    expect((await alice.expect(400, "POST", "/organization/", taken)).message).toContain("already exists");
    expect(service.asked).toEqual([]);
    await alice.expect(404, "GET", "/organization/duo");
    await alice.expect(201, "POST", "/organization/", { name: "duo", recaptcha_response: "solved-1" });
    const bob = await site.browserOf("bob");
    await bob.expect(201, "POST", "/organization/", { name: "trio" });
    // Of a token as of a browser: it is the same person.
    const script = await site.scriptOf("bob", ["user:admin", "org:admin"]);
    await script.expect(201, "POST", "/organization/", { name: "quartet" });
    const other = await site.scriptOf("alice", ["user:admin", "org:admin"]);
    await other.expect(400, "POST", "/organization/", { name: "quintet" });
    expect(service.asked.length).toBe(1);
  });
});

Deno.test("POST /user/: a signed-in user of RECAPTCHA_WHITELISTED_USERS makes accounts for others", async () => {
  await withCaptcha({ RECAPTCHA_WHITELISTED_USERS: ["bob"] }, async (site, service) => {
    await (await site.browserOf("bob")).expect(200, "POST", "/user/", DAVE);
    const erin = { ...DAVE, username: "erin", email: "erin@example.org" };
    await (await site.browserOf("alice")).expect(400, "POST", "/user/", erin);
    expect(service.asked).toEqual([]);
  });
});

Deno.test("POST /recovery: mails nothing without a captcha", async () => {
  await withCaptcha({ FEATURE_MAILING: true }, async (site) => {
    const mailbox = new Mailbox(site);
    const browser = await stranger(site);
    const email = "alice@example.org";
    expect((await browser.expect(400, "POST", "/recovery", { email })).message).toBe(BOT);
    await browser.expect(400, "POST", "/recovery", { email, recaptcha_response: "made up" });
    expect(mailbox.sent).toEqual([]);
    const answer = await browser.expect(200, "POST", "/recovery", { email, recaptcha_response: "solved-1" });
    expect(answer).toEqual({ status: "sent" });
    await mailbox.next(email);
  });
});

const FAILURES: Record<string, (service: CaptchaService) => Promise<void> | void> = {
  "is down": (service) => service.stop(),
  "fails": (service) => void (service.answer = () => new Response("secret trouble", { status: 500 })),
  "talks nonsense": (service) => void (service.answer = () => new Response("<html>")),
  "says too much": (service) => void (service.answer = () => new Response("x".repeat(100_000))),
  "leads elsewhere": (service) =>
    void (service.answer = () => Response.redirect("https://localhost/ok", 307)),
};

for (const [how, fail] of Object.entries(FAILURES)) {
  Deno.test(`POST /user/: lets nobody through while the captcha service ${how}`, async () => {
    await withCaptcha({}, async (site, service) => {
      await fail(service);
      const before = await countAccounts(site);
      const browser = await stranger(site);
      const answer = await browser.expect(520, "POST", "/user/", { ...DAVE, recaptcha_response: "solved-1" });
      expect(answer.error_type).toBe("downstream_issue");
      expect(answer.error_message).toContain("captcha");
      expect(JSON.stringify(answer)).not.toMatch(/trouble|html|xxx|localhost/);
      expect(await countAccounts(site)).toBe(before);
    });
  });
}

Deno.test("POST /user/: answers that are JSON and no yes are a no", async () => {
  await withCaptcha({}, async (site, service) => {
    const browser = await stranger(site);
    for (
      const answer of [null, [], 1, "success", {}, { success: "true" }, { success: 1 }, { success: false }]
    ) {
      service.answer = () => Response.json(answer);
      await browser.expect(400, "POST", "/user/", { ...DAVE, recaptcha_response: "solved-1" });
    }
  });
});

Deno.test("POST /user/: a wrong RECAPTCHA_SECRET_KEY lets nobody through", async () => {
  await withCaptcha({ RECAPTCHA_SECRET_KEY: "another" }, async (site) => {
    const browser = await stranger(site);
    await browser.expect(400, "POST", "/user/", { ...DAVE, recaptcha_response: "solved-1" });
  });
});

Deno.test("GET /config: tells the site key of the captcha and not its secret", async () => {
  await withCaptcha({}, async (site) => {
    const text = await (await site.stranger().call("GET", "/config")).text();
    const { config, features } = JSON.parse(text);
    expect([config.RECAPTCHA_SITE_KEY, features.RECAPTCHA]).toEqual(["key-of-the-site", true]);
    expect(text).not.toContain(SECRET);
  });
});

Deno.test("GET /confirminvite: offers no account where that needs a captcha, which the page does not have", async () => {
  await withCaptcha({ FEATURE_MAILING: true }, async (site) => {
    const mailbox = new Mailbox(site);
    const alice = await site.browserOf("alice");
    await alice.expect(200, "PUT", "/organization/acme/team/members/invite/dave@example.org");
    const link = await mailbox.nextLink("dave@example.org");
    const browser = await stranger(site);
    const page = await (await browser.call("GET", link)).text();
    expect(page).toContain("Sign in and join");
    expect(page).not.toContain("Create the account");
    const code = new URL(link, "https://registry.test").searchParams.get("code") ?? "";
    const form = { ...DAVE, code, answer: "create", _csrf_token: browser.csrf ?? "" };
    const answer = await browser.call("POST", "/confirminvite", {
      body: new URLSearchParams(form).toString(),
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
    });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("Are you a bot?")]);
  });
});
