import { expect } from "@std/testing";
import { decodeJwt } from "jose";
import { type Scope, SCOPES } from "../../src/domain/access/access.ts";
import { findUser } from "../../src/domain/accounts/accounts.ts";
import { createOauthApplication, issueOauthToken } from "../../src/domain/oauth/tokens.ts";
import { createRepository } from "../../src/domain/repositories/repositories.ts";
import { OPERATOR } from "../api/site.ts";
import { HOST, withWorld, type World } from "./world.ts";

async function tokenOf(world: World, username: string, scopes: readonly Scope[]): Promise<string> {
  const { id } = await findUser(world.deps, username);
  const clientId = crypto.randomUUID().slice(0, 20);
  const application = { ownerId: id, clientId, name: "test", description: "" };
  const applicationId = await createOauthApplication(world.deps, application);
  return await issueOauthToken(world.deps, { applicationId, userId: id, scopes, lifetimeS: 3600 });
}

/** A bearer token of the registry for Basic credentials. */
async function bearerFor(world: World, credentials: string, scope: string): Promise<string> {
  const query = new URLSearchParams({ service: "registry.test", scope });
  const headers = { Authorization: `Basic ${btoa(credentials)}` };
  const response = await world.fetch(new Request(`${HOST}/v2/auth?${query}`, { headers }));
  const body = await response.json();
  expect([credentials.split(":")[0], response.status, body]).toEqual([credentials.split(":")[0], 200, body]);
  return body.token;
}

function actionsIn(bearer: string): string {
  const { access } = decodeJwt(bearer) as { access: { actions: string[] }[] };
  return access[0]!.actions.join();
}

/** What each scope lets a token do with a repository at the registry (api.md §0, "OAuth scopes"). */
const TABLE: readonly [
  scope: Scope,
  /** Of an administrator of the organization, on a private repository there. */
  admin: string,
  /** Of a superuser, with and without FEATURE_SUPERUSERS_FULL_ACCESS. */
  superuser: string,
  fullAccess: string,
  /** Of a global read-only superuser. */
  auditor: string,
  /** Whether a push to a repository that is not there makes it. */
  creates: boolean,
][] = [
  ["repo:read", "pull", "", "", "pull", false],
  ["repo:write", "pull,push", "", "", "pull", false],
  ["repo:admin", "pull,push,*", "", "", "pull", false],
  ["repo:create", "", "", "", "", true],
  ["user:read", "", "", "", "", false],
  ["user:admin", "", "", "", "", false],
  ["org:admin", "", "", "", "", true],
  ["super:user", "", "", "pull,push,*", "pull", false],
];

Deno.test("$oauthtoken at the registry: each scope grants what it says, and no more", async () => {
  expect(TABLE.map(([scope]) => scope)).toEqual([...SCOPES]);
  const config = { SUPER_USERS: ["root"], GLOBAL_READONLY_SUPER_USERS: ["bob"] };
  for (const fullAccess of [false, true]) {
    await withWorld({ ...config, FEATURE_SUPERUSERS_FULL_ACCESS: fullAccess }, async (world) => {
      await createRepository(world.deps, OPERATOR, {
        namespace: "acme",
        name: "app",
        visibility: "private",
        description: "",
      });
      const granted = async (username: string, scope: Scope) => {
        const credentials = `$oauthtoken:${await tokenOf(world, username, [scope])}`;
        return actionsIn(await bearerFor(world, credentials, "repository:acme/app:pull,push,*"));
      };
      for (const [scope, admin, superuser, withFullAccess, auditor, creates] of TABLE) {
        expect([scope, "admin", await granted("alice", scope)]).toEqual([scope, "admin", admin]);
        const expected = fullAccess ? withFullAccess : superuser;
        expect([scope, "superuser", await granted("root", scope)]).toEqual([scope, "superuser", expected]);
        expect([scope, "auditor", await granted("bob", scope)]).toEqual([scope, "auditor", auditor]);
        expect([scope, "stranger", await granted("carol", scope)]).toEqual([scope, "stranger", ""]);
        const name = `new-${scope.replace(":", "-")}`;
        const credentials = `$oauthtoken:${await tokenOf(world, "alice", [scope])}`;
        await bearerFor(world, credentials, `repository:acme/${name}:pull,push`);
        const made = await world.deps.sql`select 1 from repository where name = ${name}`;
        expect([scope, "creates", made.length === 1]).toEqual([scope, "creates", creates]);
      }
    });
  }
});

Deno.test("$oauthtoken, $app at the registry: what the bearer token says is what the endpoints do", async () => {
  await withWorld({}, async (world) => {
    await createRepository(world.deps, OPERATOR, {
      namespace: "acme",
      name: "app",
      visibility: "private",
      description: "",
    });
    const alice = await world.browserOf("alice");
    const { token: { token_code } } = await alice.expect(200, "POST", "/user/apptoken", { title: "t" });
    const scope = "repository:acme/app:pull,push";
    const callers: [what: string, credentials: string, upload: number, list: number][] = [
      ["repo:read", `$oauthtoken:${await tokenOf(world, "alice", ["repo:read"])}`, 401, 404],
      ["repo:write", `$oauthtoken:${await tokenOf(world, "alice", ["repo:write"])}`, 202, 404],
      ["user:admin", `$oauthtoken:${await tokenOf(world, "alice", ["user:admin"])}`, 401, 401],
      ["$app", `$app:${token_code}`, 202, 404],
    ];
    for (const [what, credentials, upload, blob] of callers) {
      const headers = { Authorization: `Bearer ${await bearerFor(world, credentials, scope)}` };
      const post = await world.fetch(
        new Request(`${HOST}/v2/acme/app/blobs/uploads/`, { method: "POST", headers }),
      );
      await post.body?.cancel();
      const get = await world.fetch(
        new Request(`${HOST}/v2/acme/app/blobs/sha256:${"0".repeat(64)}`, { headers }),
      );
      await get.body?.cancel();
      expect([what, post.status, get.status]).toEqual([what, upload, blob]);
    }
    // Neither is a password of the other kind, or of a person.
    const oauth = await tokenOf(world, "alice", ["repo:admin"]);
    for (
      const credentials of [
        `$app:${oauth}`,
        `$oauthtoken:${token_code}`,
        `alice:${oauth}`,
        `alice:${token_code}`,
      ]
    ) {
      const headers = { Authorization: `Basic ${btoa(credentials)}` };
      const response = await world.fetch(new Request(`${HOST}/v2/auth?service=registry.test`, { headers }));
      await response.body?.cancel();
      expect([credentials.split(":")[0], response.status]).toEqual([credentials.split(":")[0], 401]);
      await world.deps.sql`update "user" set invalid_login_attempts = 0`;
    }
  });
});

Deno.test("GET /organization/{org}: a token without org:admin sees what strangers see", async () => {
  await withWorld({}, async (world) => {
    for (const [username, who] of [["alice", "administrator"], ["carol", "member"]] as const) {
      for (const scope of SCOPES) {
        const script = await world.scriptOf(username, [scope]);
        const { is_member, is_admin, teams } = await script.expect(200, "GET", "/organization/acme");
        const inside = scope === "org:admin";
        expect([who, scope, is_member, is_admin, teams !== undefined])
          .toEqual([who, scope, inside, inside && username === "alice", inside]);
      }
    }
  });
});
