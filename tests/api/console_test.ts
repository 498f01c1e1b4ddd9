/**
 * A session of Quay's browser console, call by call as the console makes them (its code for Quay 3.17): served from the
 * same origin it must get through without one answer that it does not expect.
 */
import { expect } from "@std/testing";
import { addTeamMember } from "../../src/domain/organizations/teams.ts";
import { Console, MORE_FEATURES, type Step } from "./console.ts";
import { Content } from "./content.ts";
import { addRealUser, OPERATOR, PASSWORD, withSite } from "./site.ts";

/** The log pages ask for a month. */
const MONTH = "starttime=11/01/2026&endtime=11/25/2026";

const FRONT: readonly Step[] = [
  [200, "GET", "/messages"],
  [200, "GET", "/user/notifications"],
  [200, "GET", "/repository?public=true&last_modified=true&quota=false"],
];

const ORGANIZATION: readonly Step[] = [
  [200, "GET", "/organization/{org}"],
  [200, "GET", "/organization/{org}/members"],
  [200, "GET", "/organization/{org}/collaborators"],
  [200, "GET", "/organization/{org}/robots?permissions=true&token=false"],
  [200, "GET", "/repository?public=true&last_modified=true&namespace={org}"],
  [200, "GET", "/organization/{org}/team/{team}/members?includePending=true"],
  [200, "GET", "/organization/{org}/team/{team}/permissions"],
  [200, "GET", "/organization/{org}/prototypes"],
  [200, "GET", "/entities/al?namespace={org}&includeTeams=true"],
  [200, "GET", `/organization/{org}/logs?${MONTH}&next_page=`],
  [200, "GET", `/organization/{org}/aggregatelogs?${MONTH}`],
  [200, "GET", "/organization/{org}/applications"],
  [200, "PUT", "/organization/{org}", { tag_expiration_s: 86400 }],
  [200, "PUT", "/organization/{org}/team/{team}", { role: "creator", description: "Of the site" }],
  [201, "PUT", "/organization/{org}/robots/ci", { description: "builds" }],
  [200, "GET", "/organization/{org}/robots/ci"],
  [200, "GET", "/organization/{org}/robots/ci/permissions"],
  [200, "POST", "/organization/{org}/prototypes", {
    role: "read",
    delegate: { name: "carol", kind: "user" },
  }],
];

const REPOSITORY: readonly Step[] = [
  [200, "GET", "/repository/{repo}?includeStats=false&includeTags=false"],
  [200, "GET", "/repository/{repo}?includeStats=true&includeTags=false"],
  [200, "GET", "/repository/{repo}/tag/?limit=100&page=1&onlyActiveTags=true"],
  [200, "GET", "/repository/{repo}/tag/?limit=100&page=1"],
  [200, "GET", "/repository/{repo}/tag/?limit=100&page=1&onlyActiveTags=true&specificTag=v1"],
  [200, "GET", "/repository/{repo}/manifest/{digest}"],
  [200, "GET", "/repository/{repo}/manifest/{digest}/labels"],
  [201, "POST", "/repository/{repo}/manifest/{digest}/labels", {
    key: "stage",
    value: "test",
    media_type: "text/plain",
  }],
  [201, "PUT", "/repository/{repo}/tag/v2", { manifest_digest: "{digest}" }],
  [201, "PUT", "/repository/{repo}/tag/v2", { expiration: 4102444800 }],
  [204, "DELETE", "/repository/{repo}/tag/v2"],
  [200, "POST", "/repository/{repo}/tag/v2/restore", { manifest_digest: "{digest}" }],
  [200, "GET", "/repository/{repo}/permissions/user/"],
  [200, "GET", "/repository/{repo}/permissions/team/"],
  [200, "PUT", "/repository/{repo}/permissions/user/carol", { role: "read" }],
  [200, "GET", "/repository/{repo}/permissions/user/carol/transitive"],
  [204, "DELETE", "/repository/{repo}/permissions/user/carol"],
  [200, "GET", "/repository/{repo}/notification/"],
  [404, "GET", "/repository/{repo}/mirror"],
  [200, "GET", `/repository/{repo}/logs?${MONTH}&next_page=`],
  [200, "GET", `/repository/{repo}/aggregatelogs?${MONTH}`],
  [200, "PUT", "/repository/{repo}", { description: "An application" }],
  [200, "POST", "/repository/{repo}/changevisibility", { visibility: "public" }],
  [201, "POST", "/user/starred", { namespace: "acme", repository: "app" }],
  [200, "GET", "/user/starred"],
  [204, "DELETE", "/user/starred/{repo}"],
  [200, "GET", "/find/all?query=app"],
];

const WITH_FEATURES: readonly Step[] = [
  [200, "GET", "/organization/{org}/quota"],
  [200, "GET", "/user/quota"],
  [200, "GET", "/organization/{org}/autoprunepolicy/"],
  [200, "GET", "/repository/{repo}/autoprunepolicy/"],
  [200, "GET", "/user/autoprunepolicy/"],
  [201, "POST", "/organization/{org}/autoprunepolicy/", {
    method: "number_of_tags",
    value: 20,
    tagPattern: "",
    tagPatternMatches: true,
  }],
  [200, "GET", "/organization/{org}/immutabilitypolicy/"],
  [200, "GET", "/repository/{repo}/immutabilitypolicy/"],
];

const OWN_ACCOUNT: readonly Step[] = [
  [200, "GET", "/users/{me}"],
  [200, "GET", "/user/robots?permissions=true&token=false"],
  [200, "GET", "/user/apptoken"],
  [200, "GET", "/user/authorizations"],
  [200, "GET", "/user/assignedauthorization"],
  [200, "GET", `/user/logs?${MONTH}&next_page=`],
  [200, "GET", `/user/aggregatelogs?${MONTH}`],
  [200, "POST", "/user/clientkey", { password: PASSWORD }],
  [200, "PUT", "/user/", { tag_expiration_s: 86400 }],
];

const SUPERUSER: readonly Step[] = [
  [200, "GET", "/superuser/organizations/"],
  [200, "GET", "/superuser/users/"],
  [200, "POST", "/superuser/users/", { username: "dave", email: "dave@example.org" }],
  [200, "PUT", "/superuser/users/dave", { enabled: false }],
  [204, "DELETE", "/superuser/users/dave"],
  [200, "GET", "/superuser/organization/acme/quota"],
  [201, "POST", "/superuser/organization/acme/quota", { limit_bytes: 10737418240 }],
  [200, "GET", "/superuser/registrysize/"],
  [201, "POST", "/superuser/registrysize/", {}],
  [200, "GET", `/superuser/logs?${MONTH}&next_page=`],
  [200, "GET", `/superuser/aggregatelogs?${MONTH}`],
  [201, "POST", "/messages", {
    message: { content: "Hello", media_type: "text/markdown", severity: "info" },
  }],
  [200, "GET", "/messages"],
  [200, "GET", "/superuser/keys"],
  [200, "POST", "/superuser/keys", { service: "site", name: "of the site", expiration: null }],
  [200, "GET", "/superuser/changelog/"],
];

Deno.test("Quay's console gets through a session: sign-in, organizations, repositories, tags, settings", async () => {
  await withSite(MORE_FEATURES, async (site) => {
    const { deps } = site;
    await addRealUser(deps, "dana");
    for (const team of ["owners", "members"]) {
      await addTeamMember(deps, OPERATOR, { organization: "acme", team }, "dana");
    }
    const content = await Content.of(deps, "acme/app");
    const digest = await content.image({ word: "one", tag: "v1" });
    const names = { org: "acme", team: "members", repo: "acme/app", digest, me: "dana" };
    const client = site.stranger();
    const page = new Console(client, names);
    const { features, config } = await page.call(200, "GET", "/config");
    expect([features.DIRECT_LOGIN, config.AUTHENTICATION_TYPE]).toEqual([true, "Database"]);
    await page.call(401, "GET", "/user/");
    client.csrf = (await page.call(200, "GET", "/csrf_token")).csrf_token;
    expect(await page.call(200, "POST", "/signin", { username: "dana", password: PASSWORD })).toEqual({
      success: true,
    });
    const user = await page.call(200, "GET", "/user/");
    expect(user.organizations.map(({ name }: { name: string }) => name)).toEqual(["acme"]);
    await page.play(FRONT);
    await page.play(ORGANIZATION);
    const withDigest = JSON.parse(JSON.stringify(REPOSITORY).replaceAll('"{digest}"', `"${digest}"`));
    await page.play(withDigest);
    await page.play(WITH_FEATURES);
    await page.play(OWN_ACCOUNT);
    await page.play([
      [201, "POST", "/organization/", { name: "fresh", email: "fresh@example.org" }],
      [201, "POST", "/repository", {
        namespace: "fresh",
        repository: "first",
        visibility: "private",
        description: "",
        repo_kind: "image",
      }],
      [204, "DELETE", "/repository/fresh/first"],
      [204, "DELETE", "/organization/fresh"],
      [200, "POST", "/signout"],
      [401, "GET", "/user/"],
    ]);
    expect(page.unexpected).toEqual([]);
  });
});

Deno.test("Quay's console gets through a superuser's session", async () => {
  await withSite({ SUPER_USERS: ["root", "dana"], FEATURE_QUOTA_MANAGEMENT: true }, async (site) => {
    await addRealUser(site.deps, "dana");
    const client = site.stranger();
    const page = new Console(client, { me: "dana" });
    client.csrf = (await page.call(200, "GET", "/csrf_token")).csrf_token;
    await page.call(200, "POST", "/signin", { username: "dana", password: PASSWORD });
    expect((await page.call(200, "GET", "/user/")).super_user).toBe(true);
    await page.play(FRONT);
    await page.play(SUPERUSER);
    expect(page.unexpected).toEqual([]);
  });
});
