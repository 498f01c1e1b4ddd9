import { type Context, Hono } from "hono";
import type { z } from "zod";
import type { Deps } from "../../domain/deps.ts";
import { asAppError } from "../../drivers/database/postgres.ts";
import { isFreshLogin, type Session } from "../../domain/accounts/sessions.ts";
import { AppError } from "../../lib/errors.ts";
import { BodyTooLarge, isForm, readForm, readJson } from "./body.ts";
import { checkCsrf, type Client, identifyClient, renewSession, writeSession } from "./client.ts";
import { accountRoutes } from "./account.ts";
import { authorizedEmailRoutes } from "./authorized_email.ts";
import { corsHeaders } from "./cors.ts";
import { appTokenRoutes } from "./app_token.ts";
import { applicationRoutes } from "./application.ts";
import { applicationTokenRoutes } from "./application_token.ts";
import { authorizationRoutes } from "./authorization.ts";
import { capabilitiesRoutes } from "./capabilities.ts";
import { descriptionRoutes } from "./description/routes.ts";
import { errorResponse } from "./errors.ts";
import { errorTypeRoutes } from "./error_type.ts";
import { immutabilityPolicyRoutes } from "./immutability_policy.ts";
import { initializeRoutes } from "./initialize.ts";
import { logExportRoutes } from "./log_export.ts";
import { logRoutes } from "./logs.ts";
import { manifestRoutes } from "./manifest.ts";
import { messageRoutes } from "./message.ts";
import { namespaceNotificationRoutes } from "./namespace_notification.ts";
import { organizationRoutes } from "./organization.ts";
import { organizationMirrorRoutes } from "./organization_mirror.ts";
import { organizationMemberRoutes } from "./organization_member.ts";
import { pullStatisticsRoutes } from "./pull_statistics.ts";
import { mirrorRoutes } from "./mirror.ts";
import { mirrorHealthRoutes } from "./mirror_health.ts";
import { prototypeRoutes } from "./prototype.ts";
import { proxyCacheRoutes } from "./proxy_cache.ts";
import { autoprunePolicyRoutes } from "./autoprune_policy.ts";
import { quotaRoutes } from "./quota.ts";
import { userQuotaRoutes } from "./user_quota.ts";
import { repositoryRoutes } from "./repository.ts";
import { repositoryBuildRoutes } from "./repository_build.ts";
import { repositoryNotificationRoutes } from "./repository_notification.ts";
import { repositoryPermissionRoutes } from "./repository_permission.ts";
import { repositoryTokenRoutes } from "./repository_token.ts";
import { robotRoutes } from "./robot.ts";
import { robotFederationRoutes } from "./robot_federation.ts";
import { type ApiRequest, type Route, RouteTable } from "./route.ts";
import { searchRoutes } from "./search.ts";
import { signInRoutes } from "./sign_in.ts";
import { signUpRoutes } from "./sign_up.ts";
import { starRoutes } from "./star.ts";
import { superuserKeyRoutes } from "./superuser_key.ts";
import { superuserOrganizationRoutes } from "./superuser_organization.ts";
import { superuserSiteRoutes } from "./superuser_site.ts";
import { superuserUserRoutes } from "./superuser_user.ts";
import { tagRoutes } from "./tag.ts";
import { teamRoutes } from "./team.ts";
import { teamInviteRoutes } from "./team_invite.ts";
import { teamSyncRoutes } from "./team_sync.ts";
import { userNotificationRoutes } from "./user_notification.ts";
import { userRoutes } from "./user.ts";

/** Every route of the REST API: what answers requests, and what its description will be made of. */
export const API_ROUTES: readonly Route[] = [
  ...errorTypeRoutes,
  ...initializeRoutes,
  ...signInRoutes,
  ...signUpRoutes,
  ...userRoutes,
  ...userNotificationRoutes,
  ...accountRoutes,
  ...organizationRoutes,
  ...organizationMemberRoutes,
  ...teamRoutes,
  ...applicationRoutes,
  ...applicationTokenRoutes,
  ...authorizationRoutes,
  ...appTokenRoutes,
  ...teamInviteRoutes,
  ...teamSyncRoutes,
  ...prototypeRoutes,
  ...proxyCacheRoutes,
  ...robotRoutes,
  ...robotFederationRoutes,
  ...repositoryRoutes,
  ...repositoryPermissionRoutes,
  ...repositoryNotificationRoutes,
  ...namespaceNotificationRoutes,
  ...authorizedEmailRoutes,
  ...starRoutes,
  ...tagRoutes,
  ...manifestRoutes,
  ...immutabilityPolicyRoutes,
  ...superuserUserRoutes,
  ...superuserOrganizationRoutes,
  ...superuserKeyRoutes,
  ...superuserSiteRoutes,
  ...messageRoutes,
  ...pullStatisticsRoutes,
  ...quotaRoutes,
  ...userQuotaRoutes,
  ...repositoryTokenRoutes,
  ...repositoryBuildRoutes,
  ...autoprunePolicyRoutes,
  ...logRoutes,
  ...logExportRoutes,
  ...mirrorRoutes,
  ...mirrorHealthRoutes,
  ...organizationMirrorRoutes,
  ...searchRoutes,
  ...capabilitiesRoutes,
  ...descriptionRoutes(() => API_ROUTES),
];

/** Where the API is mounted. */
const ROOT = "/api/v1";
const BROWSER = /(?:mozilla|firefox|chrome|chromium|safari|opera|opr|edge?|msie|trident|konqueror)[/ ]/i;
const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/** Quay's REST API, to be mounted at `/api/v1`. */
export function apiRoutes(deps: Deps): Hono {
  const table = new RouteTable(API_ROUTES);
  const baseUrl = `${deps.config.PREFERRED_URL_SCHEME}://${deps.config.SERVER_HOSTNAME}`;
  const app = new Hono();
  app.all("/*", async (c) => {
    let methods: readonly string[] = [c.req.method === "HEAD" ? "GET" : c.req.method];
    let response: Response;
    try {
      const path = decodePath(c);
      const match = table.find(c.req.method, path);
      if (match.kind === "method") methods = match.allowed;
      if (c.req.method === "OPTIONS") response = new Response(null, { status: 200 });
      else if (match.kind === "redirect") response = redirect(c);
      else if (match.kind === "method") response = methodNotAllowed(match.allowed);
      else if (match.kind === "none") throw new AppError("not_found", "Not Found");
      else response = await answer(deps, c, match.route, match.params, baseUrl);
    } catch (error) {
      response = failure(deps, error, baseUrl);
    }
    const answered = c.newResponse(response.body, response);
    for (const [name, value] of Object.entries(corsHeaders(deps.config, c.req.header("Origin"), methods))) {
      answered.headers.set(name, value);
    }
    answered.headers.set("Cache-Control", "no-cache, no-store, must-revalidate");
    return answered;
  });
  return app;
}

/** Guards in the order in which Quay has them, then the handler. */
async function answer(
  deps: Deps,
  c: Context,
  route: Route,
  params: Record<string, string>,
  baseUrl: string,
): Promise<Response> {
  const { config } = deps;
  const client = await identifyClient(deps, c);
  const changes = !SAFE_METHODS.includes(c.req.method);
  // Nothing but the CSRF token is read from a form: the API speaks JSON.
  const form = changes && isForm(c.req.raw) ? await readForm(c.req.raw) : undefined;
  if (changes && !client.byToken && route.skipCsrf !== true) {
    checkCsrf(client.session, c, form?.get("_csrf_token") ?? undefined);
  }
  if (route.forBrowsers !== true) refuseBrowserNavigation(deps, c);
  if (
    !config.FEATURE_ANONYMOUS_ACCESS && client.actor.kind === "anonymous" && route.allowAnonymous !== true
  ) {
    return Response.json({ error: "Anonymous access is not allowed" }, { status: 401 });
  }
  if (changes && config.REGISTRY_STATE === "readonly" && route.allowReadonly !== true) {
    throw new AppError(
      "registry_readonly",
      "The registry is read-only at the moment: images can be pulled, nothing can be changed.",
    );
  }
  if (route.freshLogin === true) requireFreshLogin(deps, client);
  let newSession = false;
  const request: ApiRequest = {
    deps,
    actor: client.actor,
    params,
    body: route.body === undefined
      ? undefined
      : parseBody(route.body, form === undefined ? await readJson(c.req.raw) : undefined),
    query: route.query === undefined ? undefined : parseQuery(route.query, c),
    baseUrl,
    setSession: (session: Session) => {
      newSession = true;
      writeSession(deps, c, session);
    },
  };
  const { status, json, document, headers } = await route.handle(request);
  if (!newSession && client.session !== undefined && client.actor.kind === "user") {
    renewSession(deps, c, client.session);
  }
  if (document !== undefined) {
    const { type, text } = document;
    return new Response(text, { status, headers: { ...headers, "Content-Type": type } });
  }
  return json === undefined
    ? new Response(null, { status, headers: { ...headers } })
    : Response.json(json, { status, headers: { ...headers } });
}

/** A link in a page must not make a signed-in browser show API answers (`BROWSER_API_CALLS_XHR_ONLY`). */
function refuseBrowserNavigation(deps: Deps, c: Context): void {
  if (!deps.config.BROWSER_API_CALLS_XHR_ONLY || c.req.method !== "GET") return;
  if (!BROWSER.test(c.req.header("User-Agent") ?? "")) return;
  if (c.req.header("X-Requested-With")?.toLowerCase() !== "xmlhttprequest") throw new XhrRequired();
}

class XhrRequired extends Error {}

function requireFreshLogin(deps: Deps, client: Client): void {
  if (client.byToken || client.actor.kind !== "user") return;
  if (client.session === undefined || !isFreshLogin(deps.config, client.session, deps.now())) {
    throw new AppError("fresh_login_required", "This needs your password again: sign-in was too long ago.");
  }
}

function parseBody(schema: z.ZodType, value: unknown): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  if (value === undefined) throw new AppError("invalid_request", "Missing JSON body");
  throw invalid(parsed.error);
}

function parseQuery(schema: z.ZodType, c: Context): unknown {
  const values = c.req.query();
  if (Object.values(values).some((value) => value.includes("\0"))) {
    throw new AppError("invalid_request", "NUL is not allowed in texts");
  }
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  throw invalid(parsed.error);
}

function invalid(error: z.ZodError): AppError {
  const [issue] = error.issues;
  const where = issue?.path.map(String).join(".") || "body";
  return new AppError("invalid_request", `${where}: ${issue?.message ?? "invalid"}`);
}

/** The path below the API's root, percent-encodings resolved once, as Quay's server does before it looks at it. */
function decodePath(c: Context): string {
  const { pathname } = new URL(c.req.url);
  let path: string;
  try {
    path = decodeURIComponent(pathname.startsWith(ROOT) ? pathname.slice(ROOT.length) : pathname);
  } catch (cause) {
    throw new AppError("invalid_request", "The path is not valid percent-encoded UTF-8", {}, { cause });
  }
  if (path.includes("\0")) throw new AppError("not_found", "Not Found");
  return path;
}

/** To the same address with or without its last slash, method and body kept. */
function redirect(c: Context): Response {
  const { pathname, search } = new URL(c.req.url);
  const target = pathname.endsWith("/") ? pathname.slice(0, -1) : `${pathname}/`;
  // One leading slash only: "//host" would be another server.
  return new Response(null, { status: 308, headers: { Location: target.replace(/^\/+/, "/") + search } });
}

function methodNotAllowed(allowed: readonly string[]): Response {
  return Response.json({ message: "This address does not know that method." }, {
    status: 405,
    headers: { Allow: [...allowed, "OPTIONS"].join(", ") },
  });
}

function failure(deps: Deps, error: unknown, baseUrl: string): Response {
  if (error instanceof BodyTooLarge) {
    return Response.json({ message: "The request body is too large" }, { status: 413 });
  }
  if (error instanceof XhrRequired) {
    const message = "A browser must send X-Requested-With: XMLHttpRequest with API reads";
    return Response.json({ error: message }, { status: 400 });
  }
  const seen = asAppError(error);
  if (seen instanceof AppError) return errorResponse(seen, baseUrl);
  deps.log.error("api request failed", { error });
  return Response.json({ message: "Internal server error" }, { status: 500 });
}
