/** Where the links in mails lead (`domain/mails.ts`): pages that work without the console, with forms and no script. */
import { type Context, Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { findRecovery, finishRecovery } from "../../domain/account_recovery.ts";
import { confirmAuthorizedEmail } from "../../domain/authorized_emails.ts";
import type { Deps } from "../../domain/deps.ts";
import { recordLogin, recordLoginFailure } from "../../domain/login_log.ts";
import { startSession, startUserSession } from "../../domain/sessions.ts";
import { confirmEmail, signInInvited } from "../../domain/sign_up.ts";
import { acceptInvite, declineInvite, findInvite } from "../../domain/team_invites.ts";
import { asAppError } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import { checkCsrf, type Client, identifyClient, writeSession } from "../api/client.ts";
import { readForm } from "../api/body.ts";
import { type Html, html, showPage } from "./page.ts";

const PATHS = new Set(["/confirm", "/recovery", "/confirminvite", "/authrepoemail"]);

export function mailLinkRoutes(deps: Deps): Hono {
  const app = new Hono();
  // Hono answers HEAD by running the GET handler: a link checker would follow the link in its reader's name.
  app.use(async (c, next) => {
    if (c.req.method === "HEAD" && PATHS.has(c.req.path)) return c.body(null, 200);
    await next();
  });
  app.get("/confirm", (c) => page(deps, c, "Confirm your e-mail address", () => confirm(deps, c)));
  app.get("/recovery", (c) => page(deps, c, "Set a new password", () => showRecovery(deps, c)));
  app.post("/recovery", (c) => page(deps, c, "Set a new password", () => recover(deps, c)));
  app.get("/confirminvite", (c) => page(deps, c, "Join a team", () => showInvite(deps, c)));
  app.post("/confirminvite", (c) => page(deps, c, "Join a team", () => answerInvite(deps, c)));
  app.get("/authrepoemail", (c) => page(deps, c, "Allow notifications", () => authorizeEmail(deps, c)));
  return app;
}

/** Signs in, as Quay does, and goes to the console. */
async function confirm(deps: Deps, c: Context): Promise<Response> {
  const { actor } = await identifyClient(deps, c);
  const user = await confirmEmail(deps, codeOf(c), originOf(actor));
  writeSession(deps, c, startUserSession(user.uuid, deps.now()));
  return c.redirect("/", 302);
}

/** Looking uses nothing up: mail servers look at links before people do. */
async function showRecovery(deps: Deps, c: Context, problem?: string, code = codeOf(c)): Promise<Response> {
  const { username } = await findRecovery(deps, code);
  const fields = html`
    <p>Choose a new password for the account <strong>${username}</strong>.</p>
    <label>New password
    <input name="password" type="password" autocomplete="new-password" minlength="8" required autofocus></label>
    <button type="submit">Set the password and sign in</button>
  `;
  return form(deps, c, { title: "Set a new password", action: "/recovery", code, fields, problem });
}

async function recover(deps: Deps, c: Context): Promise<Response> {
  const { values, client } = await readPost(deps, c);
  const code = values.get("code") ?? "";
  try {
    const uuid = await finishRecovery(deps, code, values.get("password") ?? "", originOf(client.actor));
    writeSession(deps, c, startUserSession(uuid, deps.now()));
    return c.redirect("/", 303);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "invalid_request") throw error;
    // The code may be good and the password not.
    return await showRecovery(deps, c, error.publicMessage, code);
  }
}

async function showInvite(deps: Deps, c: Context, problem?: string, code = codeOf(c)): Promise<Response> {
  const { actor } = await identifyClient(deps, c);
  const person = actor.kind === "user" ? actor : undefined;
  const { inviter, team, organization } = await findInvite(deps, code, person);
  const who = person === undefined
    ? html`
      <p>Sign in to join.</p>
      <label>User name<input name="username" autocomplete="username" required></label>
      <label>Password<input name="password" type="password" autocomplete="current-password" required></label>
      <button type="submit" name="answer" value="accept">Sign in and join</button>
    `
    : html`
      <p>You are signed in as <strong>${person.username}</strong>.</p>
      <button type="submit" name="answer" value="accept">Join</button>
      <button type="submit" name="answer" value="decline">Decline</button>
    `;
  const fields = html`
    <p><strong>${inviter}</strong> invites you to the team <strong>${team}</strong> of the organization
    <strong>${organization}</strong>.</p>${who}
  `;
  return form(deps, c, { title: "Join a team", action: "/confirminvite", code, fields, problem });
}

async function answerInvite(deps: Deps, c: Context): Promise<Response> {
  const { values, client } = await readPost(deps, c);
  const code = values.get("code") ?? "";
  if (client.actor.kind !== "user") return await signInAndJoin(deps, c, values, client);
  if (values.get("answer") === "decline") {
    await declineInvite(deps, client.actor, code);
    return showPage(
      c,
      "Declined",
      html`
        <p>You have declined the invitation.</p>
        <p><a href="/">Go on</a></p>
      `,
    );
  }
  const { organization } = await acceptInvite(deps, client.actor, code);
  return c.redirect(`/organization/${encodeURIComponent(organization)}`, 303);
}

async function signInAndJoin(
  deps: Deps,
  c: Context,
  values: URLSearchParams,
  client: Client,
): Promise<Response> {
  const [username, password] = [values.get("username") ?? "", values.get("password") ?? ""];
  const inviteCode = values.get("code") ?? "";
  const by = originOf(client.actor);
  if (!deps.config.FEATURE_DIRECT_LOGIN) throw new AppError("feature_disabled", "Sign in first");
  const { organization } = await findInvite(deps, inviteCode, undefined);
  try {
    const user = await signInInvited(deps, { username, password, inviteCode }, by);
    await recordLogin(deps, { ...user, ...by }, "quayauth");
    writeSession(deps, c, startUserSession(user.uuid, deps.now()));
    return c.redirect(`/organization/${encodeURIComponent(organization)}`, 303);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "invalid_credentials") throw error;
    await recordLoginFailure(deps, { username, type: "quayauth", origin: by.origin, error });
    return await showInvite(deps, c, error.publicMessage, inviteCode);
  }
}

async function authorizeEmail(deps: Deps, c: Context): Promise<Response> {
  const { email, namespace, repository } = await confirmAuthorizedEmail(deps, codeOf(c));
  return showPage(
    c,
    "Notifications allowed",
    html`<p>Notifications of the repository <strong>${namespace}/${repository}</strong> may now be sent to
<strong>${email}</strong>.</p>`,
  );
}

async function form(
  deps: Deps,
  c: Context,
  { title, action, code, fields, problem }: {
    title: string;
    action: string;
    code: string;
    fields: Html;
    problem: string | undefined;
  },
): Promise<Response> {
  let { session } = await identifyClient(deps, c);
  if (session === undefined) {
    session = startSession(deps.now());
    writeSession(deps, c, session);
  }
  const alert = problem === undefined ? html`` : html`<p role="alert">${problem}</p>`;
  const body = html`${alert}<form method="post" action="${action}">
<input type="hidden" name="code" value="${code}">
<input type="hidden" name="_csrf_token" value="${session.csrfToken}">${fields}
</form>`;
  return showPage(c, title, body, problem === undefined ? 200 : 400);
}

/** The form that was sent, by the page that this site had shown. @throws {AppError} `csrf_failed`, `invalid_request` */
async function readPost(deps: Deps, c: Context): Promise<{ values: URLSearchParams; client: Client }> {
  const values = await readForm(c.req.raw);
  const client = await identifyClient(deps, c);
  if (!client.byToken) checkCsrf(client.session, c, values.get("_csrf_token") ?? undefined);
  return { values, client };
}

const codeOf = (c: Context) => c.req.query("code") ?? "";

function originOf({ origin }: Client["actor"]): Pick<Client["actor"], "origin"> {
  return origin === undefined ? {} : { origin };
}

/** Failures in words, as a page. */
async function page(
  deps: Deps,
  c: Context,
  title: string,
  answer: () => Promise<Response>,
): Promise<Response> {
  // Hono answers HEAD with this handler: looking at a link is not following it.
  if (c.req.method === "HEAD") return c.body(null);
  try {
    if (deps.config.REGISTRY_STATE === "readonly") {
      throw new AppError("registry_readonly", "The registry is read-only at the moment. Try again later.");
    }
    return await answer();
  } catch (error) {
    const seen = asAppError(error);
    if (!(seen instanceof AppError)) {
      deps.log.error("page failed", { error, path: c.req.path });
      return showPage(
        c,
        title,
        html`<p role="alert">Something went wrong here. It has been recorded.</p>`,
        500,
      );
    }
    const body = html`
      <p role="alert">${seen.publicMessage}</p>
      <p><a href="/">Go on</a></p>
    `;
    return showPage(c, title, body, STATUS[seen.code] ?? 400);
  }
}

const STATUS: Readonly<Partial<Record<AppError["code"], ContentfulStatusCode>>> = {
  unauthenticated: 401,
  invalid_credentials: 403,
  insufficient_scope: 403,
  csrf_failed: 403,
  not_found: 404,
  feature_disabled: 404,
  too_many_attempts: 429,
  registry_readonly: 503,
  database_unavailable: 503,
};
