import { expect } from "@std/testing";
import type { ApiClient } from "../api/api_client.ts";
import { HOST, ms, withWorld, type World } from "./world.ts";

async function makeApplication(world: World): Promise<string> {
  const alice = await world.browserOf("alice");
  const { client_id } = await alice.expect(200, "POST", "/organization/acme/applications", { name: "ci" });
  return `/organization/acme/applications/${client_id}/tokens`;
}

const delay = (waitMs: number) => new Promise((resolve) => setTimeout(resolve, waitMs));

async function statusWith(world: World, token: string): Promise<number> {
  const headers = { Authorization: `Bearer ${token}` };
  const response = await world.fetch(new Request(`${HOST}/api/v1/user/`, { headers }));
  await response.body?.cancel();
  return response.status;
}

Deno.test("…/applications/{cid}/tokens: made, used, listed page by page, revoked", async () => {
  await withWorld({}, async (world) => {
    const at = await makeApplication(world);
    const alice = await world.browserOf("alice");
    const made = await alice.expect(200, "POST", at, {
      name: " nightly ",
      scope: "user:read,repo:write",
      expiration: 3600,
    });
    expect(made).toEqual({
      uuid: expect.any(String),
      name: "nightly",
      scope: "repo:write user:read",
      expires_at: new Date(world.clock.nowMs + ms("1h")).toISOString(),
      created: new Date(world.clock.nowMs).toISOString(),
      created_by: "alice",
      last_accessed: null,
      token: expect.stringMatching(/^[A-Z0-9]{40}$/),
    });
    const { token, ...listed } = made;
    expect((await alice.expect(200, "GET", at)).tokens).toEqual([listed]);
    expect(await statusWith(world, token)).toBe(200);
    // Recorded beside the request.
    const lastUse = async () => (await alice.expect(200, "GET", at)).tokens[0].last_accessed;
    for (const endMs = Date.now() + 10_000; await lastUse() === null && Date.now() < endMs;) await delay(20);
    expect(await lastUse()).toBe(new Date(world.clock.nowMs).toISOString());
    world.clock.nowMs += ms("1h");
    expect(await statusWith(world, token)).toBe(401);

    const forEver = await alice.expect(200, "POST", at, { name: "x", scope: "user:read", expiration: 1e12 });
    const tenYears = 315_576_000_000;
    expect(Date.parse(forEver.expires_at)).toBe(world.clock.nowMs + tenYears);
    await alice.expect(204, "DELETE", `${at}/${forEver.uuid}`);
    expect(await statusWith(world, forEver.token)).toBe(401);
    await alice.expect(404, "DELETE", `${at}/${forEver.uuid}`);
    const { uuid: mine } = await (await world.scriptOf("alice", ["org:admin", "user:read"]))
      .expect(200, "POST", at, { name: "by a token", scope: "org:admin" });

    const metadata = { application_name: "ci", client_id: at.split("/")[4] };
    expect((await world.logged("create_oauth_api_token"))[0]).toEqual({
      namespace: "acme",
      performer: "alice",
      metadata: {
        ...metadata,
        oauth_token_uuid: made.uuid,
        token_display_name: "nightly",
        scope: "repo:write user:read",
        auth_method: "OAuth",
      },
    });
    expect(await world.logged("revoke_oauth_api_token")).toEqual([
      { namespace: "acme", performer: "alice", metadata: { ...metadata, oauth_token_uuid: forEver.uuid } },
    ]);

    await world.deps.sql`
      insert into oauthaccesstoken (application_id, authorized_user_id, scope, token_name, token_code, expires_at)
      select a.id, u.id, 'repo:read', 'name' || g, '', now() from generate_series(1, 120) g,
        (select id from oauthapplication where name = 'ci') a, "user" u where u.username = 'alice'`;
    const seen: string[] = [];
    let next: string | undefined = "";
    do {
      const page = await alice.expect(200, "GET", next === "" ? at : `${at}?next_page=${next}`);
      seen.push(...page.tokens.map(({ uuid }: { uuid: string }) => uuid));
      next = page.next_page;
    } while (next !== undefined);
    expect([seen.length, new Set(seen).size, seen[0], seen[1]]).toEqual([122, 122, made.uuid, mine]);
  });
});

Deno.test("POST …/applications/{cid}/tokens: nobody hands out more than they have", async () => {
  await withWorld({ SUPER_USERS: ["root"], FEATURE_SUPERUSERS_FULL_ACCESS: true }, async (world) => {
    const at = await makeApplication(world);
    const alice = await world.browserOf("alice");
    const root = await world.browserOf("root");
    const script = await world.scriptOf("alice", ["org:admin", "repo:write", "user:admin"]);
    const superScript = await world.scriptOf("root", ["super:user"]);
    const table: [what: string, caller: ApiClient, scope: string, status: number][] = [
      ["administrator", alice, "repo:admin repo:create org:admin user:admin", 200],
      ["administrator", alice, "super:user", 403],
      ["administrator", alice, "repo:read super:user", 403],
      ["superuser", root, "super:user", 200],
      ["superuser's token", superScript, "super:user", 200],
      ["superuser's token", superScript, "repo:read", 403],
      ["token", script, "repo:write", 200],
      ["token, included", script, "repo:read", 200],
      ["token, included", script, "user:read", 200],
      ["token, beyond", script, "repo:admin", 403],
      ["token, beyond", script, "org:admin repo:create", 403],
      ["unknown scope", alice, "repo:read nonsense", 400],
      ["no scope", alice, "", 400],
      ["member", await world.browserOf("carol"), "repo:read", 403],
      ["stranger", await world.browserOf("bob"), "repo:read", 403],
    ];
    for (const [what, caller, scope, status] of table) {
      const response = await caller.api("POST", at, { name: "t", scope });
      expect([what, scope, response.status]).toEqual([what, scope, status]);
      await response.body?.cancel();
    }
    for (
      const body of [
        undefined,
        {},
        { name: "t" },
        { scope: "repo:read" },
        { name: " ", scope: "repo:read" },
        { name: "t".repeat(256), scope: "repo:read" },
        { name: "t", scope: "repo:read", expiration: 0 },
        { name: "t", scope: "repo:read", expiration: -5 },
        { name: "t", scope: "repo:read", expiration: "1" },
      ]
    ) await alice.expect(400, "POST", at, body);
    await alice.expect(404, "POST", "/organization/acme/applications/none/tokens", {
      name: "t",
      scope: "repo:read",
    });
  });
});

Deno.test("POST …/applications/{cid}/tokens: OAUTH_APPLICATION_MAXIMUM_TOKEN_COUNT, however many ask at once", async () => {
  await withWorld({ OAUTH_APPLICATION_MAXIMUM_TOKEN_COUNT: 3 }, async (world) => {
    const at = await makeApplication(world);
    const alice = await world.browserOf("alice");
    const body = { name: "t", scope: "repo:read", expiration: 60 };
    const all = await Promise.all(Array.from({ length: 8 }, () => alice.api("POST", at, body)));
    expect(all.map(({ status }) => status).sort()).toEqual([200, 200, 200, 400, 400, 400, 400, 400]);
    const refused = all.find(({ status }) => status === 400)!;
    expect((await refused.json()).message).toMatch("maximum 3 non-expired tokens");
    for (const response of all) if (!response.bodyUsed) await response.body?.cancel();
    // Those that have ended do not count.
    world.clock.nowMs += ms("61s");
    await alice.expect(200, "POST", at, body);
  });
});

Deno.test("…/tokens of an application are no consent: the next authorize asks all the same", async () => {
  await withWorld({}, async (world) => {
    const at = await makeApplication(world);
    const alice = await world.browserOf("alice");
    await alice.expect(200, "POST", at, { name: "t", scope: "repo:read" });
    const browser = await world.browser("alice");
    const redirect_uri = `${HOST}/oauth/localapp`;
    const query = new URLSearchParams({ client_id: at.split("/")[4]!, redirect_uri, scope: "repo:read" });
    expect((await browser.open(`/oauth/authorize?${query}`)).status).toBe(200);
  });
});
