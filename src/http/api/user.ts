import * as z from "zod";
import { findUser, visibleEmail } from "../../domain/accounts.ts";
import { isRestrictedUser, isSuperuser } from "../../domain/access.ts";
import { listOrganizationsOf } from "../../domain/organizations.ts";
import { requirePerson } from "../../domain/rights.ts";
import { AppError } from "../../lib/errors.ts";
import { avatar, avatarSchema } from "./avatar.ts";
import { defineRoute, reply, type Route } from "./route.ts";

const organizationSchema = z.object({
  name: z.string(),
  avatar: avatarSchema,
  can_create_repo: z.boolean(),
  public: z.boolean(),
  is_org_admin: z.boolean(),
  preferred_namespace: z.boolean(),
});

export const userSchema = z.object({
  anonymous: z.literal(false),
  username: z.string(),
  avatar: avatarSchema,
  can_create_repo: z.boolean(),
  is_me: z.boolean(),
  verified: z.boolean(),
  email: z.string(),
  logins: z.array(z.object({ service: z.string(), service_identifier: z.string(), metadata: z.unknown() })),
  invoice_email: z.boolean(),
  invoice_email_address: z.string().nullable(),
  preferred_namespace: z.boolean(),
  tag_expiration_s: z.int().meta({ description: "How long deleted tags can be brought back, seconds." }),
  prompts: z.array(z.string()),
  company: z.string().nullable(),
  family_name: z.string().nullable(),
  given_name: z.string().nullable(),
  location: z.string().nullable(),
  is_free_account: z.boolean(),
  has_password_set: z.boolean(),
  organizations: z.array(organizationSchema),
  super_user: z.boolean().optional(),
});

export const userRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/user/",
    operationId: "getLoggedInUser",
    summary: "Who is signed in.",
    scope: "user:read",
    responses: { 200: userSchema },
    allowAnonymous: true,
    async handle({ deps, actor }) {
      if (actor.kind === "anonymous") {
        // Tells the page that being anonymous is normal here, not that a session has ended.
        throw new AppError("unauthenticated", "Requires authentication", { session_required: false });
      }
      const person = requirePerson(actor, "user:read");
      const user = await findUser(deps, person.username);
      const organizations = await listOrganizationsOf(deps, person);
      const superuser = isSuperuser(deps.config, actor);
      const view: z.infer<typeof userSchema> = {
        anonymous: false,
        username: user.username,
        avatar: avatar("user", user.username, visibleEmail(user)),
        can_create_repo: superuser || !isRestrictedUser(deps.config, actor),
        is_me: true,
        verified: user.verified,
        email: visibleEmail(user),
        logins: [],
        invoice_email: user.invoiceEmail,
        invoice_email_address: user.invoiceEmailAddress,
        preferred_namespace: false,
        tag_expiration_s: user.tagExpirationS,
        prompts: [],
        company: user.company,
        family_name: user.familyName,
        given_name: user.givenName,
        location: user.location,
        is_free_account: false,
        has_password_set: user.hasPassword,
        organizations: organizations.map((organization) => ({
          name: organization.name,
          avatar: avatar("org", organization.name, visibleEmail(organization)),
          can_create_repo: organization.role !== "member",
          public: deps.config.PUBLIC_NAMESPACES.includes(organization.name),
          is_org_admin: organization.role === "admin",
          preferred_namespace: false,
        })),
        ...(superuser ? { super_user: true } : {}),
      };
      return reply(view);
    },
  }),
];
