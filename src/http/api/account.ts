import * as z from "zod";
import { convertToOrganization } from "../../domain/accounts/account_conversion.ts";
import { startRecovery } from "../../domain/accounts/account_recovery.ts";
import { makeClientKey } from "../../domain/access/client_keys.ts";
import { detachLogin } from "../../domain/accounts/external_logins.ts";
import { startUserSession } from "../../domain/accounts/sessions.ts";
import { AppError } from "../../lib/errors.ts";
import { captchaField, optionalText, successSchema } from "./fields.ts";
import { defineRoute, reply, type Route } from "./route.ts";

export const accountRoutes: readonly Route[] = [
  defineRoute({
    method: "POST",
    path: "/user/clientkey",
    operationId: "generateUserClientKey",
    summary: "An encrypted form of the own password, for clients' configuration files.",
    scope: "user:admin",
    body: z.object({ password: z.string() }),
    responses: { 200: z.object({ key: z.string() }) },
    async handle({ deps, actor, body }) {
      return reply({ key: await makeClientKey(deps, actor, body.password) });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/user/convert",
    operationId: "convertUserToOrganization",
    summary: "Makes the own account an organization of another user, who is signed in instead.",
    scope: "user:admin",
    body: z.object({ adminUser: z.string(), adminPassword: z.string(), plan: optionalText }),
    responses: { 200: successSchema },
    async handle({ deps, actor, body, setSession }) {
      const { adminUser: username, adminPassword: password } = body;
      const owner = await convertToOrganization(deps, actor, { username, password });
      const session = startUserSession(owner.uuid, deps.now());
      setSession(session);
      return reply({ success: true }, 200, { "X-Next-CSRF-Token": session.csrfToken });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/recovery",
    operationId: "requestRecoveryEmail",
    summary: "Mails a link that lets the owner of the address set a new password.",
    body: z.object({ email: z.string(), recaptcha_response: captchaField }),
    responses: {
      200: z.union([
        z.object({ status: z.literal("sent") }),
        z.object({ status: z.literal("org"), orgemail: z.string(), orgname: z.string() }),
      ]),
    },
    allowAnonymous: true,
    async handle({ deps, actor, body }) {
      // Waiting for the mail would tell whether there is one.
      return reply((await startRecovery(deps, actor, body.email, body.recaptcha_response)).answer);
    },
  }),
  defineRoute({
    method: "POST",
    path: "/externallogin/{service_id}",
    operationId: "retrieveExternalLoginAuthorizationUrl",
    summary: "Where to go to sign in with another service.",
    body: z.object({ kind: z.enum(["login", "attach", "cli"]) }),
    responses: { 200: z.object({ auth_url: z.string() }) },
    allowAnonymous: true,
    allowReadonly: true,
    handle({ params }) {
      return Promise.reject(new AppError("invalid_request", `Unknown login service: ${params.service_id}`));
    },
  }),
  defineRoute({
    method: "POST",
    path: "/detachexternal/{service_id}",
    operationId: "detachExternalLogin",
    summary: "Ends that one can sign in with another service.",
    scope: "user:admin",
    responses: { 200: successSchema },
    async handle({ deps, actor, params }) {
      await detachLogin(deps, actor, params.service_id);
      return reply({ success: true });
    },
  }),
];
