import * as z from "zod";
import { visibleEmail } from "../../domain/accounts/accounts.ts";
import { type Actor, isGlobalReadonlySuperuser } from "../../domain/access/access.ts";
import { requireHuman } from "../../domain/accounts/captcha.ts";
import type { Deps } from "../../domain/deps.ts";
import { createOrganization, deleteOrganization } from "../../domain/organizations/organizations.ts";
import { describeOrganization } from "../../domain/organizations/organization_views.ts";
import { changeOrganization } from "../../domain/organizations/organization_changes.ts";
import { avatar, avatarSchema } from "./avatar.ts";
import { captchaField, optionalText } from "./fields.ts";
import { quotaFields, quotaFieldsOf } from "./quota_view.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";

const teamSchema = z.object({
  name: z.string(),
  description: z.string(),
  role: z.enum(["admin", "creator", "member"]),
  avatar: avatarSchema,
  can_view: z.boolean(),
  repo_count: z.int(),
  member_count: z.int(),
  is_synced: z.boolean(),
});

const organizationSchema = z.object({
  name: z.string(),
  email: z.string().meta({ description: "Empty for those who do not administer it." }),
  avatar: avatarSchema,
  is_admin: z.boolean(),
  is_member: z.boolean(),
  teams: z.record(z.string(), teamSchema).optional(),
  ordered_teams: z.array(z.string()).optional(),
  contact_email: z.string().optional(),
  invoice_email: z.boolean().optional(),
  invoice_email_address: z.string().nullable().optional(),
  tag_expiration_s: z.int().optional(),
  is_free_account: z.boolean().optional(),
  ...quotaFields,
});

/** `null` empties it, as an empty text does. */
const emptiableText = z.string().max(255).nullish().transform((text) => text === null ? "" : text);

export const organizationRoutes: readonly Route[] = [
  defineRoute({
    method: "POST",
    path: "/organization/",
    operationId: "createOrganization",
    summary: "Creates an organization; its creator joins the team owners.",
    scope: "user:admin",
    body: z.object({
      name: z.string(),
      email: optionalText,
      contact_email: optionalText.meta({
        description: "Whom to write to; several organizations may share it.",
      }),
      recaptcha_response: captchaField,
    }),
    responses: { 201: z.literal("Created") },
    async handle({ deps, actor, body }) {
      const { name, email, contact_email: contactEmail, recaptcha_response: captcha } = body;
      const confirm = () => requireHuman(deps, actor, captcha);
      await createOrganization(deps, actor, { name, email, contactEmail }, confirm);
      return reply("Created", 201);
    },
  }),
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}",
    operationId: "getOrganization",
    summary: "An organization as the caller may see it.",
    responses: { 200: organizationSchema },
    async handle({ deps, actor, params }) {
      return reply(await organizationView(deps, actor, params.orgname));
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/organization/{orgname}",
    operationId: "changeOrganizationDetails",
    summary: "Changes settings of an organization.",
    scope: "org:admin",
    body: z.object({
      email: z.string().optional(),
      contact_email: emptiableText,
      invoice_email: z.boolean().optional(),
      invoice_email_address: emptiableText,
      tag_expiration_s: z.int().min(0).optional().meta({
        description: "One of TAG_EXPIRATION_OPTIONS, seconds.",
      }),
    }),
    responses: { 200: organizationSchema },
    async handle({ deps, actor, params, body }) {
      await changeOrganization(deps, actor, params.orgname, {
        email: body.email,
        contactEmail: body.contact_email,
        invoiceEmail: body.invoice_email,
        invoiceEmailAddress: body.invoice_email_address,
        tagExpirationS: body.tag_expiration_s,
      });
      return reply(await organizationView(deps, actor, params.orgname));
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/organization/{orgname}",
    operationId: "deleteAdminedOrganization",
    summary: "Deletes an organization: its name is free at once, its content goes in the background.",
    scope: "org:admin",
    responses: { 204: null },
    freshLogin: true,
    async handle({ deps, actor, params }) {
      await deleteOrganization(deps, actor, params.orgname);
      return NO_CONTENT;
    },
  }),
];

async function organizationView(
  deps: Deps,
  actor: Actor,
  name: string,
): Promise<z.infer<typeof organizationSchema>> {
  const { organization, isAdmin, isMember, teams, contactEmail } = await describeOrganization(
    deps,
    actor,
    name,
  );
  const email = visibleEmail(organization);
  const view: z.infer<typeof organizationSchema> = {
    name: organization.username,
    email: isAdmin ? email || (contactEmail ?? "") : "",
    avatar: avatar("org", organization.username, email),
    is_admin: isAdmin,
    is_member: isMember,
  };
  const isReader = isGlobalReadonlySuperuser(deps.config, actor);
  if (teams !== undefined) {
    view.teams = Object.fromEntries(teams.map((team) => [team.name, {
      name: team.name,
      description: team.description,
      role: team.role,
      avatar: avatar("team", team.name, `${organization.username}/${team.name}`),
      can_view: isAdmin || isReader || team.isMember,
      repo_count: team.repositoryCount,
      member_count: team.memberCount,
      is_synced: team.isSynced,
    }]));
    view.ordered_teams = teams.map((team) => team.name);
  }
  if (isAdmin) {
    view.contact_email = contactEmail || email;
    view.invoice_email = organization.invoiceEmail;
    view.invoice_email_address = organization.invoiceEmailAddress;
    view.tag_expiration_s = organization.tagExpirationS;
    view.is_free_account = true;
  }
  if (isAdmin || isMember || isReader) {
    Object.assign(view, (await quotaFieldsOf(deps, [organization.id]))(organization.id));
  }
  return view;
}
