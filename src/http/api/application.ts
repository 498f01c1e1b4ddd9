import * as z from "zod";
import { visibleEmail } from "../../domain/accounts/accounts.ts";
import {
  changeApplication,
  createApplication,
  deleteApplication,
  findApplication,
  getApplication,
  listApplications,
  type OauthApplication,
  type OauthApplicationRow,
  resetApplicationSecret,
} from "../../domain/oauth/applications.ts";
import { avatar, avatarSchema } from "./avatar.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";

const name = z.string().trim().min(1).max(255);
const uri = z.string().max(255);
const description = z.string().max(10_000).nullish();
const avatarEmail = z.string().max(255).nullish();

const applicationSchema = z.object({
  name: z.string(),
  description: z.string(),
  application_uri: z.string(),
  client_id: z.string(),
  client_secret: z.string().nullable().meta({ description: "null for those who do not administer it." }),
  redirect_uri: z.string().meta({ description: "What redirect addresses must begin with." }),
  avatar_email: z.string().nullable(),
});

export const publicApplicationSchema = z.object({
  name: z.string(),
  description: z.string(),
  uri: z.string(),
  avatar: avatarSchema,
  organization: z.object({ name: z.string(), avatar: avatarSchema }),
});

export const applicationRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/applications",
    operationId: "getOrganizationApplications",
    summary: "The organization's OAuth applications.",
    scope: "org:admin",
    responses: { 200: z.object({ applications: z.array(applicationSchema) }) },
    async handle({ deps, actor, params }) {
      const applications = await listApplications(deps, actor, params.orgname);
      return reply({ applications: applications.map(applicationView) });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/organization/{orgname}/applications",
    operationId: "createOrganizationApplication",
    summary: "Creates an OAuth application.",
    scope: "org:admin",
    body: z.object({
      name,
      redirect_uri: uri.nullish(),
      application_uri: uri.nullish(),
      description,
      avatar_email: avatarEmail,
    }),
    responses: { 200: applicationSchema },
    async handle({ deps, actor, params, body }) {
      return reply(
        applicationView(await createApplication(deps, actor, params.orgname, fieldsOf(body))),
      );
    },
  }),
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/applications/{client_id}",
    operationId: "getOrganizationApplication",
    summary: "One of the organization's OAuth applications.",
    scope: "org:admin",
    responses: { 200: applicationSchema },
    async handle({ deps, actor, params }) {
      return reply(applicationView(await getApplication(deps, actor, pathOf(params))));
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/organization/{orgname}/applications/{client_id}",
    operationId: "updateOrganizationApplication",
    summary: "Changes an OAuth application.",
    scope: "org:admin",
    body: z.object({
      name,
      redirect_uri: uri,
      application_uri: uri,
      description,
      avatar_email: avatarEmail,
    }),
    responses: { 200: applicationSchema },
    async handle({ deps, actor, params, body }) {
      return reply(
        applicationView(await changeApplication(deps, actor, pathOf(params), fieldsOf(body))),
      );
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/organization/{orgname}/applications/{client_id}",
    operationId: "deleteOrganizationApplication",
    summary: "Deletes an OAuth application with every token that it was given.",
    scope: "org:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      await deleteApplication(deps, actor, pathOf(params));
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/organization/{orgname}/applications/{client_id}/resetclientsecret",
    operationId: "resetOrganizationApplicationClientSecret",
    summary: "Gives the application a new secret; the old one is void at once.",
    scope: "org:admin",
    responses: { 200: applicationSchema },
    async handle({ deps, actor, params }) {
      return reply(applicationView(await resetApplicationSecret(deps, actor, pathOf(params))));
    },
  }),
  defineRoute({
    method: "GET",
    path: "/app/{client_id}",
    operationId: "getApplicationInformation",
    summary: "What everybody may know of an OAuth application.",
    responses: { 200: publicApplicationSchema },
    async handle({ deps, params }) {
      return reply(publicApplicationView(await findApplication(deps, params.client_id)));
    },
  }),
];

function pathOf(params: Readonly<Record<"orgname" | "client_id", string>>) {
  return { organization: params.orgname, clientId: params.client_id };
}

function fieldsOf(body: {
  name: string;
  redirect_uri?: string | null | undefined;
  application_uri?: string | null | undefined;
  description?: string | null | undefined;
  avatar_email?: string | null | undefined;
}) {
  return {
    name: body.name,
    redirectUri: body.redirect_uri ?? "",
    applicationUri: body.application_uri ?? "",
    description: body.description ?? "",
    avatarEmail: body.avatar_email || null,
  };
}

function applicationView(application: OauthApplication): z.infer<typeof applicationSchema> {
  return {
    name: application.name,
    description: application.description,
    application_uri: application.applicationUri,
    client_id: application.clientId,
    client_secret: application.secret ?? null,
    redirect_uri: application.redirectUri,
    avatar_email: application.avatarEmail,
  };
}

export function publicApplicationView(
  application: OauthApplicationRow,
): z.infer<typeof publicApplicationSchema> {
  const ownerEmail = visibleEmail({ email: application.ownerEmail });
  return {
    name: application.name,
    description: application.description,
    uri: application.applicationUri,
    avatar: avatar("app", application.name, application.avatarEmail ?? ownerEmail),
    organization: {
      name: application.ownerName,
      avatar: avatar(application.ownerIsOrganization ? "org" : "user", application.ownerName, ownerEmail),
    },
  };
}
