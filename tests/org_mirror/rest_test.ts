import { expect } from "@std/testing";
import { findUser } from "../../src/domain/accounts/accounts.ts";
import { createRobot } from "../../src/domain/accounts/robots.ts";
import { sealSession, startUserSession } from "../../src/domain/accounts/sessions.ts";
import { createImmutabilityPolicy } from "../../src/domain/content/immutability_policies.ts";
import { createRepository, openRepository } from "../../src/domain/repositories/repositories.ts";
import { deleteRepository } from "../../src/domain/repositories/repository_changes.ts";
import { ApiClient, mount } from "../api/api_client.ts";
import { randomBytes } from "../mirror/images.ts";
import { HARBOR_ACCOUNT, QUAY_TOKEN, startFakeHarbor, startFakeQuay, withNamespace } from "./fake_parents.ts";
import { type MirroringEdge, OPERATOR, withMirroringEdge } from "./mirroring_edge.ts";

const MIRROR = "/organization/acme/mirror";
const REPOSITORIES = `${MIRROR}/repositories`;
const SETTINGS = {
  external_registry_type: "harbor",
  external_registry_url: "https://1.1.1.1",
  external_namespace: "base",
  robot_username: "acme+mirror",
  visibility: "private",
  sync_interval: 3600,
  sync_start_date: "2026-11-24T02:00:00Z",
};

async function withAlice(
  test: (alice: ApiClient, edge: MirroringEdge) => Promise<void>,
  config = {},
): Promise<void> {
  await withMirroringEdge(async (edge) => {
    const { deps } = edge;
    const session = startUserSession((await findUser(deps, "alice")).uuid, deps.now());
    const cookie = sealSession(deps.config, session);
    await test(new ApiClient(mount(deps)).withCookie(cookie, session.csrfToken), edge);
  }, { config });
}

Deno.test("POST, GET /organization/{orgname}/mirror: sets it up; all is told but the password", () =>
  withAlice(async (alice, { deps }) => {
    await alice.expect(404, "GET", MIRROR);
    await alice.expect(404, "GET", REPOSITORIES);
    const created = await alice.api("POST", MIRROR, {
      ...SETTINGS,
      external_registry_username: "robot$pull",
      external_registry_password: "hunter-2",
      external_registry_config: { verify_tls: false, proxy: { https_proxy: "http://127.0.0.1:3128" } },
      repository_filters: ["app*"],
      skopeo_timeout: 60,
      architecture_filter: ["arm64"],
    });
    expect([created.status, await created.text()]).toEqual([201, ""]);
    expect(await alice.expect(200, "GET", MIRROR)).toEqual({
      is_enabled: true,
      external_registry_type: "harbor",
      external_registry_url: "https://1.1.1.1",
      external_namespace: "base",
      external_registry_username: "robot$pull",
      external_registry_config: {
        verify_tls: false,
        proxy: { http_proxy: null, https_proxy: "http://127.0.0.1:3128", no_proxy: null },
      },
      repository_filters: ["app*"],
      robot_username: "acme+mirror",
      visibility: "private",
      sync_interval: 3600,
      sync_start_date: "2026-11-24T02:00:00Z",
      sync_expiration_date: null,
      sync_status: "NEVER_RUN",
      sync_retries_remaining: 3,
      skopeo_timeout: 60,
      architecture_filter: ["arm64"],
      creation_date: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      status_message: null,
    });
    const [row] = await deps.sql<
      { text: string }[]
    >`select row_to_json(c)::text as text from orgmirrorconfig c`;
    expect(row?.text).not.toContain("hunter-2");
    expect(row?.text).not.toContain("robot$pull");
    const twice = await alice.expect(400, "POST", MIRROR, SETTINGS);
    expect(twice.error_message).toContain("already exists");
    const robot = await alice.expect(400, "DELETE", "/organization/acme/robots/mirror");
    expect(robot.error_message).toContain("used by a mirror");
    await deps.sql`update orgmirrorconfig set external_registry_username = 'sealed with another key'`;
    expect((await alice.expect(200, "GET", MIRROR)).external_registry_username).toBe(
      "(invalid. please re-enter)",
    );
    expect(await alice.expect(200, "POST", `${MIRROR}/verify`)).toEqual({
      success: false,
      message: expect.stringContaining("enter them again"),
    });
  }));

Deno.test("POST /mirror: what is wrong is refused with 400, and nothing has changed", () =>
  withAlice(async (alice, { deps }) => {
    await createRobot(deps, OPERATOR, { namespace: "alice", short: "mirror" });
    const wrong: Record<string, unknown>[] = [
      { external_registry_type: "nexus" },
      { external_registry_url: "1.1.1.1" },
      { external_registry_url: "ftp://1.1.1.1" },
      { external_registry_url: "https://1.1.1.1/harbor" },
      { external_registry_url: "https://1.1.1.1/?a=b" },
      { external_registry_url: "https://user:secret@1.1.1.1" },
      { external_registry_url: "https://10.0.0.1" },
      { external_registry_url: "https://[fd00::1]:5000" },
      { external_registry_url: "https://169.254.169.254" },
      { external_registry_url: "https://127.1.1.1" },
      { external_registry_url: "http://1.1.1.1" },
      { external_namespace: "" },
      { external_namespace: "a/b" },
      { external_namespace: "../base" },
      { external_namespace: "base%2f" },
      { external_namespace: "x".repeat(256) },
      { robot_username: "alice+mirror" },
      { robot_username: "acme+nobody" },
      { visibility: "secret" },
      { sync_interval: 59 },
      { sync_start_date: "soon" },
      { skopeo_timeout: 29 },
      { skopeo_timeout: 3601 },
      { repository_filters: [""] },
      { repository_filters: "app*" },
      { architecture_filter: ["z80"] },
      { external_registry_password: "alone" },
      { external_registry_config: { proxy: { https_proxy: "http://10.0.0.1:3128" } } },
    ];
    for (const fields of wrong) {
      const { status } = await alice.api("POST", MIRROR, { ...SETTINGS, ...fields });
      expect([fields, status]).toEqual([fields, 400]);
    }
    for (const missing of Object.keys(SETTINGS)) {
      const { status } = await alice.api("POST", MIRROR, { ...SETTINGS, [missing]: undefined });
      expect([missing, status]).toEqual([missing, 400]);
    }
    await alice.expect(404, "GET", MIRROR);
  }));

Deno.test("POST /mirror: a name that does not resolve is accepted, with a warning", () =>
  withAlice(async (alice) => {
    const settings = { ...SETTINGS, external_registry_url: "https://registry.invalid" };
    const { warnings } = await alice.expect(201, "POST", MIRROR, settings);
    expect(warnings).toEqual([expect.stringContaining("registry.invalid does not resolve")]);
  }));

Deno.test("POST /mirror: an organization with repositories, policies or a proxy cache cannot follow another", () =>
  withAlice(async (alice, { deps }) => {
    const refusal = async () => (await alice.expect(400, "POST", MIRROR, SETTINGS)).error_message as string;
    const path = { namespace: "acme", name: "own" };
    await createRepository(deps, OPERATOR, { ...path, visibility: "private" });
    expect(await refusal()).toContain("contains repositories");
    await deleteRepository(deps, OPERATOR, await openRepository(deps, OPERATOR, path, "admin"));

    const { id } = await findOrganization(deps);
    const policy = { tagPattern: "^v", tagPatternMatches: true };
    await createImmutabilityPolicy(deps, OPERATOR, { namespaceId: id, namespace: "acme" }, policy);
    expect(await refusal()).toContain("immutability policies");
    await deps.sql`delete from namespaceimmutabilitypolicy`;

    await deps
      .sql`insert into proxycacheconfig (organization_id, upstream_registry) values (${id}, 'quay.io')`;
    expect(await refusal()).toContain("proxy cache");
    await deps.sql`delete from proxycacheconfig`;

    await alice.expect(201, "POST", MIRROR, SETTINGS);
  }, { FEATURE_IMMUTABLE_TAGS: true }));

Deno.test("an organization that follows another gets no repositories and no immutability policies by hand", () =>
  withAlice(async (alice, { deps }) => {
    await alice.expect(201, "POST", MIRROR, SETTINGS);
    const wanted = { namespace: "acme", repository: "own", visibility: "private", description: "" };
    const { error_message } = await alice.expect(400, "POST", "/repository", wanted);
    expect(error_message).toContain("follows another registry");
    const policy = { tagPattern: "^v" };
    await alice.expect(400, "POST", "/organization/acme/immutabilitypolicy/", policy);
    expect(await deps.sql`select 1 from namespaceimmutabilitypolicy`).toHaveLength(0);
    await alice.expect(204, "DELETE", MIRROR);
    await alice.expect(404, "DELETE", MIRROR);
    await alice.expect(201, "POST", "/organization/acme/immutabilitypolicy/", policy);
    await alice.expect(201, "POST", "/repository", wanted);
  }, { FEATURE_IMMUTABLE_TAGS: true }));

Deno.test("PUT /mirror: changes what is given, of the repositories' mirrors too, and keeps the rest", () =>
  withNamespace(startFakeHarbor, (fake) =>
    withAlice(async (alice, edge) => {
      const { deps } = edge;
      await alice.expect(404, "PUT", MIRROR, { is_enabled: false });
      fake.repositories.push("app", "gone");
      await edge.follow(fake.host, { product: "harbor" });
      await edge.discovered();
      const before = await alice.expect(200, "GET", MIRROR);
      await createRobot(deps, OPERATOR, { namespace: "acme", short: "other" });
      const changed = await alice.api("PUT", MIRROR, {
        external_registry_url: "https://1.1.1.1:8443",
        external_namespace: "other",
        external_registry_username: "pull",
        external_registry_password: "new-secret",
        external_registry_config: { verify_tls: true, proxy: { no_proxy: "*" } },
        repository_filters: ["a*", "b*"],
        robot_username: "acme+other",
        visibility: "public",
        sync_interval: 60,
        sync_start_date: "2099-01-01T00:00:00Z",
        skopeo_timeout: 30,
        architecture_filter: ["amd64"],
        is_enabled: false,
      });
      expect([changed.status, await changed.text()]).toEqual([200, ""]);
      const expected = {
        external_registry_username: "pull",
        sync_interval: 60,
        sync_start_date: "2099-01-01T00:00:00Z",
        architecture_filter: ["amd64"],
        is_enabled: false,
        robot_username: "acme+other",
      };
      expect(await alice.expect(200, "GET", MIRROR)).toEqual({
        ...before,
        ...expected,
        external_registry_url: "https://1.1.1.1:8443",
        external_namespace: "other",
        external_registry_config: {
          verify_tls: true,
          proxy: { http_proxy: null, https_proxy: null, no_proxy: "*" },
        },
        repository_filters: ["a*", "b*"],
        visibility: "public",
        skopeo_timeout: 30,
      });
      expect(await alice.expect(200, "GET", "/repository/acme/app/mirror")).toMatchObject({
        ...expected,
        external_reference: "1.1.1.1:8443/other/app",
        external_registry_config: { verify_tls: true, proxy: { no_proxy: "*" } },
        skopeo_timeout_interval: 30,
      });
      const path = "/repository/acme/app/permissions/user/acme+other";
      expect((await alice.expect(200, "GET", path)).role).toBe("write");
      expect(await passwords(edge)).toEqual(["new-secret", "new-secret", "new-secret"]);

      for (
        const wrong of [
          { external_registry_url: "https://192.168.0.1" },
          { external_registry_url: "http://1.1.1.1" },
          { external_namespace: ".." },
          { external_registry_username: null, external_registry_password: "x" },
          { sync_interval: 1 },
          { robot_username: "alice+mirror" },
        ]
      ) await alice.expect(400, "PUT", MIRROR, wrong);
      await alice.expect(200, "PUT", MIRROR, { external_registry_password: "newer" });
      expect(await passwords(edge)).toEqual(["newer", "newer", "newer"]);
      await alice.expect(200, "PUT", MIRROR, { external_registry_username: null });
      expect(await passwords(edge)).toEqual([null, null, null]);
    })));

Deno.test("POST /mirror with a Quay's token alone: its user name is Quay's for tokens", () =>
  withAlice(async (alice) => {
    const settings = { ...SETTINGS, external_registry_type: "quay", external_registry_password: "token" };
    await alice.expect(201, "POST", MIRROR, settings);
    expect((await alice.expect(200, "GET", MIRROR)).external_registry_username).toBe("$oauthtoken");
  }));

for (
  const [start, credentials] of [[startFakeQuay, { password: QUAY_TOKEN }], [
    startFakeHarbor,
    HARBOR_ACCOUNT,
  ]] as const
) {
  Deno.test(`POST /mirror/verify: says whether ${start.name.slice(9)} can be listed, and why not`, () =>
    withNamespace(start, (fake) =>
      withAlice(async (alice, edge) => {
        await alice.expect(404, "POST", `${MIRROR}/verify`);
        const product = start === startFakeQuay ? "quay" : "harbor";
        await edge.follow(fake.host, {
          product,
          startMs: Date.parse("2099-01-01T00:00:00Z"),
          ...credentials,
        });
        const verify = () => alice.expect(200, "POST", `${MIRROR}/verify`);
        expect(await verify()).toEqual({ success: true, message: "Connection successful" });
        fake.authorization = "Basic b3RoZXI=";
        expect(await verify()).toEqual({ success: false, message: expect.stringContaining("(401)") });
        fake.authorization = undefined;
        fake.insteadOfPage = () => new Response("<html>", { status: 200 });
        expect((await verify()).message).toContain("does not list repositories");
        fake.insteadOfPage = () => new Response(null, { status: 404 });
        expect((await verify()).message).toContain("has no the repositories");
      })));
}

Deno.test("GET /mirror/repositories: what was found, page by page and by status; sync-now and -cancel by hand", () =>
  withNamespace(startFakeHarbor, (fake) =>
    withAlice(async (alice, edge) => {
      const digest = fake.image("v1", [randomBytes(1000, 1)]);
      fake.repositories.push("c", "a", "b/nested");
      await edge.follow(fake.host, { product: "harbor", startMs: Date.parse("2099-01-01T00:00:00Z") });
      expect(await alice.expect(200, "GET", REPOSITORIES)).toEqual({
        repositories: [],
        page: 1,
        limit: 100,
        total: 0,
        has_next: false,
      });
      await alice.expect(400, "POST", `${MIRROR}/sync-cancel`);
      await alice.expect(204, "POST", `${MIRROR}/sync-now`);
      expect((await alice.expect(200, "GET", MIRROR)).sync_status).toBe("SYNC_NOW");
      await edge.working(() => edge.settled());
      const { repositories, total, has_next } = await alice.expect(200, "GET", `${REPOSITORIES}?limit=2`);
      expect([total, has_next]).toEqual([3, true]);
      const item = (name: string) => ({
        name,
        sync_status: "SUCCESS",
        discovery_date: expect.any(String),
        last_sync_date: expect.any(String),
        status_message: null,
        quay_repository: `acme/${name}`,
      });
      expect(repositories).toEqual([item("a"), item("b/nested")]);
      expect(await alice.expect(200, "GET", `${REPOSITORIES}?limit=2&page=2`)).toMatchObject({
        repositories: [item("c")],
        page: 2,
        has_next: false,
      });
      expect((await alice.expect(200, "GET", `${REPOSITORIES}?status=SKIP`)).total).toBe(0);
      expect((await alice.expect(200, "GET", `${REPOSITORIES}?status=SUCCESS&limit=9999`)).limit).toBe(500);
      await alice.expect(400, "GET", `${REPOSITORIES}?status=LOST`);
      expect(await edge.tags("b/nested")).toEqual({ v1: digest });
      expect(await alice.expect(200, "GET", "/repository/acme/a")).toMatchObject({
        state: "ORG_MIRROR",
        is_public: false,
        can_write: false,
      });
    })));

Deno.test("a repository of the organization's mirror is steered by that one: its own endpoints show, and change nothing", () =>
  withNamespace(startFakeQuay, (fake) =>
    withAlice(async (alice, edge) => {
      fake.repositories.push("app");
      fake.image("v1", [randomBytes(1000, 1)]);
      await edge.follow(fake.host);
      await edge.working(() => edge.settled());
      const mirror = "/repository/acme/app/mirror";
      expect(await alice.expect(200, "GET", mirror)).toMatchObject({
        external_reference: `${fake.host}/base/app`,
        sync_status: "SUCCESS",
        root_rule: { rule_value: ["*"] },
      });
      expect((await alice.expect(200, "GET", `${mirror}/progress`)).phase).toBe("done");
      expect((await alice.expect(200, "POST", `${mirror}/preview`)).changed).toEqual([]);
      expect((await alice.expect(200, "POST", `${mirror}/verify`, { read: true })).whole).toBe(true);
      const whole = {
        external_reference: "1.1.1.1/app",
        sync_interval: 60,
        sync_start_date: "2026-11-24T02:00:00Z",
        root_rule: { rule_kind: "tag_glob_csv", rule_value: ["x"] },
        robot_username: "acme+mirror",
      };
      for (
        const [method, path, body] of [
          ["POST", mirror, whole],
          ["PUT", mirror, { is_enabled: false }],
          ["POST", `${mirror}/sync-now`, undefined],
          ["POST", `${mirror}/sync-cancel`, undefined],
          ["PUT", "/repository/acme/app/changestate", { state: "NORMAL" }],
        ] as const
      ) {
        const { error_message } = await alice.expect(400, method, path, body);
        expect(error_message).toContain("the mirror of the organization acme");
      }
      expect((await alice.expect(200, "GET", "/repository/acme/app")).state).toBe("ORG_MIRROR");
      const [tag] = (await alice.expect(200, "GET", "/repository/acme/app/tag/")).tags;
      await alice.expect(503, "DELETE", `/repository/acme/app/tag/${tag.name}`);
    })));

Deno.test("without FEATURE_ORG_MIRROR there is none of this", () =>
  withAlice(async (alice) => {
    for (
      const [method, path] of [
        ["GET", MIRROR],
        ["POST", MIRROR],
        ["PUT", MIRROR],
        ["DELETE", MIRROR],
        [
          "POST",
          `${MIRROR}/sync-now`,
        ],
        ["POST", `${MIRROR}/sync-cancel`],
        ["POST", `${MIRROR}/verify`],
        ["GET", REPOSITORIES],
      ] as const
    ) await alice.expect(404, method, path, method === "POST" || method === "PUT" ? SETTINGS : undefined);
  }, { FEATURE_ORG_MIRROR: false }));

async function findOrganization({ sql }: MirroringEdge["deps"]): Promise<{ id: number }> {
  const [row] = await sql<{ id: number }[]>`select id from "user" where username = 'acme'`;
  return row as { id: number };
}

/** Of the organization's mirror, and of its two repositories'. */
async function passwords({ deps: { sql, secrets } }: MirroringEdge): Promise<(string | null)[]> {
  const rows = await sql<{ sealed: string | null }[]>`
    select external_registry_password as sealed from orgmirrorconfig
    union all select external_registry_password from repomirrorconfig`;
  return rows.map(({ sealed }) => sealed === null ? null : secrets.decrypt(sealed));
}
