/**
 * The curl examples of Quay's manual, by curl, against an appliance that runs: organizations, repositories, robots, teams,
 * permissions, logs, tokens, users, quotas. The status is compared, and the form of what the manual prints.
 */
import { expect } from "@std/testing";
import { startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";

const PASSWORD = "quaypass12345678";
/** Forms of values that are other ones each time. */
const DATE = expect.stringMatching(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d -0000$/);
const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
const ROBOT_TOKEN = expect.stringMatching(/^[A-Z0-9]{64}$/);
const TEXT = expect.any(String);
const AVATAR = { name: TEXT, hash: TEXT, color: TEXT, kind: TEXT };

type Example = readonly [method: string, path: string, body: unknown, status: number, printed: unknown];

const EXAMPLES: readonly Example[] = [
  ["POST", "/organization/", { name: "neworg" }, 201, "Created"],
  ["GET", "/organization/neworg", undefined, 200, {
    name: "neworg",
    email: TEXT,
    avatar: AVATAR,
    is_admin: true,
    is_member: true,
    teams: {
      owners: {
        name: "owners",
        description: "",
        role: "admin",
        avatar: AVATAR,
        can_view: true,
        repo_count: 0,
        member_count: 1,
        is_synced: false,
      },
    },
    ordered_teams: ["owners"],
    invoice_email: false,
    invoice_email_address: null,
    tag_expiration_s: 1209600,
    is_free_account: true,
  }],
  ["PUT", "/organization/neworg", { email: "org@example.org" }, 200, {
    name: "neworg",
    email: "org@example.org",
  }],
  ["GET", "/organization/neworg/members", undefined, 200, {
    members: [{
      name: "quayadmin",
      kind: "user",
      avatar: AVATAR,
      teams: [{ name: "owners", avatar: AVATAR }],
      repositories: [],
    }],
  }],
  ["GET", "/organization/neworg/collaborators", undefined, 200, { collaborators: [] }],
  [
    "POST",
    "/organization/neworg/applications",
    {
      name: "app",
      redirect_uri: "http://quay.example.org/cb",
      application_uri: "http://quay.example.org",
      description: "An application",
      avatar_email: "app@example.org",
    },
    200,
    {
      name: "app",
      description: "An application",
      application_uri: "http://quay.example.org",
      client_id: TEXT,
      client_secret: TEXT,
      redirect_uri: "http://quay.example.org/cb",
      avatar_email: "app@example.org",
    },
  ],

  [
    "POST",
    "/repository",
    {
      repository: "newrepo",
      visibility: "private",
      description: "A repository",
      repo_kind: "image",
      namespace: "neworg",
    },
    201,
    { namespace: "neworg", name: "newrepo", kind: "image" },
  ],
  ["GET", "/repository?public=false&starred=false&namespace=neworg", undefined, 200, {
    repositories: [{
      namespace: "neworg",
      name: "newrepo",
      description: "A repository",
      is_public: false,
      kind: "image",
      state: "NORMAL",
      is_starred: false,
    }],
  }],
  ["PUT", "/repository/neworg/newrepo", { description: "Another" }, 200, { success: true }],
  ["POST", "/repository/neworg/newrepo/changevisibility", { visibility: "public" }, 200, { success: true }],
  ["GET", "/repository/neworg/newrepo", undefined, 200, {
    namespace: "neworg",
    name: "newrepo",
    is_public: true,
    description: "Another",
    tags: {},
    can_admin: true,
  }],
  ["GET", "/repository/neworg/newrepo/tag/", undefined, 200, { tags: [], page: 1, has_additional: false }],

  ["PUT", "/organization/neworg/robots/newrobot", { description: "builds" }, 201, {
    name: "neworg+newrobot",
    created: DATE,
    last_accessed: null,
    description: "builds",
    token: ROBOT_TOKEN,
    unstructured_metadata: {},
  }],
  ["GET", "/organization/neworg/robots", undefined, 200, {
    robots: [{
      name: "neworg+newrobot",
      created: DATE,
      last_accessed: null,
      description: "builds",
      token: ROBOT_TOKEN,
    }],
  }],
  ["POST", "/organization/neworg/robots/newrobot/regenerate", {}, 200, {
    name: "neworg+newrobot",
    token: ROBOT_TOKEN,
  }],
  ["PUT", "/user/robots/mine", {}, 201, { name: "quayadmin+mine", token: ROBOT_TOKEN }],
  ["GET", "/user/robots/mine/permissions", undefined, 200, { permissions: [] }],
  ["DELETE", "/user/robots/mine", undefined, 204, undefined],

  ["PUT", "/organization/neworg/team/newteam", { role: "creator" }, 200, {
    name: "newteam",
    description: "",
    can_view: true,
    role: "creator",
    avatar: AVATAR,
    new_team: true,
  }],
  ["PUT", "/organization/neworg/team/newteam/members/neworg+newrobot", undefined, 200, {
    name: "neworg+newrobot",
    kind: "user",
    is_robot: true,
    invited: false,
  }],
  ["GET", "/organization/neworg/team/newteam/members", undefined, 200, {
    name: "newteam",
    members: [{ name: "neworg+newrobot", kind: "user", is_robot: true, avatar: AVATAR, invited: false }],
    can_edit: true,
  }],
  ["GET", "/organization/neworg/team/newteam/permissions", undefined, 200, { permissions: [] }],
  ["PUT", "/repository/neworg/newrepo/permissions/team/newteam", { role: "read" }, 200, {
    role: "read",
    name: "newteam",
    avatar: AVATAR,
  }],
  ["PUT", "/repository/neworg/newrepo/permissions/user/neworg+newrobot", { role: "write" }, 200, {
    role: "write",
    name: "neworg+newrobot",
    is_robot: true,
    avatar: AVATAR,
    is_org_member: true,
  }],
  ["GET", "/repository/neworg/newrepo/permissions/user/neworg+newrobot/transitive", undefined, 200, {
    permissions: expect.arrayContaining([{ role: "write" }]),
  }],
  ["DELETE", "/repository/neworg/newrepo/permissions/team/newteam", undefined, 204, undefined],
  [
    "POST",
    "/organization/neworg/prototypes",
    {
      role: "read",
      delegate: { name: "newteam", kind: "team" },
    },
    200,
    { id: UUID, role: "read", activating_user: null, delegate: { name: "newteam", kind: "team" } },
  ],

  [
    "POST",
    "/repository/neworg/newrepo/notification/",
    {
      event: "repo_push",
      method: "webhook",
      config: { url: "http://203.0.113.7/x" },
      eventConfig: {},
      title: "pushes",
    },
    201,
    {
      uuid: UUID,
      title: "pushes",
      event: "repo_push",
      method: "webhook",
      config: { url: "http://203.0.113.7/x" },
      event_config: {},
      number_of_failures: 0,
    },
  ],
  ["GET", "/user/notifications", undefined, 200, { notifications: [], additional: false }],

  ["GET", "/organization/neworg/logs", undefined, 200, {
    start_time: DATE,
    end_time: DATE,
    logs: expect.arrayContaining([expect.objectContaining({
      kind: "create_robot",
      metadata: expect.objectContaining({ robot: "newrobot" }),
      ip: TEXT,
      datetime: DATE,
      performer: { kind: "user", name: "quayadmin", is_robot: false, avatar: AVATAR },
    })]),
  }],
  ["GET", "/repository/neworg/newrepo/aggregatelogs", undefined, 200, {
    aggregated: expect.arrayContaining([{ kind: "create_repo", count: 1, datetime: DATE }]),
  }],
  ["POST", "/organization/neworg/exportlogs", { callback_url: "http://logs.example.org/x" }, 200, {
    export_id: UUID,
  }],
  ["GET", "/user/logs", undefined, 200, { start_time: DATE, end_time: DATE, logs: expect.any(Array) }],

  ["POST", "/user/apptoken", { title: "MyAppToken" }, 200, {
    token: {
      uuid: UUID,
      title: "MyAppToken",
      last_accessed: null,
      created: DATE,
      expiration: null,
      token_code: expect.stringMatching(/^[A-Z0-9]{120}$/),
    },
  }],
  ["GET", "/user/apptoken", undefined, 200, {
    tokens: [{ uuid: UUID, title: "MyAppToken", last_accessed: null, created: DATE, expiration: null }],
    only_expiring: null,
  }],

  ["POST", "/superuser/users/", { username: "newuser", email: "newuser@example.org" }, 200, {
    username: "newuser",
    email: "newuser@example.org",
    password: expect.stringMatching(/^\S{32}$/),
    encrypted_password: TEXT,
  }],
  ["GET", "/users/newuser", undefined, 200, { anonymous: false, username: "newuser", avatar: AVATAR }],
  ["PUT", "/superuser/users/newuser", { enabled: false }, 200, { username: "newuser", enabled: false }],
  ["GET", "/superuser/organizations/", undefined, 200, {
    organizations: [{ name: "neworg", email: "org@example.org", avatar: AVATAR }],
  }],
  ["POST", "/organization/neworg/quota", { limit_bytes: 10_737_418_240 }, 201, "Created"],
  ["GET", "/organization/neworg/quota", undefined, 200, [{
    limit_bytes: 10_737_418_240,
    limit: "10.0 GiB",
    default_config: false,
    limits: [],
  }]],

  ["DELETE", "/superuser/users/newuser", undefined, 204, undefined],
  ["DELETE", "/organization/neworg/team/newteam", undefined, 204, undefined],
  ["DELETE", "/organization/neworg/robots/newrobot", undefined, 204, undefined],
  ["DELETE", "/repository/neworg/newrepo", undefined, 204, undefined],
  ["DELETE", "/organization/neworg", undefined, 204, undefined],
];

test({
  name: "the curl examples of Quay's manual: status and form of each answer",
  needs: ["curl"],
  async fn() {
    await withAppliance(async (httpUrl) => {
      const first = await curl(httpUrl, "POST", "/user/initialize", {
        username: "quayadmin",
        password: PASSWORD,
        email: "quayadmin@example.org",
        access_token: true,
      });
      expect(first).toMatchObject({
        status: 200,
        answer: {
          username: "quayadmin",
          email: "quayadmin@example.org",
          encrypted_password: TEXT,
          access_token: expect.stringMatching(/^[A-Z0-9]{40}$/),
        },
      });
      const bearer = ["-H", `Authorization: Bearer ${first.answer.access_token}`];
      const wrong: string[] = [];
      for (const [method, path, body, status, printed] of EXAMPLES) {
        const got = await curl(httpUrl, method, path, body, bearer);
        try {
          expect([got]).toMatchObject([{ status, answer: printed }]);
        } catch {
          wrong.push(`${method} ${path}: ${got.status} ${JSON.stringify(got.answer)}`);
        }
      }
      expect(wrong).toEqual([]);
    });
  },
});

test({
  name:
    "by curl with a cookie: a user signs up, signs in, has a quota and an encrypted password, becomes an organization",
  needs: ["curl"],
  async fn() {
    await withAppliance(async (httpUrl) => {
      const jar = await Deno.makeTempFile({ prefix: "quaylet-cookies-" });
      try {
        const token = async () =>
          (await curl(httpUrl, "GET", "/../../csrf_token", undefined, ["-b", jar, "-c", jar])).answer
            .csrf_token;
        const ask = async (method: string, path: string, body?: unknown) =>
          await curl(httpUrl, method, path, body, [
            ...["-b", jar, "-c", jar],
            ...["-H", `X-CSRF-Token: ${await token()}`],
          ]);
        const person = { username: "quayadmin", password: PASSWORD };
        const signUp = { ...person, email: "quayadmin@example.org" };
        expect(await ask("POST", "/user/", signUp)).toMatchObject({
          status: 200,
          answer: { username: "quayadmin", is_me: true },
        });
        const again = await ask("POST", "/user/", signUp);
        expect([again.status, JSON.stringify(again.answer)]).toEqual([
          400,
          expect.stringContaining("already exists"),
        ]);
        expect(await ask("POST", "/signout")).toEqual({ status: 200, answer: { success: true } });
        expect(await ask("POST", "/signin", person)).toEqual({ status: 200, answer: { success: true } });
        const verified = await ask("POST", "/signin/verify", { password: PASSWORD });
        expect(verified).toEqual({ status: 200, answer: { success: true } });
        expect(await ask("POST", "/user/clientkey", { password: PASSWORD })).toEqual({
          status: 200,
          answer: { key: TEXT },
        });
        expect((await ask("POST", "/superuser/users/quayadmin/quota", { limit_bytes: 2 ** 30 })).status)
          .toBe(201);
        const quotas = await ask("GET", "/user/quota");
        expect(quotas).toMatchObject({ status: 200, answer: [{ limit_bytes: 2 ** 30, limit: "1.0 GiB" }] });
        const at = `/user/quota/${quotas.answer[0].id}`;
        expect(await ask("GET", at)).toMatchObject({ status: 200, answer: { limit: "1.0 GiB" } });
        expect(await ask("GET", `${at}/limit`)).toEqual({ status: 200, answer: [] });
        // A superuser makes whoever is to look after the organization that the second account becomes.
        const made = await ask("POST", "/superuser/users/", { username: "team", email: "team@example.org" });
        expect(made.status).toBe(200);
        await ask("POST", "/signout");
        await ask("POST", "/signin", { username: "team", password: made.answer.password });
        const converted = await ask("POST", "/user/convert", {
          adminUser: "quayadmin",
          adminPassword: PASSWORD,
        });
        expect(converted.status).toBe(200);
        expect((await ask("GET", "/organization/team")).answer).toMatchObject({ is_admin: true });
      } finally {
        await Deno.remove(jar);
      }
    });
  },
});

async function withAppliance(work: (httpUrl: string) => Promise<void>): Promise<void> {
  await using appliance = await startAppliance({
    config: {
      SUPER_USERS: ["quayadmin"],
      FEATURE_SUPERUSERS_FULL_ACCESS: true,
      FEATURE_USER_INITIALIZE: true,
      FEATURE_QUOTA_MANAGEMENT: true,
      FEATURE_EDIT_QUOTA: true,
      FEATURE_MAILING: false,
      // Nothing is sent there: no push happens.
      SSRF_ALLOWED_HOSTS: ["203.0.113.7"],
    },
  });
  await work(appliance.httpUrl);
}

async function curl(
  httpUrl: string,
  method: string,
  path: string,
  body: unknown,
  more: readonly string[] = [],
  // deno-lint-ignore no-explicit-any
): Promise<{ status: number; answer: any }> {
  const json = body === undefined ? [] : ["-H", "Content-Type: application/json", "-d", JSON.stringify(body)];
  const { stdout, success } = await new Deno.Command("curl", {
    args: ["-s", "-w", "\n%{http_code}", "-X", method, ...more, ...json, `${httpUrl}/api/v1${path}`],
  }).output();
  expect([path, success]).toEqual([path, true]);
  const text = new TextDecoder().decode(stdout);
  const end = text.lastIndexOf("\n");
  const said = text.slice(0, end);
  return { status: Number(text.slice(end + 1)), answer: said === "" ? undefined : JSON.parse(said) };
}
