import * as z from "zod";
import { byPassword } from "../../domain/accounts/credentials.ts";
import { signInInvited } from "../../domain/accounts/sign_up.ts";
import { recordLogin, recordLoginFailure, recordLogout } from "../../domain/accounts/login_log.ts";
import { signOut, startSession, startUserSession } from "../../domain/accounts/sessions.ts";
import { requirePerson } from "../../domain/access/rights.ts";
import { AppError } from "../../lib/errors.ts";
import { optionalText, successSchema } from "./fields.ts";
import { type ApiReply, defineRoute, reply, type Route } from "./route.ts";

const failedSchema = z.object({
  needsEmailVerification: z.boolean(),
  invalidCredentials: z.boolean(),
  message: z.string(),
});

export const signInRoutes: readonly Route[] = [
  defineRoute({
    method: "POST",
    path: "/signin",
    operationId: "signinUser",
    summary: "Signs a browser in.",
    body: z.object({ username: z.string(), password: z.string(), invite_code: optionalText }),
    responses: { 200: successSchema, 403: failedSchema },
    allowAnonymous: true,
    allowReadonly: true,
    async handle({ deps, actor, body, setSession }) {
      if (!deps.config.FEATURE_DIRECT_LOGIN) throw new AppError("feature_disabled", "Not Found");
      const { username, password, invite_code: inviteCode } = body;
      const { origin } = actor;
      return await orFailure(async () => {
        const user = await signInInvited(deps, { username, password, inviteCode }, {
          ...(origin && { origin }),
        })
          .catch(async (error) => {
            await recordLoginFailure(deps, { username, type: "quayauth", origin, error });
            throw error;
          });
        await recordLogin(deps, { ...user, ...(origin && { origin }) }, "quayauth");
        const session = startUserSession(user.uuid, deps.now());
        setSession(session);
        return reply({ success: true }, 200, { "X-Next-CSRF-Token": session.csrfToken });
      });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/signin/verify",
    operationId: "verifyUser",
    summary: "Proves that the person at the keyboard is still the one who signed in.",
    body: z.object({ password: z.string() }),
    responses: { 200: successSchema, 403: failedSchema },
    allowReadonly: true,
    async handle({ deps, actor, body, setSession }) {
      const { username } = requirePerson(actor, "user:admin");
      return await orFailure(async () => {
        const user = await byPassword(deps, username, body.password, { plainAllowed: true });
        const session = startUserSession(user.uuid, deps.now());
        setSession(session);
        return reply({ success: true }, 200, { "X-Next-CSRF-Token": session.csrfToken });
      });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/signout",
    operationId: "logout",
    summary: "Signs out, here and in every other browser.",
    responses: { 200: successSchema },
    allowAnonymous: true,
    allowReadonly: true,
    async handle({ deps, actor, setSession }) {
      // Read-only means read-only: the browser forgets its session, other browsers keep theirs.
      if (actor.kind === "user" && deps.config.REGISTRY_STATE !== "readonly") {
        await signOut(deps, actor);
        await recordLogout(deps, actor);
      }
      setSession(startSession(deps.now()));
      return reply({ success: true });
    },
  }),
];

/** A wrong password is answered in the form's own words; being locked out is a 429 as everywhere. */
async function orFailure(attempt: () => Promise<ApiReply>): Promise<ApiReply> {
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "invalid_credentials") throw error;
    const needsEmailVerification = error.detail.needs_email_verification === true;
    return reply({
      needsEmailVerification,
      invalidCredentials: !needsEmailVerification,
      message: error.publicMessage,
    }, 403);
  }
}
