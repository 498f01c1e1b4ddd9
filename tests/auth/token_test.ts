import assert from "node:assert/strict";
import { Hono } from "hono";
import { decodeJwt } from "jose";
import type { Config } from "../../src/config/schema.ts";
import type { Deps } from "../../src/domain/deps.ts";
import { createOauthApplication, issueOauthToken } from "../../src/domain/oauth/tokens.ts";
import { hashPassword } from "../../src/domain/accounts/passwords.ts";
import { findRepository, REPOSITORY_STATE } from "../../src/domain/repositories/repositories.ts";
import { encryptPassword } from "../../src/domain/secrets.ts";
import { ensureInstanceKey } from "../../src/domain/site/service_keys.ts";
import { insertRepository, updateRepositoryState } from "../../src/drivers/database/queries/repository.ts";
import { upsertUserPermission } from "../../src/drivers/database/queries/repository_permission.ts";
import { upsertRobotToken } from "../../src/drivers/database/queries/robot.ts";
import { insertTeam, insertTeamMember } from "../../src/drivers/database/queries/team.ts";
import { insertAccount, updateAccountEnabled } from "../../src/drivers/database/queries/user.ts";
import { keyRoutes } from "../../src/http/keys.ts";
import { registryRoutes } from "../../src/http/registry/registry.ts";
import { testDeps, withDatabase } from "../database.ts";

const CONTEXT = {
  requestId: "r",
  clientAddress: "::1",
  scheme: "http",
  host: "registry.test",
  route: "",
} as const;
const PASSWORD = "correct-horse";
const ROBOT_TOKEN = "R".repeat(64);

interface World {
  readonly deps: Deps;
  readonly clock: { nowMs: number };
  readonly ids: { ada: number; devs: number; bot: number };
  /** GET `path` as `user:password`, or with the whole header. */
  get(path: string, authorization?: string, config?: Partial<Config>): Promise<Response>;
  /** What the token for `scopes` grants, as `name=action,…`. */
  grants(as: string | undefined, scopes: string, config?: Partial<Config>): Promise<string>;
}

async function withWorld(work: (world: World) => Promise<void>): Promise<void> {
  const dataDir = await Deno.makeTempDir();
  try {
    await withDatabase(async (sql) => {
      const clock = { nowMs: Date.now() };
      const deps = testDeps(sql, { now: () => clock.nowMs });
      await ensureInstanceKey(deps, { dataDir });
      const ids = await build(deps);
      const get = async (path: string, as?: string, config: Partial<Config> = {}) => {
        const handler = registryRoutes({ ...deps, config: { ...deps.config, ...config } });
        const authorization = as === undefined || /^(Basic|Bearer) /.test(as) ? as : `Basic ${btoa(as)}`;
        const headers = authorization === undefined ? {} : { Authorization: authorization };
        const request = new Request(`http://registry.test${path}`, { headers });
        return await handler(request, CONTEXT);
      };
      await work({
        deps,
        clock,
        ids,
        get,
        async grants(as, scopes, config) {
          const query = new URLSearchParams({ service: "registry.test", scope: scopes });
          const response = await get(`/v2/auth?${query}`, as, config);
          const body = await response.json();
          assert.equal(response.status, 200, JSON.stringify(body));
          assert.deepEqual(Object.keys(body), ["token"]);
          const { access } = decodeJwt<{ access: { name: string; actions: string[] }[] }>(body.token);
          return access.map(({ name, actions }) => `${name}=${actions.join(",")}`).join(" ");
        },
      });
    });
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
}

async function build({ sql, secrets }: Deps) {
  const passwordHash = await hashPassword(PASSWORD, 4);
  const account = async (username: string, kind: "user" | "organization" | "robot") => {
    const id = await insertAccount(sql, {
      username,
      email: `${username}@example.com`,
      passwordHash: kind === "user" ? passwordHash : null,
      verified: true,
      kind,
      tagExpirationS: 1209600,
      nowMs: 0,
    });
    return id!;
  };
  const ada = await account("ada", "user");
  const devs = await account("devs", "organization");
  const bot = await account("devs+bot", "robot");
  await account("eve", "user");
  const team = await insertTeam(sql, {
    organizationId: devs,
    name: "owners",
    role: "admin",
    description: "",
  });
  await insertTeamMember(sql, team!, ada);
  await upsertRobotToken(sql, bot, secrets.encrypt(ROBOT_TOKEN));
  const repository = { namespaceId: devs, description: "", kind: "image" } as const;
  const app = await insertRepository(sql, { ...repository, name: "app", visibility: "private" });
  await insertRepository(sql, { ...repository, name: "pub", visibility: "public" });
  await upsertUserPermission(sql, { repositoryId: app!, userId: bot, role: "write" });
  return { ada, devs, bot };
}

const ADA = `ada:${PASSWORD}`;
const EVE = `eve:${PASSWORD}`;
const BOT = `devs+bot:${ROBOT_TOKEN}`;

Deno.test("GET /v2/auth: what each gets, and what is dropped without a word", async (t) => {
  await withWorld(async ({ grants, deps, ids }) => {
    const app = "repository:devs/app:pull,push";
    const cases: [string | undefined, string, string][] = [
      [ADA, app, "devs/app=pull,push"],
      [`ada@example.com:${PASSWORD}`, app, "devs/app=pull,push"],
      [`ada:${encryptPassword(deps.config, PASSWORD)}`, app, "devs/app=pull,push"],
      [ADA, "repository:devs/app:*", "devs/app=*"],
      [EVE, app, "devs/app="],
      [BOT, app, "devs/app=pull,push"],
      [BOT, "repository:devs/app:*", "devs/app="],
      [undefined, app, "devs/app="],
      [undefined, "repository:devs/pub:pull,push", "devs/pub=pull"],
      [EVE, "repository:devs/pub:pull,push", "devs/pub=pull"],
      [ADA, `${app} repository:devs/pub:pull`, "devs/app=pull,push devs/pub=pull"],
      [EVE, "repository:devs/new:pull,push", "devs/new="],
      [BOT, "repository:devs/new:pull,push", "devs/new="],
      [undefined, "repository:devs/new:pull,push", "devs/new="],
      // Who may create it learns that it is not there.
      [ADA, "repository:devs/new:pull", "devs/new=pull"],
      [EVE, "repository:devs/new:pull", "devs/new="],
      [ADA, "repository:nowhere/new:pull,push", "nowhere/new="],
      [ADA, "registry:catalog:*", ""],
    ];
    for (const [as, scopes, expected] of cases) {
      await t.step(`${as?.split(":", 1)[0] ?? "nobody"} asks ${scopes}`, async () => {
        assert.equal(await grants(as, scopes), expected);
      });
    }
    await t.step("a push creates the repository, private, its creator administrator", async () => {
      assert.equal(
        await deps.sql`select 1 from repository where name = 'new'`.then((rows) => rows.length),
        0,
      );
      assert.equal(await grants(ADA, "repository:devs/new:pull,push"), "devs/new=pull,push");
      assert.equal((await findRepository(deps.sql, "devs", "new"))?.visibility, "private");
      assert.equal(await grants(EVE, "repository:eve/own:pull,push"), "eve/own=pull,push");
      await grants(ADA, "repository:devs/open:push", { CREATE_PRIVATE_REPO_ON_PUSH: false });
      assert.equal((await findRepository(deps.sql, "devs", "open"))?.visibility, "public");
      assert.equal(await grants(ADA, "repository:devs/ro:push", { REGISTRY_STATE: "readonly" }), "devs/ro=");
      assert.equal(
        await grants(EVE, "repository:eve/no:push", { FEATURE_RESTRICTED_USERS: true }),
        "eve/no=",
      );
    });
    await t.step("CREATE_NAMESPACE_ON_PUSH makes the organization", async () => {
      const config = { CREATE_NAMESPACE_ON_PUSH: true, FEATURE_MAILING: true };
      assert.equal(await grants(EVE, "repository:eves/app:push", config), "eves/app=push");
      assert.equal(await grants(BOT, "repository:bots/app:push", config), "bots/app=");
    });
    await t.step("states", async () => {
      const repository = await findRepository(deps.sql, "devs", "app");
      await updateRepositoryState(deps.sql, repository!.id, REPOSITORY_STATE.READ_ONLY);
      assert.equal(await grants(ADA, "repository:devs/app:pull,push,*"), "devs/app=pull");
      await updateRepositoryState(deps.sql, repository!.id, REPOSITORY_STATE.MIRROR);
      assert.equal(await grants(ADA, app), "devs/app=pull");
      assert.equal(await grants(BOT, app), "devs/app=pull");
      await updateRepositoryState(deps.sql, repository!.id, REPOSITORY_STATE.NORMAL);
    });
    await t.step("an OAuth token carries its scopes", async () => {
      const applicationId = await createOauthApplication(deps, {
        ownerId: ids.devs,
        clientId: "c",
        name: "n",
        description: "",
      });
      const options = { applicationId, userId: ids.ada, lifetimeS: 60 };
      const token = await issueOauthToken(deps, { ...options, scopes: ["repo:read"] });
      assert.equal(await grants(`$oauthtoken:${token}`, app), "devs/app=pull");
    });
    await t.step("an application token", async () => {
      const [name, secret] = ["N".repeat(60), "S".repeat(60)];
      await deps.sql`
        insert into appspecificauthtoken (user_id, title, token_name, token_secret)
        values (${ids.ada}, 't', ${name}, ${deps.secrets.encrypt(secret)})`;
      assert.equal(await grants(`$app:${name}${secret}`, app), "devs/app=pull,push");
    });
  });
});

Deno.test("GET /v2/auth: who is refused, and how", async (t) => {
  await withWorld(async ({ get, deps, clock, ids }) => {
    const scope = "scope=repository:devs/pub:pull";
    const cases: [string, string | undefined, string, number, string, Partial<Config>?][] = [
      ["nobody without scope", undefined, "", 401, "UNAUTHORIZED"],
      ["an unknown name", "nobody:x", scope, 401, "UNAUTHORIZED"],
      ["no password", "eve:", scope, 401, "UNAUTHORIZED"],
      ["a NUL", "eve:\0", scope, 401, "UNAUTHORIZED"],
      ["an organization", "devs:x", scope, 401, "UNAUTHORIZED"],
      ["a wrong robot token", "devs+bot:RRR", scope, 401, "UNAUTHORIZED"],
      ["an unknown robot", `devs+nobot:${ROBOT_TOKEN}`, scope, 401, "UNAUTHORIZED"],
      ["robots off", BOT, scope, 401, "UNAUTHORIZED", { ROBOTS_DISALLOW: true }],
      ["robots off but this one", BOT, scope, 200, "", {
        ROBOTS_DISALLOW: true,
        ROBOTS_WHITELIST: ["devs+bot"],
      }],
      ["a wrong app token", `$app:${"A".repeat(120)}`, scope, 401, "UNAUTHORIZED"],
      ["a short app token", "$app:", scope, 401, "UNAUTHORIZED"],
      ["a wrong OAuth token", `$oauthtoken:${"A".repeat(40)}`, scope, 401, "UNAUTHORIZED"],
      ["$token", "$token:x", scope, 401, "UNAUTHORIZED"],
      ["plain password", ADA, scope, 401, "UNAUTHORIZED", { FEATURE_REQUIRE_ENCRYPTED_BASIC_AUTH: true }],
      ["Bearer", "Bearer abc", scope, 401, "UNAUTHORIZED"],
      ["two credentials", `Basic ${btoa(ADA)}, Basic ${btoa(BOT)}`, scope, 401, "UNAUTHORIZED"],
      ["a bad scope", ADA, "scope=repository:devs/pub", 400, "INVALID_REQUEST"],
      ["a bad name", ADA, "scope=repository:Devs/pub:pull", 400, "NAME_INVALID"],
      ["a long service", ADA, `service=${"a".repeat(300)}`, 400, "INVALID_REQUEST"],
    ];
    for (const [what, as, query, status, code, config] of cases) {
      await t.step(what, async () => {
        const response = await get(`/v2/auth?${query}`, as, config);
        const body = await response.json();
        assert.equal(response.status, status);
        assert.equal(body.errors?.[0].code ?? "", code);
      });
    }
    await t.step("failures lock the name out for a while, even for the right password", async () => {
      await deps.sql`update "user" set invalid_login_attempts = 0`;
      assert.equal((await get("/v2/auth", "ada:wrong-1")).status, 401);
      clock.nowMs += 600;
      assert.equal((await get("/v2/auth", "ada:wrong-2")).status, 401);
      const locked = await get("/v2/auth", ADA);
      assert.equal(locked.status, 429);
      assert.equal(locked.headers.get("retry-after"), "2");
      await locked.body?.cancel();
      clock.nowMs += 1600;
      assert.equal((await get("/v2/auth", ADA)).status, 200);
      const [row] = await deps.sql`select invalid_login_attempts as n from "user" where id = ${ids.ada}`;
      assert.equal(row?.n, 0);
    });
    await t.step("a disabled person, and the robots of a disabled namespace", async () => {
      await updateAccountEnabled(deps.sql, ids.ada, false);
      assert.equal((await get("/v2/auth", ADA)).status, 401);
      await updateAccountEnabled(deps.sql, ids.devs, false);
      assert.equal((await get("/v2/auth", BOT)).status, 401);
      const denied = await get(`/v2/auth?${scope}`);
      assert.equal(denied.status, 405);
      assert.equal((await denied.json()).errors[0].code, "DENIED");
    });
  });
});

Deno.test("GET /v2/: only with a bearer token, which opens what it says", async () => {
  await withWorld(async ({ get }) => {
    const challenged = await get("/v2/");
    assert.equal(challenged.status, 401);
    assert.match(
      challenged.headers.get("www-authenticate") ?? "",
      /^Bearer realm=".+\/v2\/auth",service="registry.test"$/,
    );
    assert.equal((await get("/v2/", ADA)).status, 401);
    assert.equal((await get("/v2/", "Bearer nonsense")).status, 401);
    const { token } = await (await get("/v2/auth", ADA)).json();
    const welcome = await get("/v2/", `Bearer ${token}`);
    assert.equal(welcome.status, 200);
    assert.equal(await welcome.text(), "true");
  });
});

Deno.test("GET /keys/services/<service>/keys: the public half, to anybody", async () => {
  await withWorld(async ({ deps }) => {
    const app = new Hono().route("/keys", keyRoutes(deps));
    const { keys } = await (await app.request("/keys/services/quay/keys")).json();
    assert.equal(keys.length, 1);
    assert.deepEqual(Object.keys(keys[0]).sort(), ["e", "kid", "kty", "n"]);
    const one = await app.request(`/keys/services/quay/keys/${keys[0].kid}`);
    assert.equal(one.status, 200);
    assert.match(one.headers.get("cache-control") ?? "", /max-age=\d+/);
    assert.equal((await app.request(`/keys/services/clair/keys/${keys[0].kid}`)).status, 404);
    assert.equal((await app.request("/keys/services/quay/keys/none")).status, 404);
    await deps.sql`update servicekey set expiration_date = '2000-01-01'`;
    assert.equal((await app.request(`/keys/services/quay/keys/${keys[0].kid}`)).status, 403);
    await deps.sql`update servicekey set approval_id = null`;
    assert.equal((await app.request(`/keys/services/quay/keys/${keys[0].kid}`)).status, 409);
  });
});
