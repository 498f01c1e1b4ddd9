/** Who is in the world, and what is there to be called: plain facts, from which the expectations follow. */
import type { Config } from "../../../src/config/schema.ts";
import type { Hono } from "hono";
import type { Scope } from "../../../src/domain/access/access.ts";
import { findUser } from "../../../src/domain/accounts/accounts.ts";
import type { Deps } from "../../../src/domain/deps.ts";
import { createOauthApplication, issueOauthToken } from "../../../src/domain/oauth/tokens.ts";
import { createOrganization } from "../../../src/domain/organizations/organizations.ts";
import { createRobot } from "../../../src/domain/accounts/robots.ts";
import { addTeamMember, putTeam } from "../../../src/domain/organizations/teams.ts";
import { insertAccount } from "../../../src/drivers/database/queries/user.ts";
import { sealSession, startUserSession } from "../../../src/domain/accounts/sessions.ts";
import { ApiClient, mount } from "../api_client.ts";
import { Content } from "../content.ts";
import { OPERATOR } from "../site.ts";

/** What a person is to the organizations {@link HOME} and {@link DISABLED} and to their repositories. */
export interface Person {
  readonly team?: "member" | "creator" | "admin";
  /** On each repository there. */
  readonly role?: "read" | "write" | "admin";
  readonly superuser?: true;
  readonly globalReadonly?: true;
  /** In `RESTRICTED_USERS_WHITELIST`, where that is used. */
  readonly unrestricted?: true;
}

export const HOME = "acme";
export const DISABLED = "sleepy";
export const FOREIGN = "umbrella";
export const MISSING = "nowhere";

export const PEOPLE = {
  oscar: {},
  rita: { role: "read" },
  will: { role: "write" },
  ada: { role: "admin" },
  mia: { team: "member" },
  carl: { team: "creator", unrestricted: true },
  alice: { team: "admin", unrestricted: true },
  rex: {},
  greta: { globalReadonly: true },
  root: { superuser: true },
} as const satisfies Record<string, Person>;
export type PersonName = keyof typeof PEOPLE;

/** Owns {@link FOREIGN} and never calls. */
const STRANGER = "zoe";

export interface Target {
  readonly name: string;
  readonly kind: "repository" | "organization" | "namespace" | "registry";
  /** `{caller}` is the one who calls. */
  readonly namespace: string;
  readonly repository?: string;
  readonly missing?: true;
  readonly visibility?: "public";
  readonly state?: "READ_ONLY" | "MIRROR";
  readonly disabled?: true;
  /** Only tokens and strangers need not be tried on it: it differs from others in what comes after the permission. */
  readonly forPeople?: true;
}

export const TARGETS: readonly Target[] = [
  { name: "public", kind: "repository", namespace: HOME, repository: "open", visibility: "public" },
  { name: "private", kind: "repository", namespace: HOME, repository: "secret" },
  { name: "missing", kind: "repository", namespace: HOME, repository: "missing", missing: true },
  {
    name: "read-only",
    kind: "repository",
    namespace: HOME,
    repository: "frozen",
    state: "READ_ONLY",
    forPeople: true,
  },
  {
    name: "mirror",
    kind: "repository",
    namespace: HOME,
    repository: "mirrored",
    state: "MIRROR",
    forPeople: true,
  },
  { name: "foreign", kind: "repository", namespace: FOREIGN, repository: "secret", forPeople: true },
  {
    name: "foreign missing",
    kind: "repository",
    namespace: FOREIGN,
    repository: "missing",
    missing: true,
    forPeople: true,
  },
  {
    name: "in no namespace",
    kind: "repository",
    namespace: MISSING,
    repository: "app",
    missing: true,
    forPeople: true,
  },
  { name: "own", kind: "repository", namespace: "{caller}", repository: "own" },
  {
    name: "in a disabled namespace",
    kind: "repository",
    namespace: DISABLED,
    repository: "secret",
    disabled: true,
    forPeople: true,
  },
  { name: "own organization", kind: "organization", namespace: HOME },
  { name: "foreign organization", kind: "organization", namespace: FOREIGN, forPeople: true },
  { name: "missing organization", kind: "organization", namespace: MISSING, missing: true },
  {
    name: "disabled organization",
    kind: "organization",
    namespace: DISABLED,
    disabled: true,
    forPeople: true,
  },
  { name: "own organization's namespace", kind: "namespace", namespace: HOME },
  { name: "foreign namespace", kind: "namespace", namespace: FOREIGN },
  { name: "missing namespace", kind: "namespace", namespace: MISSING, missing: true },
  { name: "disabled namespace", kind: "namespace", namespace: DISABLED, disabled: true },
  { name: "own namespace", kind: "namespace", namespace: "{caller}" },
  { name: "the registry", kind: "registry", namespace: "{caller}" },
];

/** The targets that are there, with `{caller}` replaced by everybody who has a namespace. */
export function existing(kind: "repository" | "organization"): Target[] {
  return TARGETS.filter((target) => target.kind === kind && target.missing !== true).flatMap((target) =>
    target.namespace === "{caller}"
      ? Object.keys(PEOPLE).map((name) => ({ ...target, namespace: name }))
      : [target]
  );
}

/** Settings of every variant, besides the features that routes hang on. */
export const CONFIG: Partial<Config> = {
  SUPER_USERS: ["root"],
  GLOBAL_READONLY_SUPER_USERS: ["greta"],
  SERVER_HOSTNAME: "registry.test",
  SECRET_KEY: "session-key-of-the-tests",
  DATABASE_SECRET_KEY: "database-key-of-the-tests",
};

function ownerOf(namespace: string): string {
  if (namespace === FOREIGN) return STRANGER;
  return namespace === HOME || namespace === DISABLED ? "alice" : namespace;
}

/** The world in a database, while it is made. */
export class World {
  /** `namespace/name` or organization -> what its sub-resources are called there, for `{parameters}`. */
  readonly #parameters = new Map<string, Record<string, string>>();
  readonly #users = new Map<string, { id: number; uuid: string }>();
  /** The one image that every repository holds as `v1`, and as `old` until that was deleted. */
  digest = "";

  readonly #app: Hono;

  constructor(readonly deps: Deps) {
    this.#app = mount(deps);
  }

  async build(): Promise<void> {
    for (const name of [...Object.keys(PEOPLE), STRANGER]) await this.#addPerson(name);
    await this.#addOrganization(HOME, "alice");
    await this.#addOrganization(DISABLED, "alice");
    await this.#addOrganization(FOREIGN, STRANGER);
    for (const target of existing("repository")) await this.#addRepository(target);
  }

  /** The last thing: what is disabled or read-only is not to be changed any more. */
  async finish(): Promise<void> {
    const { sql } = this.deps;
    await sql`update "user" set enabled = false where username = ${DISABLED}`;
    for (const { repository, state } of existing("repository")) {
      if (state === undefined) continue;
      await sql`
        update repository set state = ${state === "READ_ONLY" ? 1 : 2} where name = ${repository ?? ""}`;
    }
  }

  /** What `{parameters}` mean on the target called so, besides its own name. */
  parametersOf(target: string): Readonly<Record<string, string>> {
    return this.#parameters.get(target) ?? {};
  }

  /** Remembers what a sub-resource of `target` (`namespace/name`, an organization, a person) is called. */
  note(target: string, parameters: Record<string, string>): void {
    this.#parameters.set(target, { ...this.parametersOf(target), ...parameters });
  }

  user(name: string): { id: number; uuid: string } {
    const found = this.#users.get(name);
    if (found === undefined) throw new Error(`there is nobody called ${name}`);
    return found;
  }

  /**
   * Asks the API, as the one to whom `namespace` belongs, signed in a moment ago.
   * @returns the answer's JSON; throws unless it is a success
   */
  // deno-lint-ignore no-explicit-any
  async call(namespace: string, method: string, path: string, body?: unknown): Promise<any> {
    const session = startUserSession(this.user(ownerOf(namespace)).uuid, this.deps.now());
    const cookie = sealSession(this.deps.config, session);
    const client = new ApiClient(this.#app).withCookie(cookie, session.csrfToken);
    const response = await client.api(method, path, body);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} of ${namespace}: ${response.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  async token(name: string, scopes: readonly Scope[]): Promise<string> {
    const applicationId = await createOauthApplication(this.deps, {
      ownerId: this.user(name).id,
      clientId: crypto.randomUUID().slice(0, 20),
      name: "test",
      description: "",
    });
    return await issueOauthToken(this.deps, {
      applicationId,
      userId: this.user(name).id,
      scopes,
      lifetimeS: 3600,
    });
  }

  async #addPerson(username: string): Promise<void> {
    const { sql, now } = this.deps;
    await insertAccount(sql, {
      username,
      email: `${username}@example.org`,
      passwordHash: null,
      verified: true,
      kind: "user",
      tagExpirationS: 1_209_600,
      nowMs: now(),
    });
    const { id, uuid } = await findUser(this.deps, username);
    this.#users.set(username, { id, uuid });
    await createRobot(this.deps, OPERATOR, { namespace: username, short: "ci" });
  }

  async #addOrganization(name: string, owner: string): Promise<void> {
    await createOrganization(this.deps, OPERATOR, { name, owner });
    for (const role of ["member", "creator", "admin"] as const) {
      const team = `${role}s`;
      await putTeam(this.deps, OPERATOR, { organization: name, team }, { role });
      if (name === FOREIGN) continue;
      for (const [person, facts] of Object.entries<Person>(PEOPLE)) {
        if (facts.team !== role) continue;
        await addTeamMember(this.deps, OPERATOR, { organization: name, team }, person);
      }
    }
    await createRobot(this.deps, OPERATOR, { namespace: name, short: "ci" });
  }

  async #addRepository({ namespace, repository, visibility }: Target): Promise<void> {
    const { sql } = this.deps;
    const path = `${namespace}/${repository}`;
    const content = await Content.of(this.deps, path, visibility ?? "private");
    this.digest = await content.image({ word: "one", tag: "v1" });
    await content.image({ word: "one", tag: "old" });
    await sql`
      update tag set lifetime_end_ms = ${this.deps.now() - 1000}, lifetime_start_ms = ${
      this.deps.now() - 9000
    }
      where repository_id = ${content.repository.id} and name = 'old'`;
    if (namespace === HOME || namespace === DISABLED) {
      for (const [person, facts] of Object.entries<Person>(PEOPLE)) {
        if (facts.role === undefined) continue;
        const { role } = facts;
        await this.call(namespace, "PUT", `/repository/${path}/permissions/user/${person}`, { role });
      }
    }
    this.note(path, { repositoryId: `${content.repository.id}` });
  }
}
