import * as z from "zod";
import { visibleEmail } from "../../domain/accounts/accounts.ts";
import { listManagedAccounts } from "../../domain/accounts/managed_accounts.ts";
import {
  deleteManagedOrganization,
  renameOrganization,
  takeOwnership,
} from "../../domain/organizations/managed_organizations.ts";
import { avatar, avatarSchema } from "./avatar.ts";
import { integerParam, optionalText } from "./fields.ts";
import { pageStart, pageToken } from "./page_token.ts";
import { quotaFields, quotaFieldsOf } from "./quota_view.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";
import { FOR_SUPERUSERS, pageLimit, requireSuperuserFeature } from "./superuser.ts";

const organizationSchema = z.object({
  name: z.string(),
  email: z.string(),
  avatar: avatarSchema,
  ...quotaFields,
});

export const superuserOrganizationRoutes: readonly Route[] = [
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "GET",
    path: "/superuser/organizations/",
    operationId: "listAllOrganizations",
    summary: "All organizations by name.",
    query: z.object({
      limit: integerParam(0).meta({ description: "Organizations on a page, 1 to 100; absent: all at once." }),
      next_page: z.string().optional(),
    }),
    responses: {
      200: z.object({ organizations: z.array(organizationSchema), next_page: z.string().optional() }),
    },
    async handle({ deps, actor, query }) {
      requireSuperuserFeature(deps);
      const { accounts, next } = await listManagedAccounts(deps, actor, {
        kind: "organization",
        after: pageStart(deps, query.next_page),
        limit: pageLimit(query.limit),
      });
      const quotaOf = await quotaFieldsOf(deps, accounts.map(({ id }) => id));
      return reply({
        organizations: accounts.map((row) => ({ ...organizationView(row), ...quotaOf(row.id) })),
        ...pageToken(deps, next),
      });
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "PUT",
    path: "/superuser/organizations/{name}",
    operationId: "changeOrganization",
    summary: "Gives an organization, and its robots, another name.",
    body: z.object({ name: optionalText }),
    responses: { 200: organizationSchema },
    async handle({ deps, actor, params, body }) {
      requireSuperuserFeature(deps);
      const renamed = await renameOrganization(deps, actor, params.name, body.name ?? params.name);
      const quotaOf = await quotaFieldsOf(deps, [renamed.id]);
      return reply({ ...organizationView(renamed), ...quotaOf(renamed.id) });
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "DELETE",
    path: "/superuser/organizations/{name}",
    operationId: "deleteOrganization",
    summary: "Deletes an organization: its name is free at once, its content goes in the background.",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      requireSuperuserFeature(deps);
      await deleteManagedOrganization(deps, actor, params.name);
      return NO_CONTENT;
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "POST",
    path: "/superuser/takeownership/{namespace}",
    operationId: "takeOwnership",
    summary: "Makes the superuser an owner of an organization, or an organization of a user's account.",
    responses: { 200: z.object({ namespace: z.string() }) },
    async handle({ deps, actor, params }) {
      requireSuperuserFeature(deps);
      await takeOwnership(deps, actor, params.namespace);
      return reply({ namespace: params.namespace });
    },
  }),
];

function organizationView(
  organization: { username: string; email: string },
): z.infer<typeof organizationSchema> {
  const email = visibleEmail(organization);
  return { name: organization.username, email, avatar: avatar("org", organization.username, email) };
}
