import * as z from "zod";
import {
  type AuthorizationRow,
  getAuthorization,
  listAuthorizations,
  revokeAuthorization,
} from "../../domain/oauth/granted_authorizations.ts";
import {
  declineAssignment,
  listAssignments,
  type OauthAssignmentRow,
} from "../../domain/oauth/assignments.ts";
import type { OauthApplicationRow } from "../../domain/oauth/applications.ts";
import { describeScopes, parseScopes } from "../../domain/oauth/scopes.ts";
import { publicApplicationSchema, publicApplicationView } from "./application.ts";
import { pageStart, pageToken } from "./page_token.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";

const PAGE_SIZE = 500;

const scopesSchema = z.array(z.object({
  scope: z.string(),
  title: z.string(),
  description: z.string(),
  icon: z.string(),
  dangerous: z.boolean(),
}));
const applicationSchema = publicApplicationSchema.omit({ uri: true }).extend({ url: z.string() });
const authorizationSchema = z.object({
  uuid: z.string(),
  application: applicationSchema,
  scopes: scopesSchema,
});
const assignmentSchema = z.object({
  uuid: z.string(),
  application: applicationSchema.extend({ clientId: z.string() }),
  scopes: scopesSchema,
  redirectUri: z.string(),
  responseType: z.string(),
});
const pageQuery = z.object({ next_page: z.string().optional() });

export const authorizationRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/user/authorizations",
    operationId: "listUserAuthorizations",
    summary: "What the user has let applications do.",
    scope: "user:admin",
    query: pageQuery,
    responses: {
      200: z.object({ authorizations: z.array(authorizationSchema), next_page: z.string().optional() }),
    },
    async handle({ deps, actor, query }) {
      const after = pageStart(deps, query.next_page);
      const { authorizations, next } = await listAuthorizations(deps, actor, { after, limit: PAGE_SIZE });
      return reply({ authorizations: authorizations.map(authorizationView), ...pageToken(deps, next) });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/user/authorizations/{access_token_uuid}",
    operationId: "getUserAuthorization",
    summary: "One of them.",
    scope: "user:admin",
    responses: { 200: authorizationSchema },
    async handle({ deps, actor, params }) {
      return reply(authorizationView(await getAuthorization(deps, actor, params.access_token_uuid)));
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/user/authorizations/{access_token_uuid}",
    operationId: "deleteUserAuthorization",
    summary: "Takes it back: the application's token is void at once.",
    scope: "user:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      await revokeAuthorization(deps, actor, params.access_token_uuid);
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/user/assignedauthorization",
    operationId: "listAssignedAuthorizations",
    summary: "Tokens that administrators let the user fetch.",
    scope: "user:admin",
    query: pageQuery,
    responses: {
      200: z.object({ authorizations: z.array(assignmentSchema), next_page: z.string().optional() }),
    },
    async handle({ deps, actor, query }) {
      const after = pageStart(deps, query.next_page);
      const { assignments, next } = await listAssignments(deps, actor, { after, limit: PAGE_SIZE });
      return reply({ authorizations: assignments.map(assignmentView), ...pageToken(deps, next) });
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/user/assignedauthorization/{assigned_authorization_uuid}",
    operationId: "deleteAssignedAuthorization",
    summary: "Does without one of them.",
    scope: "user:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      await declineAssignment(deps, actor, params.assigned_authorization_uuid);
      return NO_CONTENT;
    },
  }),
];

function authorizationView(row: AuthorizationRow): z.infer<typeof authorizationSchema> {
  return {
    uuid: row.uuid,
    application: applicationView(row.application),
    scopes: describeScopes(parseScopes(row.scope)),
  };
}

function assignmentView(row: OauthAssignmentRow): z.infer<typeof assignmentSchema> {
  return {
    uuid: row.uuid,
    application: { ...applicationView(row.application), clientId: row.application.clientId },
    scopes: describeScopes(parseScopes(row.scope)),
    redirectUri: row.redirectUri,
    responseType: row.responseType,
  };
}

function applicationView(application: OauthApplicationRow): z.infer<typeof applicationSchema> {
  const { uri: url, ...view } = publicApplicationView(application);
  return { ...view, url };
}
