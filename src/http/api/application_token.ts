import * as z from "zod";
import {
  createApplicationToken,
  listApplicationTokens,
  type OauthTokenListing,
  revokeApplicationToken,
} from "../../domain/oauth/application_tokens.ts";
import { pageStart, pageToken } from "./page_token.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";

const PAGE_SIZE = 50;

const tokenSchema = z.object({
  uuid: z.string(),
  name: z.string().nullable().meta({ description: "null for tokens that somebody consented to." }),
  scope: z.string(),
  expires_at: z.string(),
  created: z.string().nullable(),
  created_by: z.string().meta({ description: "Whom it acts for." }),
  last_accessed: z.string().nullable(),
});

export const applicationTokenRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/applications/{client_id}/tokens",
    operationId: "listOrganizationApplicationTokens",
    summary: "The tokens of an OAuth application.",
    scope: "org:admin",
    query: z.object({ next_page: z.string().optional() }),
    responses: { 200: z.object({ tokens: z.array(tokenSchema), next_page: z.string().optional() }) },
    async handle({ deps, actor, params, query }) {
      const after = pageStart(deps, query.next_page);
      const { tokens, next } = await listApplicationTokens(deps, actor, pathOf(params), {
        after,
        limit: PAGE_SIZE,
      });
      return reply({ tokens: tokens.map(tokenView), ...pageToken(deps, next) });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/organization/{orgname}/applications/{client_id}/tokens",
    operationId: "createOrganizationApplicationToken",
    summary: "Makes a token that acts as the caller.",
    scope: "org:admin",
    body: z.object({
      name: z.string().trim().min(1).max(255),
      scope: z.string().max(1024).meta({ description: "Scopes separated by spaces or commas." }),
      expiration: z.number().min(1).optional().meta({ description: "Lifetime in seconds." }),
    }),
    responses: { 200: tokenSchema.extend({ token: z.string() }) },
    async handle({ deps, actor, params, body }) {
      const { token, listing } = await createApplicationToken(deps, actor, pathOf(params), {
        name: body.name,
        scope: body.scope,
        lifetimeS: body.expiration,
      });
      return reply({ ...tokenView(listing), token });
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/organization/{orgname}/applications/{client_id}/tokens/{token_uuid}",
    operationId: "deleteOrganizationApplicationToken",
    summary: "Makes a token void.",
    scope: "org:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      await revokeApplicationToken(deps, actor, pathOf(params), params.token_uuid);
      return NO_CONTENT;
    },
  }),
];

function pathOf(params: Readonly<Record<"orgname" | "client_id", string>>) {
  return { organization: params.orgname, clientId: params.client_id };
}

function tokenView(token: OauthTokenListing): z.infer<typeof tokenSchema> {
  return {
    uuid: token.uuid,
    name: token.displayName,
    scope: token.scope,
    expires_at: isoDate(token.expiresAtMs),
    created: token.createdMs === null ? null : isoDate(token.createdMs),
    created_by: token.username,
    last_accessed: token.lastAccessedMs === null ? null : isoDate(token.lastAccessedMs),
  };
}

/** Quay 3.18 writes these dates in ISO 8601. */
function isoDate(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
