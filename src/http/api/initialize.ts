import * as z from "zod";
import { createFirstUser } from "../../domain/accounts/accounts.ts";
import { SCOPES } from "../../domain/access/access.ts";
import { createOauthApplication, issueOauthToken } from "../../domain/oauth/tokens.ts";
import { encryptPassword } from "../../domain/secrets.ts";
import { startUserSession } from "../../domain/accounts/sessions.ts";
import { AppError } from "../../lib/errors.ts";
import { optionalText } from "./fields.ts";
import { defineRoute, reply, type Route } from "./route.ts";

/** Lifetime of the first token, seconds. */
const FIRST_TOKEN_LIFETIME_S = 9000;

export const initializeRoutes: readonly Route[] = [
  defineRoute({
    method: "POST",
    path: "/user/initialize",
    operationId: "createFirstUser",
    summary: "Creates the first user of an empty registry.",
    body: z.object({
      username: z.string(),
      password: z.string(),
      email: optionalText,
      access_token: z.boolean().default(false)
        .meta({ description: "Also issue an OAuth token with every scope, good for 9000 s." }),
    }),
    responses: {
      200: z.object({
        username: z.string(),
        email: z.string().nullable(),
        encrypted_password: z.string(),
        access_token: z.string().optional(),
      }),
    },
    allowAnonymous: true,
    skipCsrf: true,
    async handle({ deps, actor, body, setSession }) {
      const { config } = deps;
      if (!config.FEATURE_USER_INITIALIZE) throw new AppError("feature_disabled", "Not Found");
      if (config.AUTHENTICATION_TYPE !== "Database") {
        throw new AppError(
          "invalid_request",
          "Cannot initialize a user in an external authentication system",
        );
      }
      const { username, password, email } = body;
      const user = await createFirstUser(deps, actor, { username, password, email });
      const session = startUserSession(user.uuid, deps.now());
      setSession(session);
      const headers = { "X-Next-CSRF-Token": session.csrfToken };
      const created = {
        username,
        email: email ?? null,
        encrypted_password: encryptPassword(config, password),
      };
      if (!body.access_token) return reply(created, 200, headers);
      const applicationId = await createOauthApplication(deps, {
        ownerId: user.id,
        clientId: username,
        name: "automation",
        description: "Token of the first user",
      });
      const token = await issueOauthToken(deps, {
        applicationId,
        userId: user.id,
        scopes: SCOPES,
        lifetimeS: FIRST_TOKEN_LIFETIME_S,
      });
      return reply({ ...created, access_token: token }, 200, headers);
    },
  }),
];
