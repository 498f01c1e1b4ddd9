import { expect } from "@std/testing";
import { sealSession, startUserSession } from "../../src/domain/accounts/sessions.ts";
import { findUser } from "../../src/domain/accounts/accounts.ts";
import { cleanTokens } from "../../src/workers/token_cleanup.ts";
import { HOST, ms, withWorld, type World } from "./world.ts";

/** Whether the token is let in at the registry. */
async function isAccepted(world: World, code: string): Promise<number> {
  const headers = { Authorization: `Basic ${btoa(`$app:${code}`)}` };
  const response = await world.fetch(new Request(`${HOST}/v2/auth?service=registry.test`, { headers }));
  await response.body?.cancel();
  return response.status;
}

Deno.test("user/apptoken: made, listed, read again, used at the registry, revoked", async () => {
  await withWorld({ APP_SPECIFIC_TOKEN_EXPIRATION: "30d" }, async (world) => {
    const alice = await world.browserOf("alice");
    const { token } = await alice.expect(200, "POST", "/user/apptoken", { title: "laptop" });
    expect(token).toEqual({
      uuid: expect.any(String),
      title: "laptop",
      last_accessed: null,
      created: expect.stringMatching(/ -0000$/),
      expiration: expect.stringMatching(/ -0000$/),
      token_code: expect.stringMatching(/^[A-Z0-9]{120}$/),
    });
    expect(Date.parse(token.expiration) - Date.parse(token.created)).toBe(ms("30d"));
    const [stored] = await world.deps.sql`select * from appspecificauthtoken`;
    expect(JSON.stringify(stored)).not.toContain(token.token_code.slice(60));
    const { token_code, ...listed } = token;
    expect(await alice.expect(200, "GET", "/user/apptoken")).toEqual({
      tokens: [listed],
      only_expiring: null,
    });
    expect(await alice.expect(200, "GET", `/user/apptoken/${token.uuid}`)).toEqual({ token });
    expect(await isAccepted(world, token_code)).toBe(200);
    expect(await isAccepted(world, token_code.slice(0, 119) + "-")).toBe(401);
    await waitUntil(async () => {
      const [row] = (await alice.expect(200, "GET", "/user/apptoken")).tokens;
      return row.last_accessed !== null;
    });
    // Nobody else's business.
    const bob = await world.browserOf("bob");
    await bob.expect(404, "GET", `/user/apptoken/${token.uuid}`);
    await bob.expect(404, "DELETE", `/user/apptoken/${token.uuid}`);
    expect((await bob.expect(200, "GET", "/user/apptoken")).tokens).toEqual([]);
    await alice.expect(204, "DELETE", `/user/apptoken/${token.uuid}`);
    await alice.expect(404, "GET", `/user/apptoken/${token.uuid}`);
    expect(await isAccepted(world, token_code)).toBe(401);
    const entry = [{
      namespace: "alice",
      performer: "alice",
      metadata: { app_specific_token_title: "laptop", app_specific_token: token.uuid },
    }];
    expect(await world.logged("create_app_specific_token")).toEqual(entry);
    expect(await world.logged("revoke_app_specific_token")).toEqual(entry);
  });
});

Deno.test("user/apptoken: `expiring`, the end, and the cleaning up after EXPIRED_APP_SPECIFIC_TOKEN_GC", async () => {
  await withWorld(
    { APP_SPECIFIC_TOKEN_EXPIRATION: "10d", EXPIRED_APP_SPECIFIC_TOKEN_GC: "2d", FRESH_LOGIN_TIMEOUT: "30d" },
    async (world) => {
      const alice = await world.browserOf("alice");
      const make = async (title: string) =>
        (await alice.expect(200, "POST", "/user/apptoken", { title })).token;
      const titles = async (query = "") =>
        (await alice.expect(200, "GET", `/user/apptoken${query}`)).tokens.map((
          { title }: { title: string },
        ) => title);
      const old = await make("old");
      world.clock.nowMs += ms("9d") + 1;
      await make("young");
      expect(await titles("?expiring=true")).toEqual(["old"]);
      expect(await titles("?expiring=false")).toEqual(["young", "old"]);
      expect(await isAccepted(world, old.token_code)).toBe(200);
      world.clock.nowMs += ms("1d");
      expect(await isAccepted(world, old.token_code)).toBe(401);
      expect(await titles("?expiring=true")).toEqual([]);
      expect((await cleanTokens(world.deps)).appTokens).toBe(0);
      world.clock.nowMs += ms("2d");
      expect((await cleanTokens(world.deps)).appTokens).toBe(1);
      expect(await titles()).toEqual(["young"]);
    },
  );
  await withWorld({}, async (world) => {
    const alice = await world.browserOf("alice");
    const { token } = await alice.expect(200, "POST", "/user/apptoken", { title: "for ever" });
    expect(token.expiration).toBe(null);
    world.clock.nowMs += ms("500d");
    expect((await cleanTokens(world.deps)).appTokens).toBe(0);
    expect(await isAccepted(world, token.token_code)).toBe(200);
  });
});

Deno.test("user/apptoken: fresh sign-in, scopes, bodies, and none when they are switched off", async () => {
  await withWorld({}, async (world) => {
    const { uuid } = await findUser(world.deps, "alice");
    const stale = startUserSession(uuid, world.clock.nowMs - ms("1h"));
    const alice = world.stranger().withCookie(sealSession(world.deps.config, stale), stale.csrfToken);
    expect((await alice.expect(401, "POST", "/user/apptoken", { title: "t" })).error_type)
      .toBe("fresh_login_required");
    await alice.expect(401, "GET", "/user/apptoken/x");
    await alice.expect(401, "DELETE", "/user/apptoken/x");
    await alice.expect(200, "GET", "/user/apptoken");
    const fresh = await world.browserOf("alice");
    for (const body of [undefined, {}, { title: "" }, { title: 7 }, { title: "t".repeat(256) }]) {
      await fresh.expect(400, "POST", "/user/apptoken", body);
    }
    await world.stranger().expect(401, "GET", "/user/apptoken");
    await (await world.scriptOf("alice", ["user:read", "org:admin", "repo:admin"])).expect(
      403,
      "GET",
      "/user/apptoken",
    );
    await (await world.scriptOf("alice", ["user:admin"])).expect(200, "POST", "/user/apptoken", {
      title: "t",
    });
  });
  await withWorld({ FEATURE_APP_SPECIFIC_TOKENS: false }, async (world) => {
    const alice = await world.browserOf("alice");
    await alice.expect(404, "GET", "/user/apptoken");
    await alice.expect(404, "POST", "/user/apptoken", { title: "t" });
  });
});

/** For what happens beside a request. */
async function waitUntil(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error("it did not come true within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
