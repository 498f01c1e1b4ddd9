import { expect } from "@std/testing";
import { findUser } from "../../src/domain/accounts/accounts.ts";
import { createRepository } from "../../src/domain/repositories/repositories.ts";
import { createRobot } from "../../src/domain/accounts/robots.ts";
import { sealSession, startUserSession } from "../../src/domain/accounts/sessions.ts";
import { connectUpstream } from "../../src/drivers/upstream/client.ts";
import { createHostGuard } from "../../src/lib/ssrf.ts";
import { startMirrorWorker } from "../../src/workers/repo_mirror.ts";
import { ApiClient, mount } from "../api/api_client.ts";
import { OPERATOR, type Site, withSite } from "../api/site.ts";
import { eventually } from "../database/cluster.ts";
import { rowsOf } from "../logs/rows.ts";
import { withFake } from "./fake_registry.ts";
import { randomBytes } from "./images.ts";

const MIRROR = "/repository/acme/app/mirror";
const SETTINGS = {
  external_reference: "1.1.1.1/library/app",
  sync_interval: 3600,
  sync_start_date: "2026-11-24T02:00:00Z",
  root_rule: { rule_kind: "tag_glob_csv", rule_value: ["v*"] },
  robot_username: "acme+mirror",
};

async function withMirrors(test: (site: Site, alice: ApiClient) => Promise<void>): Promise<void> {
  const config = { FEATURE_REPO_MIRROR: true, SSRF_ALLOWED_HOSTS: ["127.0.0.1"] };
  await withSite(config, async (site) => {
    const { deps } = site;
    await createRepository(deps, OPERATOR, { namespace: "acme", name: "app", visibility: "private" });
    for (const namespace of ["acme", "alice"]) {
      await createRobot(deps, OPERATOR, { namespace, short: "mirror" });
    }
    await test(site, await site.browserOf("alice"));
  });
}

Deno.test("POST /mirror: makes a mirror, which the robot may write to; GET tells all but the password", () =>
  withMirrors(async ({ deps }, alice) => {
    await alice.expect(404, "GET", MIRROR);
    const created = await alice.api("POST", MIRROR, {
      ...SETTINGS,
      external_registry_username: "pull",
      external_registry_password: "hunter-2",
      external_registry_config: { verify_tls: false, proxy: { http_proxy: "http://127.0.0.1:3128" } },
      architecture_filter: ["arm64"],
      rules: { exclude: ["*-rc*"], semver: ">=1", newest: 3, referrers: ["application/spdx+json"] },
      limits: { bytes_per_second: 1_000_000, windows: ["02:00-05:00 Europe/Berlin"], daily_bytes: 5 },
    });
    expect([created.status, await created.text()]).toEqual([201, ""]);
    const seen = await alice.expect(200, "GET", MIRROR);
    expect(seen).toEqual({
      is_enabled: true,
      mirror_type: "PULL",
      external_reference: "1.1.1.1/library/app",
      external_registry_username: "pull",
      external_registry_config: {
        verify_tls: false,
        unsigned_images: false,
        proxy: { http_proxy: "http://127.0.0.1:3128", https_proxy: null, no_proxy: null },
      },
      sync_interval: 3600,
      sync_start_date: "2026-11-24T02:00:00Z",
      sync_expiration_date: null,
      sync_retries_remaining: 3,
      sync_status: "NEVER_RUN",
      root_rule: { rule_kind: "tag_glob_csv", rule_value: ["v*"] },
      robot_username: "acme+mirror",
      skopeo_timeout_interval: 300,
      architecture_filter: ["arm64"],
      rules: { exclude: ["*-rc*"], semver: ">=1", newest: 3, referrers: ["application/spdx+json"] },
      limits: { bytes_per_second: 1_000_000, windows: ["02:00-05:00 Europe/Berlin"], daily_bytes: 5 },
    });
    expect((await alice.expect(200, "GET", "/repository/acme/app")).state).toBe("MIRROR");
    const { role } = await alice.expect(200, "GET", "/repository/acme/app/permissions/user/acme+mirror");
    expect(role).toBe("write");
    const [row] = await deps.sql<
      { text: string }[]
    >`select row_to_json(c)::text as text from repomirrorconfig c`;
    expect(row?.text).not.toContain("hunter-2");
    expect(row?.text).not.toContain('"pull"');

    const again = await alice.expect(409, "POST", MIRROR, SETTINGS);
    expect(Object.keys(again)).toEqual(["detail"]);
    expect(await alice.expect(400, "DELETE", "/organization/acme/robots/mirror")).toMatchObject({
      error_message: expect.stringContaining("used by a mirror"),
    });

    await deps.sql`update repomirrorconfig set external_registry_username = 'sealed with another key'`;
    expect((await alice.expect(200, "GET", MIRROR)).external_registry_username).toBe(
      "(invalid. please re-enter)",
    );
  }));

Deno.test("POST /mirror: refuses what is wrong with 400, and nothing has changed", () =>
  withMirrors(async (_, alice) => {
    const wrong: Record<string, unknown>[] = [
      { external_reference: "" },
      { external_reference: "https://1.1.1.1/app" },
      { external_reference: "1.1.1.1/app:v1" },
      { external_reference: "1.1.1.1/../app" },
      { external_reference: "10.0.0.1/app" },
      { external_reference: "[::1]:5000/app" },
      { external_reference: "[fd00::1]:5000/app" },
      { external_reference: "169.254.169.254/app" },
      { external_registry_config: { proxy: { https_proxy: "http://10.0.0.1:3128" } } },
      { external_registry_config: { proxy: { https_proxy: "ftp://1.1.1.1" } } },
      { external_registry_config: { verify_tls: "no" } },
      { robot_username: "alice+mirror" },
      { robot_username: "acme+nobody" },
      { robot_username: "alice" },
      { sync_interval: -1 },
      { sync_interval: 1.5 },
      { sync_start_date: "2026-11-24" },
      { sync_start_date: "2026-02-31T00:00:00Z" },
      { root_rule: { rule_kind: "tag_glob_csv", rule_value: [] } },
      { root_rule: { rule_kind: "regex", rule_value: ["a"] } },
      { external_registry_password: "alone" },
      { external_registry_username: null, external_registry_password: "alone" },
      { skopeo_timeout_interval: 299 },
      { architecture_filter: ["z80"] },
      { rules: { semver: "no range" } },
      { rules: { newest: 0 } },
      { rules: { platforms: ["a/b/c/d"] } },
      { limits: { windows: ["02:00-05:00 Europe/Atlantis"] } },
      { limits: { bytes_per_second: 0 } },
      { limits: { concurrency: 65 } },
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
    expect((await alice.expect(200, "GET", "/repository/acme/app")).state).toBe("NORMAL");
  }));

Deno.test("POST /mirror: a name that does not resolve is accepted, with a warning", () =>
  withMirrors(async (_, alice) => {
    const settings = { ...SETTINGS, external_reference: "registry.invalid/app" };
    const { warnings } = await alice.expect(201, "POST", MIRROR, settings);
    expect(warnings).toEqual([expect.stringContaining("registry.invalid does not resolve")]);
    expect((await alice.expect(200, "GET", MIRROR)).external_reference).toBe("registry.invalid/app");
  }));

Deno.test("PUT /mirror: changes what is given, keeps the rest, and logs each field", () =>
  withMirrors(async ({ deps }, alice) => {
    await alice.expect(404, "PUT", MIRROR, { is_enabled: false });
    await alice.expect(201, "POST", MIRROR, SETTINGS);
    const before = await alice.expect(200, "GET", MIRROR);
    const logged = (await rowsOf(deps)).length;
    const change = {
      is_enabled: false,
      sync_interval: 60,
      external_registry_username: "pull",
      external_registry_password: "hunter-2",
      external_registry_config: { proxy: { http_proxy: "http://u:secret@1.1.1.1:1" }, unsigned_images: true },
      root_rule: { rule_kind: "tag_glob_csv", rule_value: ["a", "b"] },
    };
    const changed = await alice.api("PUT", MIRROR, change);
    expect([changed.status, await changed.text()]).toEqual([201, ""]);
    expect(await alice.expect(200, "GET", MIRROR)).toEqual({
      ...before,
      is_enabled: false,
      sync_interval: 60,
      external_registry_username: "pull",
      external_registry_config: {
        verify_tls: true,
        unsigned_images: true,
        proxy: { http_proxy: "http://u:secret@1.1.1.1:1", https_proxy: null, no_proxy: null },
      },
      root_rule: { rule_kind: "tag_glob_csv", rule_value: ["a", "b"] },
    });
    const rows = (await rowsOf(deps)).slice(logged);
    expect(rows.map(({ kind, metadata: { changed, to } }) => [kind, changed, to])).toEqual([
      ["repo_mirror_config_changed", "is_enabled", false],
      ["repo_mirror_config_changed", "sync_interval", 60],
      ["repo_mirror_config_changed", "external_registry_username", "pull"],
      ["repo_mirror_config_changed", "external_registry_password", "********"],
      ["repo_mirror_config_changed", "unsigned_images", true],
      ["repo_mirror_config_changed", "http_proxy", "http://u:********@1.1.1.1:1/"],
      ["repo_mirror_config_changed", "mirror_rule", ["a", "b"]],
    ]);
    for (
      const wrong of [
        { external_reference: "" },
        { external_reference: "192.168.0.1/app" },
        { external_registry_password: "x" },
        { external_registry_username: null, external_registry_password: "x" },
        { sync_start_date: "soon" },
        { robot_username: "alice+mirror" },
      ]
    ) await alice.expect(400, "PUT", MIRROR, wrong);
    await alice.expect(201, "PUT", MIRROR, {
      external_registry_username: null,
      external_registry_password: null,
    });
    expect((await alice.expect(200, "GET", MIRROR)).external_registry_username).toBeNull();
  }));

Deno.test("POST /mirror/sync-now, /mirror/sync-cancel: only when there is something to start or stop", () =>
  withMirrors(async ({ deps }, alice) => {
    await alice.expect(404, "POST", `${MIRROR}/sync-now`);
    await alice.expect(201, "POST", MIRROR, SETTINGS);
    await alice.expect(404, "POST", `${MIRROR}/sync-cancel`);
    await alice.expect(204, "POST", `${MIRROR}/sync-now`);
    expect((await alice.expect(200, "GET", MIRROR)).sync_status).toBe("SYNC_NOW");
    await alice.expect(204, "POST", `${MIRROR}/sync-cancel`);
    expect(await alice.expect(200, "GET", MIRROR)).toMatchObject({
      sync_status: "CANCEL",
      sync_retries_remaining: 0,
    });
    await deps.sql`update repomirrorconfig set sync_status = 2`;
    await alice.expect(404, "POST", `${MIRROR}/sync-now`);
    const rows = (await rowsOf(deps)).filter(({ metadata }) => metadata.changed === "sync_status");
    expect(rows.map(({ metadata }) => metadata.to)).toEqual(["SYNC_NOW", "SYNC_CANCEL"]);
  }));

Deno.test("POST /mirror/preview, /mirror/verify, GET /mirror/progress: before a run and after it", () =>
  withFake((fake) =>
    withMirrors(async ({ deps: site }) => {
      const deps = {
        ...site,
        upstream: (wanted: Parameters<typeof connectUpstream>[0]) =>
          connectUpstream(wanted, {
            extraCas: [],
            isReachable: createHostGuard(["127.0.0.1"]).isReachable,
            proxy: { httpProxy: null, httpsProxy: null, noProxy: null },
            firstPauseMs: 5,
            silenceMs: 2000,
            now: Date.now,
          }),
      };
      const signedIn = await siteBrowser(deps);
      fake.image("v1", [randomBytes(10_000, 1)]);
      await signedIn.expect(201, "POST", MIRROR, {
        ...SETTINGS,
        sync_start_date: "2099-01-01T00:00:00Z",
        external_reference: `${fake.host}/app`,
        external_registry_config: { verify_tls: false },
      });
      expect(await signedIn.expect(200, "GET", `${MIRROR}/progress`)).toMatchObject({
        phase: "none",
        percent: 0,
      });
      const plan = await signedIn.expect(200, "POST", `${MIRROR}/preview`);
      expect(plan).toMatchObject({ tags: ["v1"], changed: ["v1"], remove: [], bytes_here: 0, failed: [] });
      expect(plan.bytes_to_fetch).toBeGreaterThanOrEqual(10_000);
      const lacking = await signedIn.expect(200, "POST", `${MIRROR}/verify`, {});
      expect([lacking.whole, lacking.faults[0].message]).toEqual([false, "the tag is not here"]);

      const stop = startMirrorWorker(deps);
      try {
        await signedIn.expect(204, "POST", `${MIRROR}/sync-now`);
        await eventually(async () => {
          expect((await signedIn.expect(200, "GET", MIRROR)).sync_status).toBe("SUCCESS");
          expect(await signedIn.expect(200, "GET", `${MIRROR}/progress`)).toMatchObject({
            sync_status: "SUCCESS",
            phase: "done",
            percent: 100,
            tags_done: 1,
            bytes_fetched: plan.bytes_to_fetch,
            bytes_remaining: 0,
            last_error: null,
          });
        });
      } finally {
        await stop();
      }
      expect(await signedIn.expect(200, "POST", `${MIRROR}/verify`, { read: true })).toEqual({
        whole: true,
        faults: [],
      });
      fake.instead = () => new Response(null, { status: 401 });
      const { error_message: message } = await signedIn.expect(520, "POST", `${MIRROR}/preview`);
      expect(message).toContain(fake.host);
    })
  ));

/** Alice, at the API over other drivers. */
async function siteBrowser(deps: Site["deps"]): Promise<ApiClient> {
  const session = startUserSession((await findUser(deps, "alice")).uuid, deps.now());
  return new ApiClient(mount(deps)).withCookie(sealSession(deps.config, session), session.csrfToken);
}
