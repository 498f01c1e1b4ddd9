/**
 * What Quay's manual shows its readers with curl: organizations, teams, default permissions, robots, repositories, their
 * permissions, logs. The real curl against a running appliance; what it prints has all the fields that the manual prints,
 * with its values where they are the same at every site.
 */
import assert from "node:assert/strict";
import { startAppliance } from "../appliance.ts";
import { test } from "../skip.ts";

const DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d -0000$/;
const TOKEN = /^[A-Z0-9]{64}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;
/** A value of which the manual says no more than that it is there. */
const SOMETHING = /^/;

function avatar(name: string, kind: "user" | "org" | "team" | "robot") {
  return { name, hash: /^[0-9a-f]{64}$/, color: /^#[0-9a-f]{6}$/, kind };
}

function person(name: string, { robot = false, member = false } = {}) {
  const kind = robot ? "robot" : "user";
  return { name, is_robot: robot, kind: "user", is_org_member: member, avatar: avatar(name, kind) };
}

function robot(name: string, more: Record<string, unknown> = {}) {
  return { name, created: DATE, last_accessed: null, description: "", token: TOKEN, ...more };
}

interface Example {
  readonly what: string;
  /** Behind `curl`, without the address. */
  readonly args: readonly string[];
  /** Below `/api/v1`. `{id}` is the `id` that was printed last. */
  readonly path: string;
  /** What stands there; nothing for what prints nothing. */
  readonly prints?: unknown;
}

const BEARER = ["-H", "Authorization: Bearer {token}"];
const JSON_TYPE = ["-H", "Content-Type: application/json"];
const ACCEPT = ["-H", "Accept: application/json"];
const post = (body: unknown) => ["-X", "POST", ...BEARER, ...JSON_TYPE, "-d", JSON.stringify(body)];
const put = (body: unknown) => ["-X", "PUT", ...BEARER, ...JSON_TYPE, "--data", JSON.stringify(body)];
const get = ["-X", "GET", ...BEARER];
const remove = ["-X", "DELETE", ...BEARER];

const ORG = "/organization/test-org";
const REPOSITORY = "/repository/quayadmin/test_repo";

/** `MM/DD/YYYY`, so many days ago. */
function day(ago: number): string {
  const [year, month, date] = new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10).split("-");
  return `${month}/${date}/${year}`;
}
const RANGE = `starttime=${day(1)}&endtime=${day(0)}`;

const prototype = (role: string) => ({
  activating_user: person("test-org+test", { robot: true, member: true }),
  delegate: person("testuser"),
  role,
  id: UUID,
});
const page = { start_time: DATE, end_time: DATE, logs: SOMETHING };

const EXAMPLES: readonly Example[] = [
  {
    what: "create an organization",
    args: post({ name: "test-org" }),
    path: "/organization/",
    prints: "Created",
  },
  {
    what: "create a team",
    args: ["-k", "-X", "PUT", ...ACCEPT, ...JSON_TYPE, ...BEARER, "--data", '{"role": "creator"}'],
    path: `${ORG}/team/example_team`,
    prints: {
      name: "example_team",
      description: "",
      can_view: true,
      role: "creator",
      avatar: avatar("example_team", "team"),
      new_team: true,
    },
  },
  {
    what: "create a robot of an organization",
    args: ["-X", "PUT", ...BEARER],
    path: `${ORG}/robots/test`,
    prints: robot("test-org+test", { unstructured_metadata: null }),
  },
  {
    what: "create a robot of one's own",
    args: ["-X", "PUT", ...BEARER],
    path: "/user/robots/test",
    prints: robot("quayadmin+test", { unstructured_metadata: null }),
  },
  {
    what: "regenerate the token of an organization's robot",
    args: ["-X", "POST", ...BEARER],
    path: `${ORG}/robots/test/regenerate`,
    prints: robot("test-org+test"),
  },
  {
    what: "regenerate the token of one's own robot",
    args: ["-X", "POST", ...BEARER],
    path: "/user/robots/test/regenerate",
    prints: robot("quayadmin+test"),
  },
  {
    what: "add a robot to a team",
    args: put({}),
    path: `${ORG}/team/example_team/members/test-org+test`,
    prints: SOMETHING,
  },
  {
    what: "create a default permission",
    args: [...put({
      role: "admin",
      delegate: { name: "testuser", kind: "user" },
      activating_user: { name: "test-org+test" },
    })].with(1, "POST"),
    path: `${ORG}/prototypes`,
    prints: prototype("admin"),
  },
  {
    what: "change a default permission",
    args: put({ role: "write" }),
    path: `${ORG}/prototypes/{id}`,
    prints: prototype("write"),
  },
  { what: "delete a default permission", args: [...remove, ...ACCEPT], path: `${ORG}/prototypes/{id}` },
  {
    what: "list default permissions",
    args: [...get, ...ACCEPT],
    path: `${ORG}/prototypes`,
    prints: { prototypes: [] },
  },
  {
    what: "create a repository",
    args: post({ repository: "test_repo", visibility: "private", description: "This is a new repository." }),
    path: "/repository",
    prints: { namespace: "quayadmin", name: "test_repo", kind: "image" },
  },
  {
    what: "change a repository's visibility",
    args: post({ visibility: "private" }),
    path: `${REPOSITORY}/changevisibility`,
    prints: { success: true },
  },
  {
    what: "give a robot a permission",
    args: put({ role: "admin" }),
    path: `${REPOSITORY}/permissions/user/quayadmin+test`,
    prints: {
      role: "admin",
      name: "quayadmin+test",
      is_robot: true,
      avatar: avatar("quayadmin+test", "robot"),
    },
  },
  {
    what: "take the permission away",
    args: [...remove, ...ACCEPT],
    path: `${REPOSITORY}/permissions/user/quayadmin+test`,
  },
  {
    what: "look at a permission that is not there",
    args: [...get, ...ACCEPT],
    path: `${REPOSITORY}/permissions/user/quayadmin+test`,
    prints: { message: "User does not have permission for repo." },
  },
  { what: "list one's own log", args: get, path: "/user/logs", prints: page },
  { what: "list an organization's log", args: get, path: `${ORG}/logs`, prints: page },
  { what: "list a repository's log", args: get, path: `${REPOSITORY}/logs`, prints: page },
  {
    what: "count one's own log",
    args: [...get, ...ACCEPT],
    path: `/user/aggregatelogs?performer=quayadmin&${RANGE}`,
    prints: { aggregated: SOMETHING },
  },
  {
    what: "count an organization's log",
    args: [...get, ...ACCEPT],
    path: `${ORG}/aggregatelogs?performer=quayadmin&${RANGE}`,
    prints: { aggregated: SOMETHING },
  },
  {
    what: "count a repository's log",
    args: [...get, ...ACCEPT],
    path: `${REPOSITORY}/aggregatelogs?${RANGE}`,
    prints: { aggregated: SOMETHING },
  },
  {
    what: "delete an organization's robot",
    args: remove,
    path: `${ORG}/robots/test`,
  },
  { what: "list an organization's robots", args: get, path: `${ORG}/robots`, prints: { robots: [] } },
  { what: "delete one's own robot", args: remove, path: "/user/robots/test" },
  {
    what: "look at a robot that is not there",
    args: get,
    path: "/user/robots/test",
    prints: { message: "Could not find robot with specified username" },
  },
  { what: "delete a repository", args: remove, path: REPOSITORY },
  { what: "delete an organization", args: remove, path: ORG },
  {
    what: "look at an organization that is not there",
    args: get,
    path: ORG,
    prints: {
      detail: "Not Found",
      error_message: "Not Found",
      error_type: "not_found",
      title: "not_found",
      type: /\/api\/v1\/error\/not_found$/,
      status: 404,
    },
  },
];

test({
  name:
    "curl: Quay's manual's examples for organizations, teams, robots, repositories and logs print what it prints",
  needs: ["curl"],
  async fn() {
    await using appliance = await startAppliance({
      config: { FEATURE_USER_INITIALIZE: true, FEATURE_MAILING: false, BROWSER_API_CALLS_XHR_ONLY: false },
    });
    const root = `${appliance.httpUrl}/api/v1`;
    const first = { username: "quayadmin", password: "quaypass12345", email: "", access_token: true };
    const created = await curl([
      ...["-X", "POST", "-k", "-H", "Content-Type: application/json", "--data", JSON.stringify(first)],
      `${root}/user/initialize`,
    ]);
    const { access_token: token, ...rest } = JSON.parse(created);
    checkPrinted("initialize the first user", rest, {
      username: "quayadmin",
      email: "",
      encrypted_password: SOMETHING,
    });
    await curl([
      ...["-X", "POST", "-H", `Authorization: Bearer ${token}`, ...JSON_TYPE],
      ...["-d", '{"username":"testuser","password":"a-long-password","email":"t@example.org"}'],
      `${root}/user/`,
    ]);
    let id = "";
    for (const { what, args, path, prints } of EXAMPLES) {
      const filled = args.map((arg) => arg.replace("{token}", token));
      const printed = await curl([...filled, `${root}${path.replace("{id}", id)}`]);
      if (prints === undefined) {
        assert.equal(printed, "", what);
        continue;
      }
      const value = JSON.parse(printed);
      id = value.id ?? id;
      checkPrinted(what, value, prints);
    }
  },
});

async function curl(args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("curl", { args: ["-sS", ...args] }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** The manual's fields are all there; we may say more. */
function checkPrinted(where: string, value: unknown, printed: unknown): void {
  if (printed instanceof RegExp) {
    if (printed !== SOMETHING) assert.match(String(value), printed, where);
    else assert.notEqual(value, undefined, where);
  } else if (printed !== null && typeof printed === "object" && !Array.isArray(printed)) {
    assert.ok(value !== null && typeof value === "object", `${where}: ${JSON.stringify(value)}`);
    const fields = Object.keys(printed);
    const there = Object.keys(value).filter((field) => fields.includes(field));
    assert.deepEqual(there.sort(), fields.sort(), `${where}: ${JSON.stringify(value)}`);
    for (const [field, inner] of Object.entries(printed)) {
      checkPrinted(`${where}: ${field}`, (value as Record<string, unknown>)[field], inner);
    }
  } else assert.deepEqual(value, printed, where);
}
