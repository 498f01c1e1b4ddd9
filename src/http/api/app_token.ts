import * as z from "zod";
import {
  type AppTokenListing,
  createAppToken,
  getAppToken,
  listAppTokens,
  revokeAppToken,
} from "../../domain/accounts/app_tokens.ts";
import { booleanParam, rfc2822 } from "./fields.ts";
import { pageStart, pageToken } from "./page_token.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";

const PAGE_SIZE = 500;

const listingSchema = z.object({
  uuid: z.string(),
  title: z.string(),
  last_accessed: z.string().nullable(),
  created: z.string(),
  expiration: z.string().nullable(),
});
const tokenSchema = z.object({
  token: listingSchema.extend({
    token_code: z.string().meta({ description: "The password for the user name `$app`." }),
  }),
});

export const appTokenRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/user/apptoken",
    operationId: "listAppTokens",
    summary: "The user's application tokens, without their codes.",
    scope: "user:admin",
    query: z.object({ expiring: booleanParam(null), next_page: z.string().optional() }),
    responses: {
      200: z.object({
        tokens: z.array(listingSchema),
        // Quay repeats what was asked, and null when nothing was.
        only_expiring: z.boolean().nullable(),
        next_page: z.string().optional(),
      }),
    },
    async handle({ deps, actor, query }) {
      const { expiring } = query;
      const after = pageStart(deps, query.next_page);
      const { tokens, next } = await listAppTokens(deps, actor, {
        expiring: expiring ?? false,
        after,
        limit: PAGE_SIZE,
      });
      return reply({ tokens: tokens.map(listingView), only_expiring: expiring, ...pageToken(deps, next) });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/user/apptoken",
    operationId: "createAppToken",
    summary: "Makes an application token.",
    scope: "user:admin",
    body: z.object({ title: z.string().trim().min(1).max(255) }),
    responses: { 200: tokenSchema },
    freshLogin: true,
    async handle({ deps, actor, body }) {
      const { token, code } = await createAppToken(deps, actor, body.title);
      return reply({ token: { ...listingView(token), token_code: code } });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/user/apptoken/{token_uuid}",
    operationId: "getAppToken",
    summary: "An application token with its code.",
    scope: "user:admin",
    responses: { 200: tokenSchema },
    freshLogin: true,
    async handle({ deps, actor, params }) {
      const { token, code } = await getAppToken(deps, actor, params.token_uuid);
      return reply({ token: { ...listingView(token), token_code: code } });
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/user/apptoken/{token_uuid}",
    operationId: "revokeAppToken",
    summary: "Makes an application token void.",
    scope: "user:admin",
    responses: { 204: null },
    freshLogin: true,
    async handle({ deps, actor, params }) {
      await revokeAppToken(deps, actor, params.token_uuid);
      return NO_CONTENT;
    },
  }),
];

function listingView(token: AppTokenListing): z.infer<typeof listingSchema> {
  return {
    uuid: token.uuid,
    title: token.title,
    last_accessed: rfc2822(token.lastAccessedMs),
    created: rfc2822(token.createdMs),
    expiration: rfc2822(token.expiresAtMs),
  };
}
