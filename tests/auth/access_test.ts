import assert from "node:assert/strict";
import { type Config, defaultConfig } from "../../src/config/schema.ts";
import {
  type Actor,
  canAdministerOrganization,
  canCreateOrganization,
  canCreateRepository,
  isRestrictedUser,
  isSuperuser,
  repositoryRights,
  type Scope,
} from "../../src/domain/access/access.ts";
import { findRepository } from "../../src/domain/repositories/repositories.ts";
import type { Sql } from "../../src/drivers/database/postgres.ts";
import { insertRepository } from "../../src/drivers/database/queries/repository.ts";
import {
  upsertTeamPermission,
  upsertUserPermission,
} from "../../src/drivers/database/queries/repository_permission.ts";
import { insertTeam, insertTeamMember } from "../../src/drivers/database/queries/team.ts";
import { insertAccount, updateAccountEnabled } from "../../src/drivers/database/queries/user.ts";
import { withDatabase } from "../database.ts";

type Kind = "user" | "organization" | "robot";
const NAMES: [string, Kind][] = [
  ["ada", "user"],
  ["devs", "organization"],
  ["owner", "user"],
  ["creator", "user"],
  ["member", "user"],
  ["reader", "user"],
  ["writer", "user"],
  ["admin", "user"],
  ["stranger", "user"],
  ["gone", "user"],
  ["root", "user"],
  ["auditor", "user"],
  ["devs+bot", "robot"],
  ["ada+bot", "robot"],
];

/**
 * One world for all tables: ada's own `ada/app`; the organization devs with `devs/app` (private) and `devs/pub`; a team of
 * each role, of which `members` may write to devs/app; direct permissions for reader, writer, admin and gone (disabled).
 */
async function build(sql: Sql) {
  const ids = new Map<string, number>();
  for (const [username, kind] of NAMES) {
    const id = await insertAccount(sql, {
      username,
      email: `${username}@example.com`,
      passwordHash: null,
      verified: true,
      kind,
      tagExpirationS: 1209600,
      nowMs: 0,
    });
    ids.set(username, id!);
  }
  const of = (name: string) => ids.get(name)!;
  const repository = async (namespace: string, name: string, visibility: "public" | "private") => {
    const id = await insertRepository(sql, {
      namespaceId: of(namespace),
      name,
      visibility,
      description: "",
      kind: "image",
    });
    return id!;
  };
  const adas = await repository("ada", "app", "private");
  const app = await repository("devs", "app", "private");
  await repository("devs", "pub", "public");
  for (const [name, role, user] of TEAMS) {
    const id = await insertTeam(sql, { organizationId: of("devs"), name, role, description: "" });
    await insertTeamMember(sql, id!, of(user));
    if (name === "members") {
      await upsertTeamPermission(sql, { repositoryId: app, teamId: id!, role: "write" });
    }
  }
  for (const [user, role] of DIRECT) {
    await upsertUserPermission(sql, { repositoryId: app, userId: of(user), role });
  }
  await upsertUserPermission(sql, { repositoryId: adas, userId: of("ada+bot"), role: "write" });
  await updateAccountEnabled(sql, of("gone"), false);
  return of;
}

const TEAMS = [
  ["owners", "admin", "owner"],
  ["creators", "creator", "creator"],
  ["members", "member", "member"],
] as const;
const DIRECT = [
  ["reader", "read"],
  ["writer", "write"],
  ["admin", "admin"],
  ["gone", "admin"],
  ["devs+bot", "write"],
] as const;

const ROOT = { SUPER_USERS: ["root"] };
const FULL = { ...ROOT, FEATURE_SUPERUSERS_FULL_ACCESS: true };
const AUDITOR = { GLOBAL_READONLY_SUPER_USERS: ["auditor"] };
const RESTRICTED = { FEATURE_RESTRICTED_USERS: true };

type Case = [who: string, repository: string, rights: string, config?: Partial<Config>, scopes?: Scope[]];

const REPOSITORY_CASES: Case[] = [
  ["ada", "ada/app", "rwa"],
  ["ada", "devs/app", ""],
  ["ada+bot", "ada/app", "rw"],
  ["devs+bot", "ada/app", ""],
  ["owner", "devs/app", "rwa"],
  ["creator", "devs/app", ""],
  ["member", "devs/app", "rw"],
  ["reader", "devs/app", "r"],
  ["writer", "devs/app", "rw"],
  ["admin", "devs/app", "rwa"],
  ["devs+bot", "devs/app", "rw"],
  ["ada+bot", "devs/app", ""],
  ["stranger", "devs/app", ""],
  ["gone", "devs/app", ""],
  ["nobody", "devs/app", ""],
  ["operator", "devs/app", "rwa"],
  // public
  ["stranger", "devs/pub", "r"],
  ["nobody", "devs/pub", "r"],
  ["nobody", "devs/pub", "", { FEATURE_ANONYMOUS_ACCESS: false }],
  ["stranger", "devs/pub", "r", { FEATURE_ANONYMOUS_ACCESS: false }],
  // superusers
  ["root", "devs/app", "", ROOT],
  ["root", "devs/app", "rwa", FULL],
  ["root", "devs/app", "", { ...FULL, FEATURE_SUPER_USERS: false }],
  ["root", "devs/app", "", FULL, ["repo:admin"]],
  ["root", "devs/app", "rwa", FULL, ["super:user"]],
  ["auditor", "devs/app", "r", AUDITOR],
  ["auditor", "devs/app", "r", { ...AUDITOR, FEATURE_SUPERUSERS_FULL_ACCESS: true }],
  ["auditor", "devs/app", "", AUDITOR, ["user:read"]],
  // restricted: only the own namespace is closed to pushes
  ["ada", "ada/app", "ra", RESTRICTED],
  ["ada+bot", "ada/app", "r", RESTRICTED],
  ["member", "devs/app", "rw", RESTRICTED],
  ["devs+bot", "devs/app", "rw", RESTRICTED],
  ["ada", "ada/app", "rwa", { ...RESTRICTED, RESTRICTED_USERS_WHITELIST: ["ada"] }],
  ["ada+bot", "ada/app", "rw", { ...RESTRICTED, RESTRICTED_USERS_WHITELIST: ["ada"] }],
  ["ada", "ada/app", "rwa", { ...RESTRICTED, SUPER_USERS: ["ada"] }],
  // tokens carry no more than their scopes
  ["owner", "devs/app", "r", {}, ["repo:read"]],
  ["owner", "devs/app", "rw", {}, ["repo:write"]],
  ["owner", "devs/app", "rwa", {}, ["repo:admin"]],
  ["owner", "devs/app", "", {}, ["org:admin", "user:admin", "repo:create"]],
  ["reader", "devs/app", "r", {}, ["repo:admin"]],
  ["stranger", "devs/pub", "r", {}, []],
];

/** Who may create a repository in a namespace. */
const CREATE_CASES: Case[] = [
  ["ada", "ada", "yes"],
  ["ada", "devs", "no"],
  ["owner", "devs", "yes"],
  ["creator", "devs", "yes"],
  ["member", "devs", "no"],
  ["admin", "devs", "no"],
  ["devs+bot", "devs", "no"],
  ["ada+bot", "ada", "no"],
  ["gone", "gone", "no"],
  ["nobody", "ada", "no"],
  ["ada", "missing", "no"],
  ["ada", "ada+bot", "no"],
  ["operator", "devs", "yes"],
  ["root", "devs", "no", ROOT],
  ["root", "devs", "yes", FULL],
  ["auditor", "devs", "no", AUDITOR],
  ["ada", "ada", "no", RESTRICTED],
  ["owner", "devs", "yes", RESTRICTED],
  ["ada", "ada", "no", {}, ["repo:admin"]],
  ["ada", "ada", "yes", {}, ["repo:create"]],
  ["creator", "devs", "yes", {}, ["repo:create"]],
];

/** Who may administer an organization. */
const ADMINISTER_CASES: Case[] = [
  ["owner", "devs", "yes"],
  ["creator", "devs", "no"],
  ["member", "devs", "no"],
  ["ada", "ada", "no"],
  ["nobody", "devs", "no"],
  ["operator", "devs", "yes"],
  ["root", "devs", "no", ROOT],
  ["root", "devs", "yes", FULL],
  ["auditor", "devs", "no", AUDITOR],
  ["owner", "devs", "no", {}, ["repo:admin"]],
  ["owner", "devs", "yes", {}, ["org:admin"]],
  ["owner", "missing", "no"],
];

function label([who, what, expected, config, scopes]: Case): string {
  const under = config && Object.keys(config).length > 0 ? ` under ${JSON.stringify(config)}` : "";
  return `${who}${scopes ? ` with [${scopes}]` : ""} on ${what}: ${expected || "nothing"}${under}`;
}

function actorOf(of: (name: string) => number, who: string, scopes?: Scope[]): Actor {
  if (who === "nobody") return { kind: "anonymous" };
  if (who === "operator") return { kind: "operator" };
  const id = of(who);
  if (who.includes("+")) return { kind: "robot", id, username: who, ownerId: of(who.split("+", 1)[0]!) };
  const limits = scopes === undefined ? "all" as const : new Set(scopes);
  return { kind: "user", id, uuid: who, username: who, scopes: limits, via: scopes ? "oauth" : "password" };
}

Deno.test("who may do what", async (t) => {
  await withDatabase(async (sql) => {
    const of = await build(sql);
    for (const test of REPOSITORY_CASES) {
      await t.step(label(test), async () => {
        const [who, path, expected, config, scopes] = test;
        const [namespace, name] = path.split("/") as [string, string];
        const repository = await findRepository(sql, namespace, name);
        assert.ok(repository);
        const deps = { sql, config: defaultConfig(config) };
        const rights = await repositoryRights(deps, actorOf(of, who, scopes), repository);
        const shown = `${rights.read ? "r" : ""}${rights.write ? "w" : ""}${rights.admin ? "a" : ""}`;
        assert.equal(shown, expected);
      });
    }
    const questions = [
      ["create a repository", CREATE_CASES, canCreateRepository],
      ["administer", ADMINISTER_CASES, canAdministerOrganization],
    ] as const;
    for (const [what, cases, ask] of questions) {
      for (const test of cases) {
        await t.step(`${what}: ${label(test)}`, async () => {
          const [who, namespace, expected, config, scopes] = test;
          const deps = { sql, config: defaultConfig(config) };
          assert.equal(await ask(deps, actorOf(of, who, scopes), namespace) ? "yes" : "no", expected);
        });
      }
    }
  });
});

Deno.test("who may create an organization", () => {
  const only = { ...ROOT, FEATURE_SUPERUSERS_ORG_CREATION_ONLY: true };
  const cases: [string, boolean, Partial<Config>?, Scope[]?][] = [
    ["ada", true],
    ["nobody", false],
    ["operator", true],
    ["ada+bot", false],
    ["ada", false, only],
    ["root", true, only],
    ["ada", false, RESTRICTED],
    ["ada", true, { ...RESTRICTED, RESTRICTED_USERS_WHITELIST: ["ada"] }],
    ["root", true, { ...RESTRICTED, ...ROOT }],
    ["ada", true, {}, ["user:admin"]],
    ["ada", false, {}, ["org:admin"]],
  ];
  for (const [who, expected, config, scopes] of cases) {
    assert.equal(canCreateOrganization(defaultConfig(config), actorOf(() => 1, who, scopes)), expected, who);
  }
});

Deno.test("isSuperuser(), isRestrictedUser(): by name, flag and scope", () => {
  const ask = (who: string, config: Partial<Config>, scopes?: Scope[]) =>
    isSuperuser(defaultConfig(config), actorOf(() => 1, who, scopes));
  assert.equal(ask("root", ROOT), true);
  assert.equal(ask("root", {}), false);
  assert.equal(ask("Root", ROOT), false);
  assert.equal(ask("root+bot", ROOT), false);
  assert.equal(ask("root", ROOT, ["repo:admin"]), false);
  assert.equal(ask("root", ROOT, ["super:user"]), true);
  assert.equal(ask("nobody", ROOT), false);
  const restricted = (who: string, config: Partial<Config>) =>
    isRestrictedUser(defaultConfig(config), actorOf(() => 1, who));
  assert.equal(restricted("ada", {}), false);
  assert.equal(restricted("ada", RESTRICTED), true);
  assert.equal(restricted("ada+bot", RESTRICTED), true);
  assert.equal(restricted("nobody", RESTRICTED), false);
  assert.equal(restricted("ada", { ...RESTRICTED, RESTRICTED_USERS_WHITELIST: [] }), true);
  assert.equal(restricted("ada", { ...RESTRICTED, RESTRICTED_USERS_WHITELIST: ["ada"] }), false);
});
