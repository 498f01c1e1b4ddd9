/** Where the mail of an invitation to a team leads: join, signed in, signing in or with a new account. */
import type { Context } from "hono";
import type { Deps } from "../../domain/deps.ts";
import { recordLogin, recordLoginFailure } from "../../domain/accounts/login_log.ts";
import { startUserSession } from "../../domain/accounts/sessions.ts";
import { maySignUp, signInInvited, signUp } from "../../domain/accounts/sign_up.ts";
import { acceptInvite, declineInvite, findInvite } from "../../domain/organizations/team_invites.ts";
import { AppError } from "../../lib/errors.ts";
import { type Client, identifyClient, writeSession } from "../api/client.ts";
import { codeOf, originOf, readPost, showForms } from "./forms.ts";
import { type Html, html, showPage } from "./page.ts";

const TITLE = "Join a team";

export async function showInvite(
  deps: Deps,
  c: Context,
  problem?: string,
  code = codeOf(c),
): Promise<Response> {
  const { actor } = await identifyClient(deps, c);
  const person = actor.kind === "user" ? actor : undefined;
  const { inviter, team, organization, email } = await findInvite(deps, code, person);
  const intro =
    html`<p><strong>${inviter}</strong> invites you to the team <strong>${team}</strong> of the organization
<strong>${organization}</strong>.</p>`;
  const forms = person === undefined ? strangersForms(deps, email ?? "") : [
    html`
      <p>You are signed in as <strong>${person.username}</strong>.</p>
      <button type="submit" name="answer" value="accept">Join</button>
      <button type="submit" name="answer" value="decline">Decline</button>
    `,
  ];
  return showForms(deps, c, { title: TITLE, action: "/confirminvite", code, intro, forms, problem });
}

function strangersForms(deps: Deps, email: string): Html[] {
  const signIn = html`
    <h2>Sign in</h2>
    <label>User name<input name="username" autocomplete="username" required></label>
    <label>Password<input name="password" type="password" autocomplete="current-password" required></label>
    <button type="submit" name="answer" value="accept">Sign in and join</button>
  `;
  if (!maySignUp(deps.config)) return [signIn];
  if (deps.config.FEATURE_RECAPTCHA) {
    return [
      html`
        ${signIn}
                <p>No account yet? Make one at <a href="/">${deps.config
                  .REGISTRY_TITLE_SHORT}</a>, then follow the link of the mail again.</p>
      `,
    ];
  }
  const create = html`
    <h2>Create an account</h2>
    <label>User name<input name="username" autocomplete="username" required></label>
    <label>E-mail address<input name="email" type="email" autocomplete="email" value="${email}" required></label>
    <label>Password<input name="password" type="password" autocomplete="new-password" minlength="8" required></label>
    <button type="submit" name="answer" value="create">Create the account and join</button>
  `;
  return [signIn, create];
}

export async function answerInvite(deps: Deps, c: Context): Promise<Response> {
  const { values, client } = await readPost(deps, c);
  const code = values.get("code") ?? "";
  const answer = values.get("answer");
  if (client.actor.kind !== "user") {
    const join = answer === "create" ? signUpAndJoin : signInAndJoin;
    return await join(deps, c, values, client);
  }
  if (answer === "decline") {
    await declineInvite(deps, client.actor, code);
    return showPage(
      c,
      TITLE,
      html`
        <p>You have declined the invitation.</p>
        <p><a href="/">Go on</a></p>
      `,
    );
  }
  return toOrganization(c, (await acceptInvite(deps, client.actor, code)).organization);
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
    return toOrganization(c, organization);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "invalid_credentials") throw error;
    await recordLoginFailure(deps, { username, type: "quayauth", origin: by.origin, error });
    return await showInvite(deps, c, error.publicMessage, inviteCode);
  }
}

async function signUpAndJoin(
  deps: Deps,
  c: Context,
  values: URLSearchParams,
  client: Client,
): Promise<Response> {
  const wanted = {
    username: values.get("username") ?? "",
    password: values.get("password") ?? "",
    email: values.get("email") ?? "",
    inviteCode: values.get("code") ?? "",
    // The page asks for no captcha: with FEATURE_RECAPTCHA it offers no account.
    captcha: { solution: undefined, client: client.actor },
  };
  const { organization } = await findInvite(deps, wanted.inviteCode, { id: -1 });
  try {
    const by = { kind: "anonymous", ...originOf(client.actor) } as const;
    const { user, awaitingVerification } = await signUp(deps, by, wanted);
    if (awaitingVerification) {
      return showPage(
        c,
        TITLE,
        html`<p>A mail is on its way to <strong>${wanted.email}</strong>. Follow its link.</p>`,
      );
    }
    writeSession(deps, c, startUserSession(user.uuid, deps.now()));
    return toOrganization(c, organization);
  } catch (error) {
    const correctable = ["invalid_request", "name_invalid", "already_exists"];
    if (!(error instanceof AppError) || !correctable.includes(error.code)) throw error;
    return await showInvite(deps, c, error.publicMessage, wanted.inviteCode);
  }
}

function toOrganization(c: Context, name: string): Response {
  return c.redirect(`/organization/${encodeURIComponent(name)}`, 303);
}
