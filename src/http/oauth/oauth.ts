import { type Context, Hono } from "hono";
import { byPassword } from "../../domain/accounts/credentials.ts";
import type { Deps } from "../../domain/deps.ts";
import { recordLogin, recordLoginFailure } from "../../domain/accounts/login_log.ts";
import { assignToken } from "../../domain/oauth/assignments.ts";
import {
  type AuthorizationRequest,
  denyAuthorization,
  grantAuthorization,
  prepareAuthorization,
  type PreparedAuthorization,
  requireConsenter,
} from "../../domain/oauth/authorization.ts";
import { startSession, startUserSession } from "../../domain/accounts/sessions.ts";
import { asAppError } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import { BodyTooLarge } from "../api/body.ts";
import { errorResponse } from "../api/errors.ts";
import {
  type BrowserClient,
  checkCsrf,
  identifyBrowser,
  originOf,
  readSession,
  renewSession,
  writeSession,
} from "../api/client.ts";
import { handleAccessToken } from "./access_token.ts";
import { consentPage } from "./consent_page.ts";
import { handleRobotToken } from "./federation.ts";
import { localPage } from "./local_page.ts";
import { messagePage, pageResponse, PRIVATE_HEADERS } from "../web/page.ts";
import { type Parameters, readParameters, requireParameter } from "./parameters.ts";
import { signInPage } from "./sign_in_page.ts";

/** How people let applications act for them: all of `/oauth` and `/oauth2`, and `LOCAL_OAUTH_HANDLER`. Quay: auth.md §9. */
export function oauthRoutes(deps: Deps): Hono {
  const app = new Hono();
  app.get("/oauth/authorize", (c) => handleAuthorize(deps, c));
  app.post("/oauth/authorize/assignuser", (c) => handleAssign(deps, c));
  app.post("/oauth/authorizeapp", (c) => handleConsent(deps, c));
  app.post("/oauth/denyapp", (c) => handleDenial(deps, c));
  app.post("/oauth/access_token", (c) => handleAccessToken(deps, c));
  app.post("/oauth/signin", (c) => handleSignIn(deps, c));
  app.get("/oauth2/federation/robot/token", (c) => handleRobotToken(deps, c));
  app.get(deps.config.LOCAL_OAUTH_HANDLER, (c) => handleLocalApp(deps, c));
  app.notFound((c) => failure(deps, c, new AppError("not_found", "There is no such page")));
  app.onError((error, c) => failure(deps, c, error));
  return app;
}

/** GET /oauth/authorize: asks the person, or goes on at once when they have said yes before. */
async function handleAuthorize(deps: Deps, c: Context): Promise<Response> {
  // Hono answers HEAD with this handler: a link checker must not be given tokens.
  if (c.req.method === "HEAD") return new Response(null, { status: 405, headers: { Allow: "GET" } });
  const client = await identifyBrowser(deps, c);
  const request = readRequest(await readParameters(c), "code");
  if (client.actor.kind === "anonymous") return askToSignIn(deps, c, new URL(c.req.url).search.slice(1));
  const preparation = await prepareAuthorization(deps, client.actor, request);
  if (preparation.kind === "error") return redirect(preparation.redirect);
  const { authorization } = preparation;
  if (authorization.consented) return await grant(deps, client, authorization);
  const session = client.session ?? startSession(deps.now());
  if (client.session === undefined) writeSession(deps, c, session);
  else renewSession(deps, c, session);
  return withCookies(
    c,
    pageResponse(consentPage(authorization, {
      registryTitle: deps.config.REGISTRY_TITLE,
      username: requireConsenter(client.actor).username,
      csrfToken: session.csrfToken,
    })),
  );
}

/** POST /oauth/authorizeapp: the person has said yes. */
async function handleConsent(deps: Deps, c: Context): Promise<Response> {
  const client = await identifyBrowser(deps, c);
  const parameters = await readParameters(c);
  requireConsenter(client.actor);
  const request = readRequest(parameters, "token");
  // Scripts of trusted applications sign in with every request and have no session that could be ridden.
  const direct = client.byBasic && deps.config.DIRECT_OAUTH_CLIENTID_WHITELIST.includes(request.clientId);
  if (!direct) checkCsrf(client.session, c, parameters("_csrf_token"));
  const preparation = await prepareAuthorization(deps, client.actor, request);
  if (preparation.kind === "error") return redirect(preparation.redirect);
  return await grant(deps, client, preparation.authorization);
}

/** POST /oauth/denyapp: the person has said no. */
async function handleDenial(deps: Deps, c: Context): Promise<Response> {
  const client = await identifyBrowser(deps, c);
  const parameters = await readParameters(c);
  requireConsenter(client.actor);
  checkCsrf(client.session, c, parameters("_csrf_token"));
  const preparation = await prepareAuthorization(deps, client.actor, readRequest(parameters, "token"));
  if (preparation.kind === "error") return redirect(preparation.redirect);
  return redirect(denyAuthorization(preparation.authorization));
}

/** POST /oauth/authorize/assignuser: an administrator lets somebody else fetch a token. */
async function handleAssign(deps: Deps, c: Context): Promise<Response> {
  const client = await identifyBrowser(deps, c);
  const parameters = await readParameters(c);
  requireConsenter(client.actor);
  checkCsrf(client.session, c, parameters("_csrf_token"));
  refuseReadonly(deps);
  await assignToken(deps, client.actor, {
    clientId: requireParameter(parameters, "client_id"),
    redirectUri: requireParameter(parameters, "redirect_uri"),
    scope: requireParameter(parameters, "scope"),
    responseType: parameters("response_type") ?? "token",
    username: requireParameter(parameters, "username"),
  });
  const message = "Token assigned successfully";
  return wantsHtml(c)
    ? pageResponse(messagePage(message, "The user finds it among the authorizations of their account."))
    : Response.json({ message }, { headers: PRIVATE_HEADERS });
}

/** POST /oauth/signin: the form of {@link askToSignIn}. It leads back to `/oauth/authorize` and nowhere else. */
async function handleSignIn(deps: Deps, c: Context): Promise<Response> {
  if (!deps.config.FEATURE_DIRECT_LOGIN) throw new AppError("feature_disabled", "Not Found");
  const parameters = await readParameters(c);
  const session = readSession(deps, c);
  checkCsrf(session, c, parameters("_csrf_token"));
  const returnTo = parameters("return_to") ?? "";
  const username = requireParameter(parameters, "username");
  const { origin } = originOf(c);
  try {
    const user = await byPassword(deps, username, parameters("password") ?? "", { plainAllowed: true })
      .catch(async (error) => {
        await recordLoginFailure(deps, { username, type: "quayauth", origin, error });
        throw error;
      });
    await recordLogin(deps, { ...user, ...(origin && { origin }) }, "quayauth");
    writeSession(deps, c, startUserSession(user.uuid, deps.now()));
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "invalid_credentials") throw error;
    return askToSignIn(deps, c, returnTo, { status: 403, username, problem: error.publicMessage });
  }
  const location = `/oauth/authorize?${new URLSearchParams(returnTo)}`;
  return withCookies(c, redirect(location, 303));
}

/** GET `LOCAL_OAUTH_HANDLER`: shows the token that the address carries. */
async function handleLocalApp(deps: Deps, c: Context): Promise<Response> {
  const { actor } = await identifyBrowser(deps, c);
  requireConsenter(actor);
  return pageResponse(localPage(c.req.query("error")));
}

/** The form for browsers, with the status that Quay has; scripts get the status alone. */
function askToSignIn(
  deps: Deps,
  c: Context,
  returnTo: string,
  attempt: { status?: number; username?: string; problem?: string } = {},
): Response {
  if (!wantsHtml(c)) throw new AppError("unauthenticated", "Sign in first");
  if (!deps.config.FEATURE_DIRECT_LOGIN) {
    const words = "Sign in to the registry in another tab, then open this page again.";
    return pageResponse(messagePage("Sign in first", words), 401);
  }
  let session = readSession(deps, c);
  if (session === undefined) {
    session = startSession(deps.now());
    writeSession(deps, c, session);
  }
  const page = signInPage({
    registryTitle: deps.config.REGISTRY_TITLE,
    csrfToken: session.csrfToken,
    returnTo,
    username: attempt.username,
    problem: attempt.problem,
  });
  return withCookies(c, pageResponse(page, attempt.status ?? 401));
}

async function grant(
  deps: Deps,
  client: BrowserClient,
  authorization: PreparedAuthorization,
): Promise<Response> {
  refuseReadonly(deps);
  return redirect(await grantAuthorization(deps, client.actor, authorization));
}

function readRequest(parameters: Parameters, responseType: "code" | "token"): AuthorizationRequest {
  return {
    clientId: requireParameter(parameters, "client_id"),
    redirectUri: requireParameter(parameters, "redirect_uri"),
    scope: parameters("scope") ?? "",
    responseType: parameters("response_type") ?? responseType,
    state: parameters("state"),
    assignmentUuid: parameters("assignment_uuid"),
  };
}

function refuseReadonly({ config }: Deps): void {
  if (config.REGISTRY_STATE !== "readonly") return;
  throw new AppError(
    "registry_readonly",
    "The registry is read-only at the moment: no tokens can be issued.",
  );
}

function redirect(location: string, status: 302 | 303 = 302): Response {
  return new Response(null, { status, headers: { ...PRIVATE_HEADERS, Location: location } });
}

/** The answer with the cookies that were set on the context. */
function withCookies(c: Context, response: Response): Response {
  return c.newResponse(response.body, response);
}

function wantsHtml(c: Context): boolean {
  return (c.req.header("Accept") ?? "").includes("text/html");
}

const TITLES: Readonly<Record<number, string>> = {
  400: "This request cannot be understood",
  401: "Sign in first",
  403: "You may not do this",
  404: "Not found",
  429: "Too many attempts",
  503: "Not possible at the moment",
};

/** Browsers are told in words; scripts get the API's error object. */
function failure(deps: Deps, c: Context, error: unknown): Response {
  if (error instanceof BodyTooLarge) {
    return pageResponse(messagePage("Too large", "The form is too large."), 413);
  }
  const seen = asAppError(error);
  if (!(seen instanceof AppError)) {
    deps.log.error("oauth request failed", { error });
    return pageResponse(messagePage("Something went wrong", "The registry's log says what."), 500);
  }
  const { config } = deps;
  // Here credentials are Basic ones or the form's: nobody is known then.
  const known = seen.code === "invalid_credentials"
    ? new AppError("unauthenticated", seen.publicMessage)
    : seen;
  const plain = errorResponse(known, `${config.PREFERRED_URL_SCHEME}://${config.SERVER_HOSTNAME}`);
  const retry = plain.headers.get("Retry-After");
  if (wantsHtml(c)) {
    const page = messagePage(TITLES[plain.status] ?? "Not possible", seen.publicMessage);
    return pageResponse(page, plain.status, retry === null ? {} : { "Retry-After": retry });
  }
  for (const [name, value] of Object.entries(PRIVATE_HEADERS)) plain.headers.set(name, value);
  return plain;
}
