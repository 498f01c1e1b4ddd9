import * as z from "zod";
import { signUp } from "../../domain/accounts/sign_up.ts";
import { startUserSession } from "../../domain/accounts/sessions.ts";
import { captchaField, optionalText } from "./fields.ts";
import { defineRoute, reply, type Route } from "./route.ts";
import { userSchema, userView } from "./user.ts";

export const signUpRoutes: readonly Route[] = [
  defineRoute({
    method: "POST",
    path: "/user/",
    operationId: "createNewUser",
    summary:
      "Creates an account for oneself and signs in; where mails are sent, once the address is confirmed.",
    body: z.object({
      username: z.string(),
      password: z.string(),
      email: optionalText,
      invite_code: optionalText.meta({ description: "Of an invitation to a team." }),
      recaptcha_response: captchaField,
    }),
    responses: { 200: z.union([z.object({ awaiting_verification: z.literal(true) }), userSchema]) },
    async handle({ deps, actor, body, setSession }) {
      const { username, password, email, invite_code: inviteCode, recaptcha_response: solution } = body;
      const { origin } = actor;
      const by = { kind: "anonymous", ...(origin && { origin }) } as const;
      const { user, awaitingVerification } = await signUp(deps, by, {
        username,
        password,
        email,
        inviteCode,
        captcha: { solution, client: actor },
      });
      if (awaitingVerification) return reply({ awaiting_verification: true });
      const session = startUserSession(user.uuid, deps.now());
      setSession(session);
      const { id, uuid } = user;
      const view = await userView(deps, { kind: "user", id, uuid, username, scopes: "all", via: "session" });
      return reply(view, 200, { "X-Next-CSRF-Token": session.csrfToken });
    },
  }),
];
