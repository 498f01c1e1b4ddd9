import { expect } from "@std/testing";
import { createHash } from "node:crypto";
import { addRealUser, PASSWORD } from "../api/site.ts";
import { formOf } from "./browser.ts";
import { CALLBACK, HOST, ms, withWorld, type World } from "./world.ts";

interface Client {
  client_id: string;
  client_secret: string;
}

async function makeApplication(world: World, fields: Record<string, unknown> = {}): Promise<Client> {
  const alice = await world.browserOf("alice");
  return await alice.expect(200, "POST", "/organization/acme/applications", {
    name: "Deploy <tool>",
    redirect_uri: CALLBACK,
    description: 'Ships "things"',
    ...fields,
  });
}

function authorizePath(parameters: Record<string, string | undefined>): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] =>
    entry[1] !== undefined
  );
  return `/oauth/authorize?${new URLSearchParams(given)}`;
}

/** What the address says behind `?` or `#`. */
function parametersOf(location: string | undefined): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(location?.replace(/^[^?#]*[?#]/, "")));
}

async function userOf(world: World, token: string): Promise<[number, string | undefined]> {
  const response = await world.fetch(
    new Request(`${HOST}/api/v1/user/`, { headers: { Authorization: `Bearer ${token}` } }),
  );
  return [response.status, (await response.json()).username];
}

const exchange = (world: World, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  world.fetch(
    new Request(`${HOST}/oauth/access_token`, { method: "POST", headers, body: new URLSearchParams(fields) }),
  );

Deno.test("GET /oauth/authorize: sign in, consent, code, token, API; the next time without asking", async () => {
  await withWorld({}, async (world) => {
    const { client_id, client_secret } = await makeApplication(world);
    await addRealUser(world.deps, "dora");
    const alice = await world.browserOf("alice");
    await alice.expect(200, "PUT", "/organization/acme/team/owners/members/dora");
    const browser = await world.browser();
    const path = authorizePath({
      client_id,
      redirect_uri: CALLBACK,
      scope: "user:read repo:read",
      state: "s t&",
    });

    const signIn = await browser.open(path);
    expect(signIn.status).toBe(401);
    const wrong = await browser.submit(signIn, { username: "dora", password: "wrong-password" });
    expect([wrong.status, wrong.html]).toEqual([
      403,
      expect.stringContaining("Invalid Username or Password"),
    ]);
    await world.deps.sql`update "user" set invalid_login_attempts = 0`;
    const signedIn = await browser.submit(wrong, { username: "dora", password: PASSWORD });
    expect([signedIn.status, signedIn.location]).toEqual([
      303,
      expect.stringMatching(/^\/oauth\/authorize\?/),
    ]);

    const consent = await browser.open(signedIn.location!);
    expect(consent.status).toBe(200);
    expect(consent.html).toContain("Deploy &lt;tool&gt;");
    expect(consent.html).toContain("Ships &quot;things&quot;");
    expect(consent.html).toContain("<strong>dora</strong>");
    expect(consent.html).toContain("View all visible repositories");
    expect(consent.html).not.toContain("Dangerous");
    const agreed = await browser.submit(consent);
    expect(agreed.status).toBe(302);
    expect(agreed.location).toMatch(/^https:\/\/app\.example\/callback\?/);
    const { code, state } = parametersOf(agreed.location);
    expect([state, code]).toEqual(["s t&", expect.stringMatching(/^[A-Z0-9]{40}$/)]);

    const fields = {
      grant_type: "authorization_code",
      client_id,
      client_secret,
      redirect_uri: CALLBACK,
      code: code!,
      scope: "repo:read user:read",
    };
    const response = await exchange(world, fields);
    const answer = await response.json();
    expect([response.status, answer]).toEqual([200, {
      access_token: expect.stringMatching(/^[A-Z0-9]{40}$/),
      token_type: "Bearer",
      expires_in: 315_576_000,
      scope: "repo:read user:read",
    }]);
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    expect(await userOf(world, answer.access_token)).toEqual([200, "dora"]);
    const again = await exchange(world, fields);
    expect([again.status, (await again.json()).error]).toEqual([400, "invalid_grant"]);

    // Less than what was agreed to needs no question; more does.
    const less = await browser.open(
      authorizePath({ client_id, redirect_uri: CALLBACK, scope: "user:read", response_type: "token" }),
    );
    expect(less.status).toBe(302);
    expect(await userOf(world, parametersOf(less.location).access_token!)).toEqual([200, "dora"]);
    const more = await browser.open(
      authorizePath({ client_id, redirect_uri: CALLBACK, scope: "user:admin" }),
    );
    expect([more.status, more.html]).toEqual([200, expect.stringContaining("Dangerous")]);
  });
});

Deno.test("POST /oauth/authorizeapp: the token in the fragment; POST /oauth/denyapp: none", async () => {
  await withWorld({}, async (world) => {
    const { client_id } = await makeApplication(world);
    const browser = await world.browser("alice");
    const path = authorizePath({
      client_id,
      redirect_uri: `${CALLBACK}/deep?x=1`,
      scope: "repo:write,user:admin",
      response_type: "token",
      state: "xyz",
    });
    const consent = await browser.open(path);
    const denied = await browser.submit(consent, {}, "/oauth/denyapp");
    expect([denied.status, denied.location]).toEqual([
      302,
      `${CALLBACK}/deep?x=1&error=authorization_denied&state=xyz`,
    ]);
    const agreed = await browser.submit(consent);
    expect(agreed.location).toMatch(/^https:\/\/app\.example\/callback\/deep\?x=1#/);
    expect(parametersOf(agreed.location!.replace(/^[^#]*/, ""))).toEqual({
      access_token: expect.stringMatching(/^[A-Z0-9]{40}$/),
      token_type: "Bearer",
      expires_in: "315576000",
      scope: "repo:write user:admin",
      state: "xyz",
    });
    const [row] = await world.deps.sql`select token_name, token_code from oauthaccesstoken`;
    const token = parametersOf(agreed.location!.replace(/^[^#]*/, "")).access_token!;
    expect(row).toEqual({ token_name: token.slice(0, 20), token_code: expect.stringMatching(/^\$2[aby]\$/) });
  });
});

Deno.test("pages of /oauth: framed by nobody, kept by nobody, no script but their own", async () => {
  await withWorld({}, async (world) => {
    const { client_id } = await makeApplication(world);
    const path = authorizePath({ client_id, redirect_uri: CALLBACK, scope: "repo:read" });
    const pages = {
      "sign in": await (await world.browser()).open(path),
      consent: await (await world.browser("alice")).open(path),
      refused: await (await world.browser("bob")).open(path),
      local: await (await world.browser("alice")).open("/oauth/localapp"),
      missing: await (await world.browser("alice")).open("/oauth/nothing"),
    };
    for (const [what, { headers, html }] of Object.entries(pages)) {
      const policy = headers.get("Content-Security-Policy") ?? "";
      expect([what, policy]).toEqual([
        what,
        expect.stringMatching(/^default-src 'none'; style-src 'sha256-/),
      ]);
      expect([what, policy]).toEqual([
        what,
        expect.stringMatching(/base-uri 'none'; frame-ancestors 'none'$/),
      ]);
      expect([what, policy.includes("script-src")]).toEqual([what, what === "local"]);
      expect([what, html.includes("<script")]).toEqual([what, what === "local"]);
      // The browser runs and shows what the policy has the hash of, to the last blank.
      for (const [, text = ""] of html.matchAll(/<(?:style|script)>([\s\S]*?)<\/(?:style|script)>/g)) {
        expect([what, policy]).toEqual([
          what,
          expect.stringContaining(`'sha256-${createHash("sha256").update(text).digest("base64")}'`),
        ]);
      }
      expect([
        what,
        headers.get("Referrer-Policy"),
        headers.get("X-Frame-Options"),
        headers.get("Cache-Control"),
      ])
        .toEqual([what, "no-referrer", "DENY", "no-store"]);
    }
    expect(Object.values(pages).map(({ status }) => status)).toEqual([401, 200, 403, 200, 404]);
  });
});

Deno.test("GET /oauth/authorize: who may not, and what cannot be asked for", async () => {
  await withWorld({}, async (world) => {
    const { client_id } = await makeApplication(world);
    const { client_id: bare } = await makeApplication(world, { redirect_uri: "" });
    const LOCAL = "http://registry.test/oauth/localapp";
    const base = { client_id, redirect_uri: CALLBACK, scope: "repo:read" };
    const table: [who: string | undefined, change: Record<string, string | undefined>, outcome: unknown][] = [
      [undefined, {}, 401],
      [undefined, { client_id: "unknown" }, 401],
      ["alice", {}, 200],
      ["alice", { client_id: undefined }, 400],
      ["alice", { redirect_uri: undefined }, 400],
      ["alice", { client_id: "unknown" }, 404],
      ["alice", { client_id: "u".repeat(300) }, 404],
      ["alice", { scope: undefined }, 404],
      ["alice", { scope: "  , " }, 404],
      ["alice", { scope: "repo:read repo:everything" }, 404],
      ["bob", {}, 403],
      ["carol", {}, 403],
      ["bob", { client_id: "unknown" }, 404],
      ["bob", { redirect_uri: "https://evil.example/" }, 403],
      ["alice", { assignment_uuid: "unknown" }, 200],
      ["bob", { assignment_uuid: "unknown" }, 403],
      ["alice", { redirect_uri: "https://evil.example/" }, `${CALLBACK}?error=redirect_uri_mismatch`],
      [
        "alice",
        { redirect_uri: "https://app.example/callback.evil@evil.example/", state: "s" },
        200,
      ],
      [
        "alice",
        { redirect_uri: "https://app.example.evil.example/callback", state: "s" },
        `${CALLBACK}?error=redirect_uri_mismatch&state=s`,
      ],
      ["alice", { client_id: bare }, 400],
      ["alice", { client_id: bare, redirect_uri: LOCAL }, 200],
      ["alice", { redirect_uri: LOCAL }, 200],
      ["alice", { redirect_uri: `${LOCAL}/x` }, `${CALLBACK}?error=redirect_uri_mismatch`],
      ["alice", { response_type: "id_token" }, `${CALLBACK}?error=unsupported_response_type`],
    ];
    const outcomes = [];
    for (const [who, change] of table) {
      const { status, location } = await (await world.browser(who)).open(
        authorizePath({ ...base, ...change }),
      );
      outcomes.push([who, change, status === 302 ? location : status]);
    }
    expect(outcomes).toEqual(table);
    // Tokens and application passwords are no people at a keyboard.
    const { token: { token_code } } = await (await world.browserOf("alice"))
      .expect(200, "POST", "/user/apptoken", { title: "t" });
    const script = await world.browser();
    for (const authorization of [`Bearer ${"A".repeat(40)}`, `Basic ${btoa(`$app:${token_code}`)}`]) {
      const refused = await script.open(authorizePath(base), { headers: { Authorization: authorization } });
      expect([authorization.slice(0, 6), refused.status]).toEqual([authorization.slice(0, 6), 401]);
    }
    const head = await (await world.browser("alice")).open(authorizePath(base), { method: "HEAD" });
    expect(head.status).toBe(405);
    expect(await world.deps.sql`select 1 from oauthaccesstoken`).toHaveLength(0);
  });
});

Deno.test("POST /oauth/authorizeapp, denyapp: need the session's CSRF token, even with Basic credentials", async () => {
  await withWorld({ DIRECT_OAUTH_CLIENTID_WHITELIST: ["trusted"] }, async (world) => {
    const { client_id } = await makeApplication(world);
    await addRealUser(world.deps, "dora");
    const alice = await world.browserOf("alice");
    await alice.expect(200, "PUT", "/organization/acme/team/owners/members/dora");
    await world.deps.sql`update oauthapplication set client_id = 'trusted' where id = (
      select id from oauthapplication where client_id = ${(await makeApplication(world)).client_id})`;
    const browser = await world.browser("alice");
    const fields = { client_id, redirect_uri: CALLBACK, scope: "repo:read" };
    const other = await world.browser("bob");
    const foreign = formOf(
      (await browser.open(authorizePath(fields))).html,
    ).fields._csrf_token!;
    const basic = (password: string) => ({ Authorization: `Basic ${btoa(`dora:${password}`)}` });
    const stranger = await world.browser();
    const calls: [what: string, answer: Promise<{ status: number }>, status: number][] = [
      ["no token", browser.post("/oauth/authorizeapp", fields), 403],
      ["empty", browser.post("/oauth/authorizeapp", { ...fields, _csrf_token: "" }), 403],
      ["another session's", other.post("/oauth/authorizeapp", { ...fields, _csrf_token: foreign }), 403],
      ["denial without", browser.post("/oauth/denyapp", fields), 403],
      ["nobody", stranger.post("/oauth/authorizeapp", { ...fields, _csrf_token: foreign }), 401],
      ["nobody denies", stranger.post("/oauth/denyapp", { ...fields, _csrf_token: foreign }), 401],
      ["Basic, not on the list", stranger.post("/oauth/authorizeapp", fields, basic(PASSWORD)), 403],
      [
        "session, on the list",
        browser.post("/oauth/authorizeapp", { ...fields, client_id: "trusted" }),
        403,
      ],
      [
        "Basic, on the list",
        stranger.post("/oauth/authorizeapp", { ...fields, client_id: "trusted" }, basic(PASSWORD)),
        302,
      ],
      [
        "wrong Basic, on the list",
        stranger.post("/oauth/authorizeapp", { ...fields, client_id: "trusted" }, basic("wrong-password")),
        401,
      ],
    ];
    for (const [what, answer, status] of calls) expect([what, (await answer).status]).toEqual([what, status]);
    const form = await browser.post("/oauth/authorizeapp", { ...fields, _csrf_token: foreign });
    expect(form.status).toBe(302);
  });
});

Deno.test("POST /oauth/signin: only with its own CSRF token, and back to nowhere but /oauth/authorize", async () => {
  await withWorld({}, async (world) => {
    await addRealUser(world.deps, "dora");
    const { client_id } = await makeApplication(world);
    const path = authorizePath({ client_id, redirect_uri: CALLBACK, scope: "repo:read" });
    const page = await (await world.browser()).open(path);
    const person = { username: "dora", password: PASSWORD };
    const stolen = formOf(page.html).fields;
    const other = await world.browser();
    expect((await other.post("/oauth/signin", { ...stolen, ...person })).status).toBe(403);
    expect((await other.post("/oauth/signin", { ...person, padding: "x".repeat(2_000_000) })).status).toBe(
      413,
    );
    for (
      const return_to of ["https://evil.example/", "//evil.example", "\r\nX: y", "a=b&client_id=//x.example"]
    ) {
      const fresh = await world.browser();
      const { status, location } = await fresh.submit(await fresh.open(path), { ...person, return_to });
      expect([status, location]).toEqual([303, expect.stringMatching(/^\/oauth\/authorize\?[\w%=&+.~-]*$/)]);
    }
  });
});

Deno.test("POST /oauth/access_token: what is wrong with a request, in RFC 6749's words", async () => {
  await withWorld({}, async (world) => {
    const { client_id, client_secret } = await makeApplication(world);
    const other = await makeApplication(world);
    const browser = await world.browser("alice");
    const scope = "repo:read";
    let consented = false;
    const newCode = async () => {
      const page = await browser.open(authorizePath({ client_id, redirect_uri: CALLBACK, scope }));
      const { location } = consented ? page : await browser.submit(page);
      return parametersOf(location).code!;
    };
    const good = { grant_type: "authorization_code", client_id, client_secret, redirect_uri: CALLBACK };
    const code = await newCode();
    const table: [Record<string, string>, number, string][] = [
      [{ grant_type: "" }, 400, "invalid_request"],
      [{ grant_type: "password" }, 400, "unsupported_grant_type"],
      [{ client_id: "" }, 400, "invalid_request"],
      [{ client_id: "unknown" }, 400, "invalid_client"],
      [{ client_secret: "" }, 400, "invalid_request"],
      [{ client_secret: "x" }, 400, "invalid_client"],
      [{ client_secret: client_secret.toLowerCase() }, 400, "invalid_client"],
      [{ client_secret: other.client_secret }, 400, "invalid_client"],
      [{ client_id: other.client_id, client_secret: other.client_secret }, 400, "invalid_grant"],
      [{ code: "" }, 400, "invalid_request"],
      [{ code: "x" }, 400, "invalid_grant"],
      [{ code: code.slice(0, 20) + "A".repeat(20) }, 400, "invalid_grant"],
      [{ redirect_uri: `${CALLBACK}/other` }, 400, "invalid_grant"],
      [{ scope: "repo:read repo:write" }, 400, "invalid_scope"],
      [{ code: "\0" }, 400, "invalid_request"],
    ];
    for (const [change, status, error] of table) {
      const response = await exchange(world, { ...good, code, ...change });
      expect([change, response.status, (await response.json()).error]).toEqual([change, status, error]);
    }
    const basic = (secret: string) => ({ Authorization: `Basic ${btoa(`${client_id}:${secret}`)}` });
    const { client_secret: _, ...without } = good;
    const refused = await exchange(world, { ...without, code }, basic("x"));
    expect([refused.status, refused.headers.get("WWW-Authenticate")]).toEqual([401, 'Basic realm="oauth"']);
    await refused.body?.cancel();
    const got = await exchange(world, { ...without, code }, basic(client_secret));
    expect([got.status, (await got.json()).scope]).toEqual([200, scope]);
    consented = true;

    // Of many who bring the same code at once, one gets a token.
    const raced = await newCode();
    const all = await Promise.all(Array.from({ length: 6 }, () => exchange(world, { ...good, code: raced })));
    expect(all.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400, 400, 400]);
    for (const response of all) await response.body?.cancel();

    const late = await newCode();
    world.clock.nowMs += ms("2m");
    expect((await (await exchange(world, { ...good, code: late })).json()).error).toBe("invalid_grant");

    const gone = await newCode();
    await world.deps.sql`update "user" set enabled = false where username = 'alice'`;
    expect((await (await exchange(world, { ...good, code: gone })).json()).error).toBe("invalid_grant");
  });
});

Deno.test("/oauth: a read-only registry issues nothing", async () => {
  await withWorld({}, async (world) => {
    const { client_id } = await makeApplication(world);
    const readonly = { ...world.deps, config: { ...world.deps.config, REGISTRY_STATE: "readonly" as const } };
    const { oauthRoutes } = await import("../../src/http/oauth/oauth.ts");
    const app = oauthRoutes(readonly);
    const browser = await world.browser("alice");
    const page = await browser.open(authorizePath({ client_id, redirect_uri: CALLBACK, scope: "repo:read" }));
    const cookie = page.headers.getSetCookie();
    expect(cookie).toEqual([]);
    const { fields } = formOf(page.html);
    const alice = await world.browserOf("alice");
    const response = await app.fetch(
      new Request(`${HOST}/oauth/authorizeapp`, {
        method: "POST",
        headers: { Cookie: `_csrf_token=${alice.cookie}`, "X-CSRF-Token": alice.csrf! },
        body: new URLSearchParams(fields),
      }),
    );
    expect(response.status).toBe(503);
    expect(await world.deps.sql`select 1 from oauthaccesstoken`).toHaveLength(0);
  });
});

Deno.test("GET /oauth/localapp: shows the token of its address and takes it out of there; a denial", async () => {
  await withWorld({}, async (world) => {
    const browser = await world.browser("alice");
    expect((await (await world.browser()).open("/oauth/localapp")).status).toBe(401);
    const denied = await browser.open("/oauth/localapp?error=authorization_denied");
    expect([denied.status, denied.html]).toEqual([200, expect.stringContaining("Authorization canceled")]);
    const page = await browser.open("/oauth/localapp");
    expect(page.html).toContain("<noscript>");
    const script = /<script>([\s\S]*)<\/script>/.exec(page.html)![1]!;
    const elements: Record<string, { textContent?: string; hidden: boolean }> = {};
    for (const [, id] of page.html.matchAll(/ id="(\w+)"/g)) elements[id!] = { hidden: id === "given" };
    const visited: unknown[] = [];
    const run = new Function("document", "location", "history", script);
    run(
      { getElementById: (id: string) => elements[id] },
      { hash: "#access_token=TOKEN&scope=repo%3Aread+repo%3Awrite", pathname: "/oauth/localapp" },
      { replaceState: (...given: unknown[]) => visited.push(given) },
    );
    expect(elements).toEqual({
      given: { hidden: false },
      missing: { hidden: true },
      token: { hidden: false, textContent: "TOKEN" },
      scope: { hidden: false, textContent: "repo:read, repo:write" },
    });
    expect(visited).toEqual([[null, "", "/oauth/localapp"]]);
  });
});
