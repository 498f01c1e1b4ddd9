import { expect } from "@std/testing";
import { addRealUser } from "../api/site.ts";
import { formOf } from "./browser.ts";
import { CALLBACK, HOST, withWorld, type World } from "./world.ts";

const SCOPE = "repo:read user:read";

async function makeApplication(world: World): Promise<string> {
  const alice = await world.browserOf("alice");
  const fields = { name: "Reporter", redirect_uri: CALLBACK, application_uri: "https://app.example" };
  return (await alice.expect(200, "POST", "/organization/acme/applications", fields)).client_id;
}

/** As the console does it: parameters in the address, the CSRF token in a header. */
async function assign(world: World, who: string, parameters: Record<string, string>) {
  const { cookie, csrf } = await world.browserOf(who);
  const response = await world.fetch(
    new Request(`${HOST}/oauth/authorize/assignuser?${new URLSearchParams(parameters)}`, {
      method: "POST",
      headers: { Cookie: `_csrf_token=${cookie}`, ...(csrf === undefined ? {} : { "X-CSRF-Token": csrf }) },
    }),
  );
  return { status: response.status, body: await response.json() };
}

/** Status of the API's answer to that token. */
async function statusWith(world: World, token: string | null): Promise<number> {
  const headers = { Authorization: `Bearer ${token}` };
  const response = await world.fetch(new Request(`${HOST}/api/v1/user/`, { headers }));
  await response.body?.cancel();
  return response.status;
}

function tokenOf(location: string | undefined): string | null {
  return new URLSearchParams(location?.split("#")[1]).get("access_token");
}

Deno.test("POST /oauth/authorize/assignuser: the user is told, consents once, and has a token", async () => {
  await withWorld({}, async (world) => {
    const client_id = await makeApplication(world);
    const wanted = { client_id, redirect_uri: CALLBACK, scope: SCOPE, response_type: "token" };
    expect(await assign(world, "alice", { ...wanted, username: "bob" }))
      .toEqual({ status: 200, body: { message: "Token assigned successfully" } });
    expect(await world.logged("oauth_token_assigned")).toEqual([{
      namespace: "acme",
      performer: "alice",
      metadata: { application_name: "Reporter", client_id, assigned_user: "bob", scope: SCOPE },
    }]);
    const told = () =>
      world.deps.sql`
        select u.username, n.metadata_json as metadata from notification n join "user" u on u.id = n.target_id
          join notificationkind k on k.id = n.kind_id where k.name = 'assigned_authorization'`;
    expect([...await told()]).toEqual([{ username: "bob", metadata: `{"username":"bob"}` }]);
    const bob = await world.browserOf("bob");
    const { authorizations } = await bob.expect(200, "GET", "/user/assignedauthorization");
    expect(authorizations).toEqual([{
      uuid: expect.any(String),
      application: {
        name: "Reporter",
        clientId: client_id,
        description: "",
        url: "https://app.example",
        avatar: expect.objectContaining({ kind: "app" }),
        organization: { name: "acme", avatar: expect.objectContaining({ kind: "org" }) },
      },
      scopes: [
        expect.objectContaining({ scope: "repo:read", dangerous: false }),
        expect.objectContaining({ scope: "user:read" }),
      ],
      redirectUri: CALLBACK,
      responseType: "token",
    }]);
    // Whoever has looked need not be told any more.
    expect(await told()).toHaveLength(0);

    const assignment_uuid: string = authorizations[0].uuid;
    const browser = await world.browser("bob");
    const status = async (change: Record<string, string>, who = browser) => {
      const query = new URLSearchParams({ ...wanted, assignment_uuid, ...change });
      return (await who.open(`/oauth/authorize?${query}`)).status;
    };
    expect(await status({ scope: `${SCOPE} repo:write` })).toBe(403);
    expect(await status({ redirect_uri: `${CALLBACK}/elsewhere` })).toBe(403);
    expect(await status({ response_type: "code" })).toBe(403);
    expect(await status({ assignment_uuid: "" })).toBe(403);
    expect(await status({}, await world.browser("carol"))).toBe(403);
    const page = await browser.open(
      `/oauth/authorize?${new URLSearchParams({ ...wanted, assignment_uuid })}`,
    );
    expect(formOf(page.html).fields.assignment_uuid).toBe(assignment_uuid);
    // Twice at once: one token.
    const [one, other] = await Promise.all([browser.submit(page), browser.submit(page)]);
    expect([one.status, other.status].sort()).toEqual([302, 403]);
    expect(await statusWith(world, tokenOf(one.location ?? other.location))).toBe(200);
    expect((await bob.expect(200, "GET", "/user/assignedauthorization")).authorizations).toEqual([]);
    expect(await status({})).toBe(403);
  });
});

Deno.test("POST /oauth/authorize/assignuser: who may not, and what cannot be assigned", async () => {
  await withWorld({}, async (world) => {
    const client_id = await makeApplication(world);
    await addRealUser(world.deps, "dora");
    await world.deps.sql`update "user" set enabled = false where username = 'dora'`;
    const wanted = { client_id, redirect_uri: CALLBACK, scope: SCOPE, username: "bob" };
    const table: [who: string, change: Record<string, string>, status: number][] = [
      ["bob", {}, 403],
      ["carol", {}, 403],
      ["alice", { client_id: "none" }, 404],
      ["alice", { client_id: "" }, 400],
      ["alice", { scope: "nonsense" }, 404],
      ["alice", { scope: "" }, 400],
      ["alice", { username: "nobody-here" }, 404],
      ["alice", { username: "acme" }, 404],
      ["alice", { username: "dora" }, 404],
      ["alice", { username: "" }, 400],
      ["alice", { redirect_uri: "https://evil.example/" }, 400],
      ["alice", { response_type: "code" }, 400],
    ];
    for (const [who, change, status] of table) {
      const answer = await assign(world, who, { ...wanted, ...change });
      expect([who, change, answer.status]).toEqual([who, change, status]);
    }
    const path = `/oauth/authorize/assignuser?${new URLSearchParams(wanted)}`;
    expect((await (await world.browser("alice")).post(path, {})).status).toBe(403);
    expect((await (await world.browser()).post(path, {})).status).toBe(401);
    expect(await world.deps.sql`select 1 from oauthassignedtoken`).toHaveLength(0);
    expect(await world.deps.sql`select 1 from notification`).toHaveLength(0);
  });
  await withWorld({ FEATURE_ASSIGN_OAUTH_TOKEN: false }, async (world) => {
    const client_id = await makeApplication(world);
    const wanted = { client_id, redirect_uri: CALLBACK, scope: SCOPE, username: "bob" };
    expect((await assign(world, "alice", wanted)).status).toBe(404);
    await (await world.browserOf("bob")).expect(404, "GET", "/user/assignedauthorization");
  });
});

Deno.test("user/assignedauthorization/{uuid}: given up by its owner alone", async () => {
  await withWorld({}, async (world) => {
    const client_id = await makeApplication(world);
    await assign(world, "alice", { client_id, redirect_uri: CALLBACK, scope: SCOPE, username: "bob" });
    const bob = await world.browserOf("bob");
    const [{ uuid }] = (await bob.expect(200, "GET", "/user/assignedauthorization")).authorizations;
    await (await world.browserOf("carol")).expect(404, "DELETE", `/user/assignedauthorization/${uuid}`);
    await bob.expect(204, "DELETE", `/user/assignedauthorization/${uuid}`);
    await bob.expect(404, "DELETE", `/user/assignedauthorization/${uuid}`);
    await world.stranger().expect(401, "GET", "/user/assignedauthorization");
  });
});

Deno.test("user/authorizations: what was granted, read one by one, taken back; nobody else's", async () => {
  await withWorld({}, async (world) => {
    const client_id = await makeApplication(world);
    const browser = await world.browser("alice");
    const query = new URLSearchParams({
      client_id,
      redirect_uri: CALLBACK,
      scope: "repo:read,user:admin",
      response_type: "token",
    });
    const consent = async () =>
      tokenOf((await browser.submit(await browser.open(`/oauth/authorize?${query}`))).location);
    const token = await consent();
    const alice = await world.browserOf("alice");
    const { authorizations } = await alice.expect(200, "GET", "/user/authorizations");
    expect(authorizations).toEqual([{
      uuid: expect.any(String),
      application: {
        name: "Reporter",
        description: "",
        url: "https://app.example",
        avatar: expect.objectContaining({ kind: "app" }),
        organization: { name: "acme", avatar: expect.objectContaining({ kind: "org" }) },
      },
      scopes: [
        {
          scope: "repo:read",
          title: "View all visible repositories",
          description: expect.any(String),
          icon: "fa-hdd-o",
          dangerous: false,
        },
        expect.objectContaining({ scope: "user:admin", dangerous: true }),
      ],
    }]);
    const { uuid } = authorizations[0];
    expect(await alice.expect(200, "GET", `/user/authorizations/${uuid}`)).toEqual(authorizations[0]);
    const bob = await world.browserOf("bob");
    await bob.expect(404, "GET", `/user/authorizations/${uuid}`);
    await bob.expect(404, "DELETE", `/user/authorizations/${uuid}`);
    expect((await bob.expect(200, "GET", "/user/authorizations")).authorizations).toEqual([]);
    expect(await statusWith(world, token)).toBe(200);
    await alice.expect(204, "DELETE", `/user/authorizations/${uuid}`);
    expect(await statusWith(world, token)).toBe(401);
    await alice.expect(404, "GET", `/user/authorizations/${uuid}`);
    expect(await world.logged("oauth_token_revoked")).toEqual([{
      namespace: "acme",
      performer: "alice",
      metadata: {
        application_name: "Reporter",
        client_id,
        oauth_token_uuid: uuid,
        scope: "repo:read user:admin",
      },
    }]);
    // The end of the application's organization is the end of its tokens.
    const second = await consent();
    expect(await statusWith(world, second)).toBe(200);
    await alice.expect(204, "DELETE", "/organization/acme");
    expect(await statusWith(world, second)).toBe(401);
  });
});
