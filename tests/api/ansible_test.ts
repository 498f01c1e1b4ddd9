/**
 * What Quay's collection for Ansible relies on, call by call: it looks for a thing first, takes 404 (and 400 for robots) for
 * "it is not there", and gives up at 401 and 403.
 */
import { expect } from "@std/testing";
import { addRealUser, PASSWORD, withSite } from "./site.ts";

type Call = readonly [status: number, method: string, path: string, body?: unknown];

Deno.test("Ansible: sign-in by password, an application, and a token for it", async () => {
  await withSite({}, async (site) => {
    await addRealUser(site.deps, "dana");
    const browser = site.stranger();
    await browser.fetchCsrf();
    await browser.signIn("dana", PASSWORD);
    await browser.expect(404, "GET", "/organization/prod");
    await browser.expect(201, "POST", "/organization/", { name: "prod", email: "prod@example.org" });
    const { client_id } = await browser.expect(200, "POST", "/organization/prod/applications", {
      name: "extapp",
    });
    const form = {
      response_type: "token",
      client_id,
      redirect_uri: "http://registry.test/oauth/localapp",
      scope: "org:admin repo:admin repo:create repo:read repo:write super:user user:admin user:read",
      _csrf_token: browser.csrf ?? "",
    };
    const answer = await browser.call("POST", "/oauth/authorizeapp", {
      body: new URLSearchParams(form).toString(),
      headers: { "Content-Type": "application/x-www-form-urlencoded", Accept: "*/*" },
    });
    await answer.body?.cancel();
    expect([answer.status, answer.headers.get("Location")]).toEqual([
      302,
      expect.stringMatching(/#access_token=[A-Z0-9]{40}&/),
    ]);
  });
});

const CALLS: Record<string, readonly Call[]> = {
  "repositories of an organization and one's own": [
    [404, "GET", "/repository/acme/tools"],
    [201, "POST", "/repository", {
      namespace: "acme",
      repository: "tools",
      repo_kind: "image",
      description: "",
      visibility: "private",
    }],
    [200, "GET", "/repository/acme/tools"],
    [200, "PUT", "/repository/acme/tools", { description: "Of the site" }],
    [200, "POST", "/repository/acme/tools/changevisibility", { visibility: "public" }],
    [404, "GET", "/repository/alice/own"],
    [200, "GET", "/repository/acme/tools/permissions/team/"],
    [200, "PUT", "/repository/acme/tools/permissions/team/members", { role: "read" }],
    [200, "GET", "/repository/acme/tools/permissions/user/"],
    [200, "PUT", "/repository/acme/tools/permissions/user/bob", { role: "write" }],
    [204, "DELETE", "/repository/acme/tools/permissions/user/bob"],
    [201, "POST", "/repository/acme/tools/autoprunepolicy/", { method: "creation_date", value: "7h" }],
    [200, "PUT", "/repository/acme/tools/changestate", { state: "MIRROR" }],
    [404, "GET", "/repository/acme/tools/mirror"],
    [201, "PUT", "/organization/acme/robots/mirror"],
    [201, "POST", "/repository/acme/tools/mirror", {
      external_reference: "registry.example.org/ubi8/ubi",
      sync_interval: 86400,
      sync_start_date: "2030-01-01T00:00:00Z",
      robot_username: "acme+mirror",
      root_rule: { rule_kind: "tag_glob_csv", rule_value: ["latest"] },
      is_enabled: false,
      external_registry_config: { verify_tls: true },
    }],
    [201, "PUT", "/repository/acme/tools/mirror", { sync_interval: 3600 }],
    [204, "DELETE", "/repository/acme/tools"],
    [404, "GET", "/repository/acme/tools"],
  ],
  "robots of an organization and one's own, at one address": [
    [400, "GET", "/organization/acme/robots/ci"],
    [201, "PUT", "/organization/acme/robots/ci", { description: "builds" }],
    [200, "GET", "/organization/acme/robots/ci"],
    [204, "DELETE", "/organization/acme/robots/ci"],
    [400, "GET", "/organization/alice/robots/own"],
    [400, "GET", "/user/robots/own"],
    [201, "PUT", "/user/robots/own", { description: "" }],
    [200, "GET", "/organization/alice/robots/own"],
    [204, "DELETE", "/user/robots/own"],
  ],
  "teams, members and default permissions": [
    [200, "GET", "/organization/acme"],
    [200, "PUT", "/organization/acme/team/fresh", { role: "creator", description: "" }],
    [200, "GET", "/organization/acme/team/fresh/members"],
    [200, "GET", "/entities/bob?includeOrgs=False&includeTeams=False"],
    [200, "PUT", "/organization/acme/team/fresh/members/bob"],
    [204, "DELETE", "/organization/acme/team/fresh/members/bob"],
    [200, "GET", "/organization/acme/prototypes"],
    [204, "DELETE", "/organization/acme/team/fresh"],
  ],
};

for (const [what, calls] of Object.entries(CALLS)) {
  Deno.test(`Ansible: ${what}`, async () => {
    await withSite({ FEATURE_AUTO_PRUNE: true, FEATURE_REPO_MIRROR: true }, async (site) => {
      const script = await site.scriptOf("alice", ["org:admin", "repo:admin", "repo:create", "user:admin"]);
      for (const [status, method, path, body] of calls) await script.expect(status, method, path, body);
    });
  });
}

Deno.test("Ansible: accounts, by a superuser's token", async () => {
  await withSite({ FEATURE_QUOTA_MANAGEMENT: true }, async (site) => {
    const script = await site.scriptOf("root", ["super:user", "user:read"]);
    const at = "/superuser/users/eve";
    await script.expect(404, "GET", at);
    await script.expect(200, "POST", "/superuser/users/", { username: "eve", email: "eve@example.org" });
    await script.expect(200, "PUT", at, { enabled: false, password: "a-new-password" });
    expect(await script.expect(200, "GET", at)).toMatchObject({ super_user: false, enabled: false });
    // Before it deletes an account it enables it, and says that it is no superuser.
    await script.expect(200, "PUT", at, { enabled: true, superuser: false });
    await script.expect(204, "DELETE", at);
    await script.expect(404, "GET", at);
  });
});

Deno.test("Ansible: a quota with nothing but a warning has a limit of 8 EB", async () => {
  await withSite({ FEATURE_QUOTA_MANAGEMENT: true, FEATURE_SUPERUSERS_FULL_ACCESS: true }, async (site) => {
    const script = await site.scriptOf("root", ["super:user", "org:admin", "user:read"]);
    expect((await script.expect(200, "GET", "/organization/acme")).quotas).toEqual([]);
    await script.expect(400, "POST", "/organization/acme/quota", { limit_bytes: 2 ** 63 });
    await script.expect(201, "POST", "/organization/acme/quota", { limit_bytes: 8e18 });
    const [quota] = await script.expect(200, "GET", "/organization/acme/quota");
    expect([quota.limit_bytes, quota.limit]).toEqual([8e18, "6.9 EiB"]);
    const limit = { type: "Warning", threshold_percent: 80 };
    await script.expect(201, "POST", `/organization/acme/quota/${quota.id}/limit`, limit);
    const [{ limits, limit_bytes }] = (await script.expect(200, "GET", "/organization/acme")).quotas;
    expect([limit_bytes, limits.length]).toEqual([8e18, 1]);
    await script.expect(200, "PUT", `/organization/acme/quota/${quota.id}`, { limit_bytes: 2 ** 63 - 1024 });
    await script.expect(204, "DELETE", `/organization/acme/quota/${quota.id}`);
  });
});
