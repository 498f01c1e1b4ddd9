import { type Config, defaultConfig } from "../../src/config/schema.ts";
import type { Actor } from "../../src/domain/access/access.ts";
import { createUser, findUser } from "../../src/domain/accounts/accounts.ts";
import type { Deps } from "../../src/domain/deps.ts";
import { createOauthApplication, issueOauthToken } from "../../src/domain/oauth/tokens.ts";
import { createOrganization } from "../../src/domain/organizations/organizations.ts";
import { addTeamMember, putTeam } from "../../src/domain/organizations/teams.ts";
import { sealSession, startUserSession } from "../../src/domain/accounts/sessions.ts";
import { insertAccount } from "../../src/drivers/database/queries/user.ts";
import { testDeps, withDatabase } from "../database.ts";
import { ApiClient, mount } from "./api_client.ts";

export const OPERATOR: Actor = { kind: "operator" };
export const PASSWORD = "correct-horse";

export interface Site {
  readonly deps: Deps;
  /** Somebody who has not signed in. */
  stranger(): ApiClient;
  /** A browser in which `username` signed in a moment ago. */
  browserOf(username: string): Promise<ApiClient>;
  /** A script with a token of `username`. */
  scriptOf(username: string, scopes: readonly string[]): Promise<ApiClient>;
}

/** A database with people in it: `root` (superuser), `alice`, `bob`, and the organization `acme` of alice. */
export async function withSite(
  config: Partial<Config>,
  test: (site: Site) => Promise<void>,
  overrides: Partial<Omit<Deps, "config">> = {},
): Promise<void> {
  await withEmptySite({ SUPER_USERS: ["root"], ...config }, async (site) => {
    const { deps } = site;
    for (const username of ["root", "alice", "bob", "carol"]) await addUser(deps, username);
    await createOrganization(deps, OPERATOR, { name: "acme", owner: "alice" });
    await putTeam(deps, OPERATOR, { organization: "acme", team: "creators" }, { role: "creator" });
    await putTeam(deps, OPERATOR, { organization: "acme", team: "members" }, { role: "member" });
    await addTeamMember(deps, OPERATOR, { organization: "acme", team: "members" }, "carol");
    await test(site);
  }, overrides);
}

export async function withEmptySite(
  config: Partial<Config>,
  test: (site: Site) => Promise<void>,
  overrides: Partial<Omit<Deps, "config">> = {},
): Promise<void> {
  await withDatabase(async (sql) => {
    const deps = testDeps(sql, {
      ...overrides,
      config: defaultConfig({
        SERVER_HOSTNAME: "registry.test",
        SECRET_KEY: "session-key-of-the-tests",
        DATABASE_SECRET_KEY: "database-key-of-the-tests",
        FEATURE_MAILING: false,
        FEATURE_USER_INITIALIZE: true,
        ...config,
      }),
    });
    const app = mount(deps);
    await test({
      deps,
      stranger: () => new ApiClient(app),
      async browserOf(username) {
        const session = startUserSession((await findUser(deps, username)).uuid, deps.now());
        return new ApiClient(app).withCookie(sealSession(deps.config, session), session.csrfToken);
      },
      async scriptOf(username, scopes) {
        const { id } = await findUser(deps, username);
        const applicationId = await createOauthApplication(deps, {
          ownerId: id,
          clientId: crypto.randomUUID().slice(0, 20),
          name: "test",
          description: "",
        });
        const token = await issueOauthToken(deps, {
          applicationId,
          userId: id,
          scopes: scopes as [],
          lifetimeS: 60,
        });
        return new ApiClient(app, token);
      },
    });
  });
}

/** Without bcrypt's cost: nobody signs in with the password here. */
async function addUser(deps: Deps, username: string): Promise<void> {
  await insertAccount(deps.sql, {
    username,
    email: `${username}@example.org`,
    passwordHash: "$2b$04$abcdefghijklmnopqrstuuJ7l1Gkj5Gqk1Gd3vhLx2Xz5n4r8Jx2C",
    verified: true,
    kind: "user",
    tagExpirationS: 1_209_600,
    nowMs: deps.now(),
  });
}

/** A person who can really sign in with {@link PASSWORD}. */
export async function addRealUser(deps: Deps, username: string): Promise<void> {
  await createUser(deps, OPERATOR, { username, password: PASSWORD, email: `${username}@example.org` });
}
