import * as z from "zod";
import { isNamedSuperuser } from "../../domain/access/access.ts";
import {
  changeManagedUser,
  createManagedUser,
  deleteManagedUser,
  findManagedUser,
  listManagedAccounts,
  sendRecoveryTo,
} from "../../domain/accounts/managed_accounts.ts";
import { encryptPassword } from "../../domain/secrets.ts";
import { AppError } from "../../lib/errors.ts";
import { booleanParam, integerParam, optionalText } from "./fields.ts";
import { pageStart, pageToken } from "./page_token.ts";
import { quotaFieldsOf } from "./quota_view.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";
import {
  FOR_SUPERUSERS,
  managedUserSchema,
  managedUserView,
  pageLimit,
  requireSuperuserFeature,
} from "./superuser.ts";

export const superuserUserRoutes: readonly Route[] = [
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "GET",
    path: "/superuser/users/",
    operationId: "listAllUsers",
    summary: "All users by name.",
    query: z.object({
      disabled: booleanParam(true).meta({ description: "false leaves out those that are disabled." }),
      limit: integerParam(0).meta({ description: "Users on a page, 1 to 100; absent: all at once." }),
      next_page: z.string().optional(),
    }),
    responses: { 200: z.object({ users: z.array(managedUserSchema), next_page: z.string().optional() }) },
    async handle({ deps, actor, query }) {
      requireSuperuserFeature(deps);
      const { accounts, next } = await listManagedAccounts(deps, actor, {
        kind: "user",
        after: pageStart(deps, query.next_page),
        limit: pageLimit(query.limit),
        enabledOnly: !query.disabled,
      });
      const quotaOf = await quotaFieldsOf(deps, accounts.map(({ id }) => id));
      return reply({
        users: accounts.map((user) => ({ ...managedUserView(deps, user), ...quotaOf(user.id) })),
        ...pageToken(deps, next),
      });
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "POST",
    path: "/superuser/users/",
    operationId: "createInstallUser",
    summary: "Creates a user with a password that is made up and shown once.",
    body: z.object({ username: z.string(), email: optionalText }),
    responses: {
      200: z.object({
        username: z.string(),
        email: z.string().nullable(),
        password: z.string(),
        encrypted_password: z.string(),
      }),
    },
    async handle({ deps, actor, body }) {
      requireSuperuserFeature(deps);
      const { user, password } = await createManagedUser(deps, actor, {
        username: body.username,
        email: body.email,
      });
      return reply({
        username: user.username,
        email: body.email ?? null,
        password,
        encrypted_password: encryptPassword(deps.config, password),
      });
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "GET",
    path: "/superuser/users/{username}",
    operationId: "getInstallUser",
    summary: "A user.",
    responses: { 200: managedUserSchema },
    async handle({ deps, actor, params }) {
      requireSuperuserFeature(deps);
      const user = await findManagedUser(deps, actor, params.username);
      const quotaOf = await quotaFieldsOf(deps, [user.id]);
      return reply({ ...managedUserView(deps, user), ...quotaOf(user.id) });
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "PUT",
    path: "/superuser/users/{username}",
    operationId: "changeInstallUser",
    summary: "Changes a user's password or address, or disables the user; superusers are spared.",
    body: z.object({
      password: optionalText,
      email: optionalText,
      enabled: z.boolean().nullish(),
      superuser: z.boolean().nullish()
        .meta({
          description: "Superusers are named in SUPER_USERS of config.yaml: it cannot be changed here.",
        }),
    }),
    responses: { 200: managedUserSchema.extend({ encrypted_password: z.string().optional() }) },
    async handle({ deps, actor, params, body }) {
      requireSuperuserFeature(deps);
      const { password, email, enabled, superuser } = body;
      if (typeof superuser === "boolean" && superuser !== isNamedSuperuser(deps.config, params.username)) {
        // Who may not change the user learns just that.
        await changeManagedUser(deps, actor, params.username, {});
        throw new AppError(
          "invalid_request",
          "Superusers are named in SUPER_USERS of config.yaml: change it there and start again",
        );
      }
      const user = await changeManagedUser(deps, actor, params.username, {
        password,
        email,
        enabled: enabled ?? undefined,
      });
      const quotaOf = await quotaFieldsOf(deps, [user.id]);
      return reply({
        ...managedUserView(deps, user),
        ...quotaOf(user.id),
        ...(password === undefined ? {} : { encrypted_password: encryptPassword(deps.config, password) }),
      });
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "DELETE",
    path: "/superuser/users/{username}",
    operationId: "deleteInstallUser",
    summary: "Deletes a user: the name is free at once, the content goes in the background.",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      requireSuperuserFeature(deps);
      await deleteManagedUser(deps, actor, params.username);
      return NO_CONTENT;
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "POST",
    path: "/superusers/users/{username}/sendrecovery",
    operationId: "sendInstallUserRecoveryEmail",
    summary: "Mails a user how to set a new password. Only with FEATURE_MAILING.",
    responses: { 200: z.object({ email: z.string() }) },
    async handle({ deps, actor, params }) {
      requireSuperuserFeature(deps);
      return reply({ email: await sendRecoveryTo(deps, actor, params.username) });
    },
  }),
];
