/** Where the links in mails lead (`domain/accounts/mails.ts`): pages that work without the console, with forms and no script. */
import { type Context, Hono } from "hono";
import { findRecovery, finishRecovery } from "../../domain/accounts/account_recovery.ts";
import { confirmAuthorizedEmail } from "../../domain/accounts/authorized_emails.ts";
import type { Deps } from "../../domain/deps.ts";
import { startUserSession } from "../../domain/accounts/sessions.ts";
import { confirmEmail } from "../../domain/accounts/sign_up.ts";
import { AppError } from "../../lib/errors.ts";
import { identifyClient, writeSession } from "../api/client.ts";
import { answerPage, codeOf, originOf, readPost, showForms } from "./forms.ts";
import { html, showPage } from "./page.ts";
import { answerInvite, showInvite } from "./team_invite.ts";

const PATHS = new Set(["/confirm", "/recovery", "/confirminvite", "/authrepoemail"]);

export function mailLinkRoutes(deps: Deps): Hono {
  const app = new Hono();
  // Hono answers HEAD by running the GET handler: a link checker would follow the link in its reader's name.
  app.use(async (c, next) => {
    if (c.req.method === "HEAD" && PATHS.has(c.req.path)) return c.body(null, 200);
    await next();
  });
  app.get("/confirm", (c) => answerPage(deps, c, "Confirm your e-mail address", () => confirm(deps, c)));
  app.get("/recovery", (c) => answerPage(deps, c, "Set a new password", () => showRecovery(deps, c)));
  app.post("/recovery", (c) => answerPage(deps, c, "Set a new password", () => recover(deps, c)));
  app.get("/confirminvite", (c) => answerPage(deps, c, "Join a team", () => showInvite(deps, c)));
  app.post("/confirminvite", (c) => answerPage(deps, c, "Join a team", () => answerInvite(deps, c)));
  app.get("/authrepoemail", (c) => answerPage(deps, c, "Allow notifications", () => authorizeEmail(deps, c)));
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
  const title = "Set a new password";
  return showForms(deps, c, { title, action: "/recovery", code, intro: html``, forms: [fields], problem });
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

async function authorizeEmail(deps: Deps, c: Context): Promise<Response> {
  const { email, namespace, repository } = await confirmAuthorizedEmail(deps, codeOf(c));
  return showPage(
    c,
    "Notifications allowed",
    html`<p>Notifications of the repository <strong>${namespace}/${repository}</strong> may now be sent to
<strong>${email}</strong>.</p>`,
  );
}
