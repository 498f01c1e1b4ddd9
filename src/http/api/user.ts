import * as z from "zod";
import { deleteUser, findUser, visibleEmail } from "../../domain/accounts/accounts.ts";
import {
  type Actor,
  isGlobalReadonlySuperuser,
  isRestrictedUser,
  isSuperuser,
} from "../../domain/access/access.ts";
import type { Deps } from "../../domain/deps.ts";
import { listShownNamespaces } from "../../domain/organizations/organization_views.ts";
import { changeProfile, viewProfile } from "../../domain/accounts/profile.ts";
import { hasScope, requirePerson } from "../../domain/access/rights.ts";
import { startSession, startUserSession } from "../../domain/accounts/sessions.ts";
import { AppError } from "../../lib/errors.ts";
import { avatar, avatarSchema } from "./avatar.ts";
import { quotaFields, quotaFieldsOf } from "./quota_view.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";

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
  global_readonly_super_user: z.boolean().optional(),
  ...quotaFields,
});

/** `null` empties it, as an empty text does. */
const metadataText = z.string().max(255).nullish().transform((text) => text === null ? "" : text);

/** What others see of a person. */
const strangerSchema = z.object({ anonymous: z.literal(false), username: z.string(), avatar: avatarSchema });

/** What a token with `user:read` and no more is told of the account. */
const readerSchema = z.object({
  anonymous: z.literal(false),
  username: z.string(),
  avatar: avatarSchema,
  organizations: z.array(organizationSchema.omit({ is_org_admin: true, preferred_namespace: true })),
  super_user: z.boolean().optional(),
  global_readonly_super_user: z.boolean().optional(),
});

/** The account as its owner sees it: with `user:admin` the whole of it. */
async function ownView(
  deps: Deps,
  actor: Actor,
): Promise<z.infer<typeof userSchema> | z.infer<typeof readerSchema>> {
  return hasScope(actor, "user:admin") ? await userView(deps, actor) : await readerView(deps, actor);
}

async function readerView(deps: Deps, actor: Actor): Promise<z.infer<typeof readerSchema>> {
  const { id, username } = requirePerson(actor, "user:read");
  const user = await findUser(deps, username);
  const organizations = await organizationViews(deps, actor, id);
  return {
    anonymous: false,
    username,
    avatar: avatar("user", username, visibleEmail(user)),
    organizations: organizations.map(({ is_org_admin: _, preferred_namespace: __, ...view }) => view),
    ...superuserFields(deps, actor),
  };
}

/** The whole account, for its owner. @param actor the person, under the name that it has by now */
export async function userView(deps: Deps, actor: Actor): Promise<z.infer<typeof userSchema>> {
  const { user, prompts, logins } = await viewProfile(deps, actor);
  return {
    anonymous: false,
    username: user.username,
    avatar: avatar("user", user.username, visibleEmail(user)),
    can_create_repo: isSuperuser(deps.config, actor) || !isRestrictedUser(deps.config, actor),
    is_me: true,
    verified: user.verified,
    email: visibleEmail(user),
    logins: logins.map(({ service, ident, metadataJson }) => ({
      service,
      service_identifier: ident,
      metadata: JSON.parse(metadataJson || "{}"),
    })),
    invoice_email: user.invoiceEmail,
    invoice_email_address: user.invoiceEmailAddress,
    preferred_namespace: false,
    tag_expiration_s: user.tagExpirationS,
    prompts: [...prompts],
    company: user.company,
    family_name: user.familyName,
    given_name: user.givenName,
    location: user.location,
    is_free_account: true,
    has_password_set: user.hasPassword,
    organizations: await organizationViews(deps, actor, user.id),
    ...superuserFields(deps, actor),
    ...(await quotaFieldsOf(deps, [user.id]))(user.id),
  };
}

async function organizationViews(
  deps: Deps,
  actor: Actor,
  userId: number,
): Promise<z.infer<typeof organizationSchema>[]> {
  const organizations = await listShownNamespaces(deps, { id: userId });
  const mayCreate = hasScope(actor, "repo:create") || hasScope(actor, "org:admin");
  return organizations.map((organization) => ({
    name: organization.name,
    avatar: avatar(
      organization.isOrganization ? "org" : "user",
      organization.name,
      visibleEmail(organization),
    ),
    can_create_repo: mayCreate && (organization.role === "admin" || organization.role === "creator"),
    public: organization.isPublic,
    is_org_admin: hasScope(actor, "org:admin") && organization.role === "admin",
    preferred_namespace: false,
  }));
}

function superuserFields({ config }: Deps, actor: Actor) {
  return {
    ...(isSuperuser(config, actor) ? { super_user: true } : {}),
    ...(isGlobalReadonlySuperuser(config, actor) ? { global_readonly_super_user: true } : {}),
  };
}

export const userRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/user/",
    operationId: "getLoggedInUser",
    summary: "Who is signed in.",
    scope: "user:read",
    responses: { 200: z.union([userSchema, readerSchema]) },
    allowAnonymous: true,
    async handle({ deps, actor }) {
      if (actor.kind === "anonymous") {
        // Tells the page that being anonymous is normal here, not that a session has ended.
        throw new AppError("unauthenticated", "Requires authentication", { session_required: false });
      }
      return reply(await ownView(deps, actor));
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/user/",
    operationId: "changeUserDetails",
    summary: "Changes the own account. A new password ends all sessions but the one that answers.",
    scope: "user:admin",
    body: z.object({
      password: z.string().optional(),
      email: z.string().optional().meta({
        description: "Counts once it is confirmed, where mails are sent.",
      }),
      invoice_email: z.boolean().optional(),
      invoice_email_address: metadataText,
      tag_expiration_s: z.int().min(0).optional().meta({
        description: "One of TAG_EXPIRATION_OPTIONS, seconds.",
      }),
      username: z.string().optional(),
      given_name: metadataText,
      family_name: metadataText,
      company: metadataText,
      location: metadataText,
    }),
    responses: { 200: userSchema },
    freshLogin: true,
    async handle({ deps, actor, body, setSession }) {
      const person = requirePerson(actor, "user:admin");
      const { username, newUuid } = await changeProfile(deps, actor, {
        password: body.password,
        email: body.email,
        invoiceEmail: body.invoice_email,
        invoiceEmailAddress: body.invoice_email_address,
        tagExpirationS: body.tag_expiration_s,
        username: body.username,
        givenName: body.given_name,
        familyName: body.family_name,
        company: body.company,
        location: body.location,
      });
      const view = await userView(deps, { ...person, username });
      // A script's token outlives the password; only browsers have sessions.
      if (newUuid === undefined || person.via === "oauth") return reply(view);
      const session = startUserSession(newUuid, deps.now());
      setSession(session);
      return reply(view, 200, { "X-Next-CSRF-Token": session.csrfToken });
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/user/",
    operationId: "deleteCurrentUser",
    summary: "Deletes the own account: its name is free at once, its content goes in the background.",
    scope: "user:admin",
    responses: { 204: null },
    freshLogin: true,
    async handle({ deps, actor, setSession }) {
      const { username, via } = requirePerson(actor, "user:admin");
      if (deps.config.AUTHENTICATION_TYPE !== "Database") throw new AppError("feature_disabled", "Not Found");
      await deleteUser(deps, actor, username);
      if (via !== "oauth") setSession(startSession(deps.now()));
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/users/{username}",
    operationId: "getUserInformation",
    summary: "A person, as others see them.",
    responses: { 200: z.union([userSchema, strangerSchema]) },
    async handle({ deps, actor, params }) {
      const user = await findUser(deps, params.username);
      if (actor.kind === "user" && actor.id === user.id && hasScope(actor, "user:admin")) {
        return reply(await userView(deps, actor));
      }
      const view: z.infer<typeof strangerSchema> = {
        anonymous: false,
        username: user.username,
        avatar: avatar("user", user.username, visibleEmail(user)),
      };
      return reply(view);
    },
  }),
];
