import { Hono } from "hono";
import { durationMs } from "../../src/config/duration.ts";
import type { Config } from "../../src/config/schema.ts";
import type { Deps } from "../../src/domain/deps.ts";
import { findUser } from "../../src/domain/accounts/accounts.ts";
import { createOauthApplication, issueOauthToken } from "../../src/domain/oauth/tokens.ts";
import { ensureInstanceKey } from "../../src/domain/site/service_keys.ts";
import { sealSession, startUserSession } from "../../src/domain/accounts/sessions.ts";
import { apiRoutes } from "../../src/http/api/api.ts";
import { keyRoutes } from "../../src/http/keys.ts";
import { oauthRoutes } from "../../src/http/oauth/oauth.ts";
import { registryRoutes } from "../../src/http/registry/registry.ts";
import { webRoutes } from "../../src/http/web/web.ts";
import { ApiClient } from "../api/api_client.ts";
import { type Site, withSite } from "../api/site.ts";
import { Browser } from "./browser.ts";

export const HOST = "http://registry.test";
/** What the tests' applications have as their redirect address. */
export const CALLBACK = "https://app.example/callback";

export interface World extends Site {
  readonly clock: { nowMs: number };
  /** The whole site: API, registry, keys, pages. */
  fetch(request: Request): Promise<Response>;
  /** A browser, signed in when `username` is given. */
  browser(username?: string): Promise<Browser>;
  /** Rows of the action log of that kind, oldest first, with the performer's name. */
  logged(kind: string): Promise<{ namespace: string | null; performer: string | null; metadata: unknown }[]>;
}

/** The people of {@link withSite}, a clock that can be moved, and the instance's key. */
export async function withWorld(
  config: Partial<Config>,
  test: (world: World) => Promise<void>,
  overrides: Partial<Deps> = {},
): Promise<void> {
  const dataDir = await Deno.makeTempDir();
  try {
    await withSite(config, async (site) => {
      const clock = { nowMs: Date.now() };
      const deps: Deps = { ...site.deps, ...overrides, now: () => clock.nowMs };
      await ensureInstanceKey(deps, { dataDir });
      const fetch = siteOf(deps);
      const app = new Hono().all("*", (c) => fetch(c.req.raw));
      const sessionOf = async (username: string) =>
        startUserSession((await findUser(deps, username)).uuid, clock.nowMs);
      await test({
        deps,
        stranger: () => new ApiClient(app),
        browserOf: async (username) => {
          const session = await sessionOf(username);
          return new ApiClient(app).withCookie(sealSession(deps.config, session), session.csrfToken);
        },
        scriptOf: async (username, scopes) => {
          const { id } = await findUser(deps, username);
          const clientId = crypto.randomUUID().slice(0, 20);
          const owned = { ownerId: id, clientId, name: "test", description: "" };
          const applicationId = await createOauthApplication(deps, owned);
          const grant = { applicationId, userId: id, scopes: scopes as [], lifetimeS: 3600 };
          return new ApiClient(app, await issueOauthToken(deps, grant));
        },
        clock,
        fetch,
        browser: async (username) => {
          const browser = new Browser(HOST, fetch);
          if (username !== undefined) {
            browser.setCookie("_csrf_token", sealSession(deps.config, await sessionOf(username)));
          }
          return browser;
        },
        logged: async (kind) =>
          (await deps.sql<{ namespace: string; performer: string; metadata: string }[]>`
            select n.username as namespace, p.username as performer, l.metadata_json as metadata
            from logentry3 l join logentrykind k on k.id = l.kind_id left join "user" n on n.id = l.account_id
              left join "user" p on p.id = l.performer_id
            where k.name = ${kind} order by l.id`).map((row) => ({
            ...row,
            metadata: JSON.parse(row.metadata),
          })),
      });
    });
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
}

function siteOf(deps: Deps): (request: Request) => Promise<Response> {
  const oauth = oauthRoutes(deps);
  const registry = registryRoutes(deps);
  const context = {
    requestId: "r",
    clientAddress: "192.0.2.7",
    scheme: "http",
    host: "registry.test",
  } as const;
  const rest = new Hono().route("/api/v1", apiRoutes(deps)).route("/keys", keyRoutes(deps))
    .route("/", webRoutes(deps));
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/v2")) return await registry(request, { ...context, route: "" });
    return await (/^\/oauth2?\//.test(pathname) ? oauth : rest).fetch(request, context);
  };
}

/** Minutes and days as milliseconds: `"2m"`, `"1d"`. */
export const ms = durationMs;
