/**
 * The dialogs and bulk operations of Quay's browser consoles, call by call (their code for Quay 3.13 to 3.18), with the
 * fields that they read of each answer.
 */
import { expect } from "@std/testing";
import { addTeamMember } from "../../src/domain/organizations/teams.ts";
import { Console, MORE_FEATURES, type Step } from "./console.ts";
import { Content } from "./content.ts";
import { addRealUser, OPERATOR, PASSWORD, withSite } from "./site.ts";

/** What an answer gives to later steps: `{name}` in paths and bodies. */
type Keep = readonly [name: string, of: (answer: Json) => unknown];
// deno-lint-ignore no-explicit-any
type Json = any;
/** A call of a dialog, the fields that the console reads of its answer, and what it uses later. */
type DialogStep = readonly [...Step, reads?: readonly string[] | undefined, keep?: Keep];

/** Plays steps whose answers matter, in order. */
async function walk(page: Console, names: Record<string, string>, steps: readonly DialogStep[]) {
  for (const [status, method, path, body, reads = [], keep] of steps) {
    const sent = body === undefined ? undefined : JSON.parse(fill(JSON.stringify(body), names));
    const answer = await page.call(status, method, path, sent);
    for (const field of reads) {
      if (!hasField(answer, field)) page.unexpected.push(`${method} ${path}: no ${field} in the answer`);
    }
    if (keep !== undefined) names[keep[0]] = `${keep[1](answer)}`;
  }
}

function fill(text: string, names: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name) => names[name] ?? whole);
}

/** `a.b`, or `list[].field` of the first in the list, which must be there. */
function hasField(value: Json, path: string): boolean {
  for (const part of path.split(".")) {
    const [, key = "", isList] = /^([^[]*)(\[\])?$/.exec(part) ?? [];
    if (key !== "") {
      if (typeof value !== "object" || value === null || !(key in value)) return false;
      value = value[key];
    }
    if (isList !== undefined) {
      if (!Array.isArray(value) || value.length === 0) return false;
      value = value[0];
    }
  }
  return true;
}

const AVATAR = ["avatar.name", "avatar.hash", "avatar.color", "avatar.kind"];

/** Robots with all that their wizard sets, one after the other as its bulk actions do. */
const ROBOT_DIALOGS: readonly DialogStep[] = [
  [201, "PUT", "/organization/{org}/robots/wizard", { description: "of the wizard" }, [
    "name",
    "token",
    "created",
    "last_accessed",
    "description",
    "unstructured_metadata",
  ]],
  [200, "PUT", "/organization/{org}/team/{team}/members/acme+wizard", {}, ["name", "is_robot", "invited"]],
  [200, "PUT", "/repository/{repo}/permissions/user/acme+wizard", { role: "write" }, ["role", "is_robot"]],
  [
    200,
    "POST",
    "/organization/{org}/prototypes",
    {
      delegate: { name: "acme+wizard", kind: "user", is_robot: true },
      role: "read",
    },
    ["id", "delegate.is_robot", "delegate.kind", "role"],
    ["prototype", (made) => made.id],
  ],
  [200, "PUT", "/organization/{org}/prototypes/{prototype}", { id: "{prototype}", role: "write" }, ["role"]],
  [200, "GET", "/organization/{org}/robots?permissions=true&token=false", undefined, [
    "robots[].name",
    "robots[].teams",
    "robots[].repositories",
    "robots[].description",
  ]],
  [200, "GET", "/organization/{org}/robots/wizard/permissions", undefined, [
    "permissions[].repository.name",
    "permissions[].repository.is_public",
    "permissions[].role",
  ]],
  [200, "POST", "/organization/{org}/robots/wizard/regenerate", {}, ["name", "token"]],
  [200, "GET", "/organization/{org}/robots/wizard/federation"],
  [200, "POST", "/organization/{org}/robots/wizard/federation", [
    { issuer: "https://issuer.example", subject: "one", isExpanded: true },
    { issuer: "https://issuer.example", subject: "two", isExpanded: false },
  ], ["[].issuer", "[].subject"]],
  [204, "DELETE", "/organization/{org}/robots/wizard/federation"],
  [204, "DELETE", "/repository/{repo}/permissions/user/acme+wizard"],
  [204, "DELETE", "/organization/{org}/prototypes/{prototype}"],
  [204, "DELETE", "/organization/{org}/robots/wizard"],
  [201, "PUT", "/user/robots/own", { description: "" }, ["token"]],
  [200, "GET", "/user/robots/own", undefined, ["token"]],
  [200, "GET", "/user/robots/own/permissions", undefined, ["permissions"]],
  [200, "POST", "/user/robots/own/regenerate", {}, ["token"]],
  [204, "DELETE", "/user/robots/own"],
];

const TEAM_DIALOGS: readonly DialogStep[] = [
  [200, "PUT", "/organization/{org}/team/fresh", { name: "fresh", role: "member", description: "" }, [
    "name",
    "role",
    "can_view",
    "new_team",
    ...AVATAR,
  ]],
  [200, "PUT", "/organization/{org}/team/fresh/members/bob", {}, ["name", "kind", "invited", ...AVATAR]],
  [200, "GET", "/organization/{org}/team/fresh/members?includePending=true", undefined, [
    "members[].name",
    "members[].is_robot",
    "members[].invited",
    "can_edit",
  ]],
  [200, "PUT", "/repository/{repo}/permissions/team/fresh", { role: "read" }, ["role", "name", ...AVATAR]],
  [200, "GET", "/organization/{org}/team/fresh/permissions", undefined, ["permissions[].repository.name"]],
  [200, "GET", "/organization/{org}", undefined, [
    "is_admin",
    "is_member",
    "email",
    "tag_expiration_s",
    "is_free_account",
    "ordered_teams[]",
    "teams.fresh.member_count",
    "teams.fresh.repo_count",
    "teams.fresh.can_view",
    "teams.fresh.is_synced",
    "teams.fresh.role",
    ...AVATAR,
  ]],
  [200, "GET", "/organization/{org}/members", undefined, [
    "members[].kind",
    "members[].teams[].avatar.hash",
    "members[].repositories",
  ]],
  [200, "GET", "/organization/{org}/members/bob", undefined, ["name", "teams", "repositories"]],
  [204, "DELETE", "/repository/{repo}/permissions/team/fresh"],
  [204, "DELETE", "/organization/{org}/team/fresh/members/bob"],
  [200, "PUT", "/repository/{repo}/permissions/user/bob", { role: "write" }],
  [200, "GET", "/organization/{org}/collaborators", undefined, [
    "collaborators[].name",
    "collaborators[].repositories[]",
  ]],
  [204, "DELETE", "/organization/{org}/members/bob"],
  [204, "DELETE", "/organization/{org}/team/fresh"],
];

const APPLICATION_DIALOGS: readonly DialogStep[] = [
  [
    200,
    "POST",
    "/organization/{org}/applications",
    {
      name: "pipeline",
      redirect_uri: "",
      application_uri: "",
      description: "",
      avatar_email: "",
    },
    ["client_id", "client_secret", "redirect_uri"],
    ["client", (made) => made.client_id],
  ],
  [200, "GET", "/organization/{org}/applications", undefined, ["applications[].client_id"]],
  [200, "GET", "/organization/{org}/applications/{client}", undefined, ["client_secret", "application_uri"]],
  [200, "PUT", "/organization/{org}/applications/{client}", {
    name: "pipeline",
    redirect_uri: "https://pipeline.example/back",
    application_uri: "https://pipeline.example",
    description: "builds",
    avatar_email: "",
    client_id: "{client}",
  }, ["name", "avatar_email"]],
  [200, "POST", "/organization/{org}/applications/{client}/resetclientsecret", undefined, ["client_secret"]],
  [200, "GET", "/app/{client}", undefined, ["name", "uri", "organization.name", "avatar.hash"]],
  [200, "POST", "/organization/{org}/applications/{client}/tokens", { name: "t", scope: "repo:read" }, [
    "uuid",
    "token",
    "scope",
    "expires_at",
  ], ["token", (made) => made.uuid]],
  [200, "GET", "/organization/{org}/applications/{client}/tokens", undefined, [
    "tokens[].created_by",
    "tokens[].last_accessed",
  ]],
  [204, "DELETE", "/organization/{org}/applications/{client}/tokens/{token}"],
  [204, "DELETE", "/organization/{org}/applications/{client}"],
];

const TAG_DIALOGS: readonly DialogStep[] = [
  [200, "GET", "/repository/{repo}?includeStats=true&includeTags=true", undefined, [
    "can_write",
    "can_admin",
    "is_starred",
    "is_organization",
    "state",
    "status_token",
    "trust_enabled",
    "tag_expiration_s",
    "is_free_account",
    "stats",
    "tags.v1.manifest_digest",
    "tags.v1.last_modified",
  ]],
  [
    200,
    "GET",
    "/repository/{repo}/tag/?limit=100&page=1&onlyActiveTags=true&filter_tag_name=like:v",
    undefined,
    [
      "tags[].start_ts",
      "tags[].last_modified",
      "tags[].size",
      "tags[].is_manifest_list",
      "tags[].reversion",
      "tags[].immutable",
      "has_additional",
      "page",
    ],
  ],
  [200, "GET", "/repository/{repo}/manifest/{digest}?include_modelcard=true", undefined, [
    "manifest_data",
    "config_media_type",
    "layers_compressed_size",
    "layers[].command",
    "layers[].compressed_size",
    "layers[].created_datetime",
    "layers[].blob_digest",
  ]],
  [200, "GET", "/repository/{repo}/manifest/{digest}/security?vulnerabilities=true", undefined, [
    "status",
    "data",
  ]],
  [
    201,
    "POST",
    "/repository/{repo}/manifest/{digest}/labels",
    {
      key: "by",
      value: "hand",
      media_type: "text/plain",
    },
    ["label.id", "label.source_type"],
    ["label", (made) => made.label.id],
  ],
  [200, "GET", "/repository/{repo}/manifest/{digest}/labels", undefined, [
    "labels[].key",
    "labels[].media_type",
  ]],
  [204, "DELETE", "/repository/{repo}/manifest/{digest}/labels/{label}"],
  // Bulk operations are one call for each tag.
  [201, "PUT", "/repository/{repo}/tag/a", { manifest_digest: "{digest}" }],
  [201, "PUT", "/repository/{repo}/tag/b", { manifest_digest: "{digest}" }],
  [201, "PUT", "/repository/{repo}/tag/a", { expiration: 4102444800 }],
  [201, "PUT", "/repository/{repo}/tag/b", { expiration: 4102444800 }],
  [201, "PUT", "/repository/{repo}/tag/a", { expiration: null }],
  [201, "PUT", "/repository/{repo}/tag/v1", { immutable: true }],
  [409, "DELETE", "/repository/{repo}/tag/v1"],
  [201, "PUT", "/repository/{repo}/tag/v1", { immutable: false }],
  [200, "GET", "/repository/{repo}/tag/v1/pull_statistics", undefined, [
    "tag_pull_count",
    "last_tag_pull_date",
    "manifest_pull_count",
    "last_manifest_pull_date",
    "current_manifest_digest",
  ]],
  [204, "DELETE", "/repository/{repo}/tag/b"],
  [200, "POST", "/repository/{repo}/tag/b/expire", {
    manifest_digest: "{digest}",
    include_submanifests: true,
    is_alive: false,
  }],
  [200, "POST", "/repository/{repo}/tag/a/expire", { include_submanifests: true, is_alive: true }],
  [
    201,
    "POST",
    "/repository/{repo}/notification/",
    {
      event: "repo_push",
      event_config: {},
      eventConfig: {},
      method: "quay_notification",
      config: { target: { name: "{me}", kind: "user", is_robot: false } },
      title: "pushed",
    },
    ["uuid", "event_config", "number_of_failures"],
    ["notification", (made) => made.uuid],
  ],
  [200, "GET", "/repository/{repo}/notification/", undefined, [
    "notifications[].number_of_failures",
    "notifications[].config",
    "notifications[].title",
  ]],
  [200, "POST", "/repository/{repo}/notification/{notification}/test"],
  [204, "POST", "/repository/{repo}/notification/{notification}"],
  [204, "DELETE", "/repository/{repo}/notification/{notification}"],
  [
    201,
    "POST",
    "/repository/{repo}/autoprunepolicy/",
    {
      method: "creation_date",
      value: "30d",
      tagPattern: "v.*",
      tagPatternMatches: false,
    },
    ["uuid"],
    ["policy", (made) => made.uuid],
  ],
  [200, "GET", "/repository/{repo}/autoprunepolicy/", undefined, [
    "policies[].uuid",
    "policies[].tagPatternMatches",
  ]],
  [204, "PUT", "/repository/{repo}/autoprunepolicy/{policy}", {
    uuid: "{policy}",
    method: "number_of_tags",
    value: 10,
  }],
  [200, "DELETE", "/repository/{repo}/autoprunepolicy/{policy}", undefined, ["uuid"]],
  [200, "PUT", "/repository/{repo}/changestate", { state: "READ_ONLY" }],
  [200, "PUT", "/repository/{repo}/changestate", { state: "NORMAL" }],
  [200, "GET", "/repository?namespace={org}&last_modified=true&popularity=true&public=true", undefined, [
    "repositories[].last_modified",
    "repositories[].popularity",
    "repositories[].is_starred",
    "repositories[].state",
    "repositories[].quota_report.quota_bytes",
    "repositories[].quota_report.configured_quota",
  ]],
  [200, "POST", "/repository/{repo}/exportlogs?starttime=11/01/2026&endtime=11/25/2026", {
    callback_url: "https://logs.example/here",
  }, ["export_id"]],
];

const ACCOUNT_DIALOGS: readonly DialogStep[] = [
  [200, "GET", "/user/", undefined, [
    "anonymous",
    "username",
    "email",
    "verified",
    "can_create_repo",
    "is_me",
    "logins",
    "invoice_email",
    "invoice_email_address",
    "preferred_namespace",
    "tag_expiration_s",
    "prompts",
    "company",
    "family_name",
    "given_name",
    "location",
    "is_free_account",
    "has_password_set",
    "organizations[].is_org_admin",
    "organizations[].can_create_repo",
    "organizations[].public",
    "organizations[].avatar.hash",
    "quotas",
    "quota_report.quota_bytes",
    "quota_report.configured_quota",
    ...AVATAR,
  ]],
  [200, "PUT", "/user/", { company: "Works", family_name: "D", location: "here" }, ["company", "location"]],
  [200, "PUT", "/user/", { invoice_email: true, invoice_email_address: "bills@example.org" }],
  [200, "POST", "/signin/verify", { password: PASSWORD }, ["success"]],
  [200, "POST", "/user/apptoken", { title: "laptop" }, [
    "token.token_code",
    "token.uuid",
    "token.created",
    "token.expiration",
    "token.last_accessed",
  ], ["apptoken", (made) => made.token.uuid]],
  [200, "GET", "/user/apptoken?expiring=true", undefined, ["tokens", "only_expiring"]],
  [200, "GET", "/user/apptoken/{apptoken}", undefined, ["token.token_code", "token.title"]],
  [204, "DELETE", "/user/apptoken/{apptoken}"],
  [200, "GET", "/user/notifications?page=0&limit=5", undefined, ["notifications", "additional"]],
  [200, "GET", "/find/repositories?query=app&page=1&includeUsage=true", undefined, [
    "results[].namespace.avatar",
    "results[].last_modified",
    "results[].stars",
    "results[].popularity",
    "results[].href",
    "has_additional",
    "page_size",
    "start_index",
  ]],
  [200, "GET", "/entities/bo?namespace={org}&includeTeams=true&includeOrgs=true", undefined, [
    "results[].kind",
    "results[].is_robot",
    "results[].is_org_member",
  ]],
  [200, "GET", "/registry/capabilities", undefined, ["sparse_manifests.supported", "mirror_architectures"]],
];

const SUPERUSER_DIALOGS: readonly DialogStep[] = [
  [200, "POST", "/superuser/users/", { username: "erin", email: "erin@example.org" }, [
    "password",
    "encrypted_password",
  ]],
  [200, "GET", "/superuser/users/?limit=100", undefined, [
    "users[].enabled",
    "users[].super_user",
    "users[].verified",
    "users[].quotas",
    "users[].quota_report.quota_bytes",
  ]],
  [200, "GET", "/superuser/users/erin", undefined, ["email", "kind", "quota_report", ...AVATAR]],
  [200, "PUT", "/superuser/users/erin", { email: "e@example.org" }, ["email", "quotas", "quota_report"]],
  [200, "PUT", "/superuser/users/erin", { password: "a-new-password" }, ["enabled"]],
  [201, "POST", "/superuser/users/erin/quota", { limit_bytes: 1073741824 }],
  [200, "GET", "/superuser/users/erin/quota", undefined, [
    "[].id",
    "[].limit_bytes",
    "[].limit",
    "[].limits",
    "[].default_config",
  ], ["quota", (list) => list[0].id]],
  [200, "PUT", "/superuser/users/erin/quota/{quota}", { limit: "2 GiB" }, ["limit_bytes"]],
  [204, "DELETE", "/superuser/users/erin/quota/{quota}"],
  [201, "POST", "/organization/acme/quota", { limit_bytes: 1073741824 }],
  [200, "GET", "/organization/acme/quota", undefined, ["[].id"], ["quota", (list) => list[0].id]],
  [201, "POST", "/organization/acme/quota/{quota}/limit", { type: "Warning", threshold_percent: 80 }],
  [
    200,
    "GET",
    "/organization/acme/quota/{quota}",
    undefined,
    ["limits[].id", "limits[].limit_percent", "limits[].type"],
    ["limit", (quota) => quota.limits[0].id],
  ],
  [200, "PUT", "/organization/acme/quota/{quota}/limit/{limit}", { type: "Warning", threshold_percent: 90 }, [
    "limits[].limit_percent",
  ]],
  [204, "DELETE", "/organization/acme/quota/{quota}/limit/{limit}"],
  [204, "DELETE", "/organization/acme/quota/{quota}"],
  [200, "GET", "/superuser/organizations/?limit=100", undefined, [
    "organizations[].email",
    "organizations[].quotas",
    "organizations[].quota_report.quota_bytes",
    "organizations[].avatar.hash",
  ]],
  [200, "POST", "/superuser/takeownership/acme", {}, ["namespace"]],
  [200, "PUT", "/superuser/organizations/acme", { name: "renamed" }, ["name", "quotas", "quota_report"]],
  [
    200,
    "POST",
    "/superuser/keys",
    {
      service: "scanner",
      name: "of it",
      expiration: 4102444800,
      metadata: { created_by: "console" },
      notes: "by hand",
    },
    ["kid", "public_key", "private_key"],
    ["kid", (made) => made.kid],
  ],
  [200, "GET", "/superuser/keys", undefined, [
    "keys[].created_date",
    "keys[].expiration_date",
    "keys[].approval.approval_type",
    "keys[].approval.approver.username",
    "keys[].rotation_duration",
    "keys[].metadata",
    "keys[].jwk",
  ]],
  [200, "PUT", "/superuser/keys/{kid}", { expiration: null }, ["expiration_date"]],
  [200, "PUT", "/superuser/keys/{kid}", { name: "another name" }, ["name"]],
  [201, "POST", "/superuser/approvedkeys/{kid}", { notes: "" }],
  [204, "DELETE", "/superuser/keys/{kid}"],
  [201, "POST", "/messages", { message: { content: "Bye", media_type: "text/plain", severity: "warning" } }],
  [200, "GET", "/messages", undefined, [
    "messages[].uuid",
    "messages[].severity",
    "messages[].media_type",
  ], ["message", (list) => list.messages[0].uuid]],
  [204, "DELETE", "/message/{message}"],
  [200, "GET", "/superuser/registrysize/", undefined, ["size_bytes", "last_ran", "queued", "running"]],
  [204, "DELETE", "/superuser/users/erin"],
  [204, "DELETE", "/superuser/organizations/renamed"],
];

Deno.test("Quay's console: its dialogs and bulk operations find the fields that they read", async () => {
  const config = {
    ...MORE_FEATURES,
    PERMANENTLY_DELETE_TAGS: true,
    FEATURE_PERMANENTLY_DELETE_TAGS: true,
    FEATURE_IMAGE_PULL_STATS: true,
    FEATURE_SECURITY_SCANNER: true,
    FEATURE_REPO_MIRROR: true,
    FEATURE_USER_METADATA: true,
    FEATURE_APP_SPECIFIC_TOKENS: true,
  };
  await withSite(config as Parameters<typeof withSite>[0], async (site) => {
    await addRealUser(site.deps, "dana");
    await addTeamMember(site.deps, OPERATOR, { organization: "acme", team: "owners" }, "dana");
    const content = await Content.of(site.deps, "acme/app");
    const digest = await content.image({ word: "one", tag: "v1" });
    const names: Record<string, string> = {
      org: "acme",
      team: "members",
      repo: "acme/app",
      digest,
      me: "dana",
    };
    const client = site.stranger();
    const page = new Console(client, names);
    client.csrf = (await page.call(200, "GET", "/csrf_token")).csrf_token;
    await page.call(200, "POST", "/signin", { username: "dana", password: PASSWORD });
    for (const part of [ROBOT_DIALOGS, TEAM_DIALOGS, APPLICATION_DIALOGS, TAG_DIALOGS, ACCOUNT_DIALOGS]) {
      await walk(page, names, part);
    }
    expect(page.unexpected).toEqual([]);
  });
});

Deno.test("Quay's console: the superuser's dialogs find the fields that they read", async () => {
  const config = { ...MORE_FEATURES, SUPER_USERS: ["root", "dana"], FEATURE_SUPERUSERS_FULL_ACCESS: true };
  await withSite(config, async (site) => {
    await addRealUser(site.deps, "dana");
    const client = site.stranger();
    const names: Record<string, string> = {};
    const page = new Console(client, names);
    client.csrf = (await page.call(200, "GET", "/csrf_token")).csrf_token;
    await page.call(200, "POST", "/signin", { username: "dana", password: PASSWORD });
    await walk(page, names, SUPERUSER_DIALOGS);
    expect(page.unexpected).toEqual([]);
  });
});
