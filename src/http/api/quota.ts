import * as z from "zod";
import {
  changeQuota,
  createQuota,
  findQuota,
  getQuota,
  limitOf,
  putQuotaLimit,
  removeQuota,
  removeQuotaLimit,
} from "../../domain/quota/quotas.ts";
import {
  openAnyForQuota,
  openForQuota,
  openToLimit,
  requireQuotas,
} from "../../domain/quota/quota_access.ts";
import { AppError } from "../../lib/errors.ts";
import { parseBytes } from "../../lib/byte_size.ts";
import { optionalText } from "./fields.ts";
import { quotaLimitSchema, quotaLimitView, quotaList, quotaSchema, quotaView } from "./quota_view.ts";
import { defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";
import { FOR_SUPERUSERS } from "./superuser.ts";

const sizeSchema = z.object({
  limit_bytes: z.number().nullish(),
  limit: optionalText.meta({ description: "In place of limit_bytes, such as 10 GiB." }),
});
const limitSchema = z.object({ type: optionalText, threshold_percent: z.number().nullish() });
const newLimitSchema = z.object({ type: z.string(), threshold_percent: z.number() });

/** Undefined when the body names no size. @throws {AppError} `invalid_request` */
function sizeOf(body: z.infer<typeof sizeSchema>): number | undefined {
  if (body.limit === undefined) return body.limit_bytes ?? undefined;
  const bytes = parseBytes(body.limit);
  if (bytes === undefined) throw new AppError("invalid_request", "Invalid limit format: write it as 10 GiB");
  return bytes;
}

/** @throws {AppError} `invalid_request` */
function requiredSize(body: z.infer<typeof sizeSchema>): number {
  const bytes = sizeOf(body);
  if (bytes === undefined) throw new AppError("invalid_request", "limit_bytes or limit is needed");
  return bytes;
}

const organizationQuotaRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/quota",
    operationId: "listOrganizationQuota",
    summary: "How much an organization may hold.",
    scope: "org:admin",
    responses: { 200: z.array(quotaSchema) },
    async handle({ deps, actor, params }) {
      requireQuotas(deps);
      const organization = await openForQuota(deps, actor, params.orgname);
      return reply(quotaList(deps, await findQuota(deps, organization)));
    },
  }),
  defineRoute({
    method: "POST",
    path: "/organization/{orgname}/quota",
    operationId: "createOrganizationQuota",
    summary: "Limits what an organization may hold.",
    scope: "super:user",
    body: sizeSchema,
    responses: { 201: z.literal("Created") },
    async handle({ deps, actor, params, body }) {
      requireQuotas(deps);
      const organization = await openToLimit(deps, actor, params.orgname, "organization");
      await createQuota(deps, actor, organization, requiredSize(body));
      return reply("Created", 201);
    },
  }),
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/quota/{quota_id}",
    operationId: "getOrganizationQuota",
    summary: "An organization's quota.",
    scope: "org:admin",
    responses: { 200: quotaSchema },
    async handle({ deps, actor, params }) {
      requireQuotas(deps);
      const organization = await openForQuota(deps, actor, params.orgname);
      return reply(quotaView(deps, await getQuota(deps, organization, params.quota_id)));
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/organization/{orgname}/quota/{quota_id}",
    operationId: "changeOrganizationQuota",
    summary: "Changes how much an organization may hold.",
    scope: "super:user",
    body: sizeSchema,
    responses: { 200: quotaSchema },
    async handle({ deps, actor, params, body }) {
      requireQuotas(deps);
      const organization = await openToLimit(deps, actor, params.orgname, "organization");
      return reply(
        quotaView(deps, await changeQuota(deps, actor, organization, params.quota_id, sizeOf(body))),
      );
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/organization/{orgname}/quota/{quota_id}",
    operationId: "deleteOrganizationQuota",
    summary: "Takes an organization's quota away.",
    scope: "super:user",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      requireQuotas(deps);
      const organization = await openToLimit(deps, actor, params.orgname, "organization");
      await removeQuota(deps, actor, organization, params.quota_id);
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/quota/{quota_id}/limit",
    operationId: "listOrganizationQuotaLimit",
    summary: "At which shares of a quota is warned, and at which refused.",
    scope: "org:admin",
    responses: { 200: z.array(quotaLimitSchema) },
    async handle({ deps, actor, params }) {
      requireQuotas(deps);
      const organization = await openForQuota(deps, actor, params.orgname);
      return reply((await getQuota(deps, organization, params.quota_id)).limits.map(quotaLimitView));
    },
  }),
  defineRoute({
    method: "POST",
    path: "/organization/{orgname}/quota/{quota_id}/limit",
    operationId: "createOrganizationQuotaLimit",
    summary: "Adds such a share.",
    scope: "super:user",
    body: newLimitSchema,
    responses: { 201: z.literal("Created") },
    async handle({ deps, actor, params, body }) {
      requireQuotas(deps);
      const organization = await openToLimit(deps, actor, params.orgname, "organization");
      const wish = { type: body.type, percent: body.threshold_percent };
      await putQuotaLimit(deps, actor, organization, { quota: params.quota_id }, wish);
      return reply("Created", 201);
    },
  }),
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/quota/{quota_id}/limit/{limit_id}",
    operationId: "getOrganizationQuotaLimit",
    summary: "Such a share.",
    scope: "org:admin",
    responses: { 200: quotaLimitSchema },
    async handle({ deps, actor, params }) {
      requireQuotas(deps);
      const organization = await openForQuota(deps, actor, params.orgname);
      const quota = await getQuota(deps, organization, params.quota_id);
      return reply(quotaLimitView(limitOf(quota, params.limit_id)));
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/organization/{orgname}/quota/{quota_id}/limit/{limit_id}",
    operationId: "changeOrganizationQuotaLimit",
    summary: "Changes such a share.",
    scope: "super:user",
    body: limitSchema,
    responses: { 200: quotaSchema },
    async handle({ deps, actor, params, body }) {
      requireQuotas(deps);
      const organization = await openToLimit(deps, actor, params.orgname, "organization");
      const ids = { quota: params.quota_id, limit: params.limit_id };
      const wish = { type: body.type, percent: body.threshold_percent ?? undefined };
      return reply(quotaView(deps, await putQuotaLimit(deps, actor, organization, ids, wish)));
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/organization/{orgname}/quota/{quota_id}/limit/{limit_id}",
    operationId: "deleteOrganizationQuotaLimit",
    summary: "Takes such a share away.",
    scope: "super:user",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      requireQuotas(deps);
      const organization = await openToLimit(deps, actor, params.orgname, "organization");
      const ids = { quota: params.quota_id, limit: params.limit_id };
      await removeQuotaLimit(deps, actor, organization, ids);
      return NO_CONTENT;
    },
  }),
];

/** The same under two addresses: of people and of organizations. */
function superuserQuotaRoutes(
  part: "users" | "organization",
  subject: "User" | "Organization",
): readonly Route[] {
  return [
    defineRoute({
      ...FOR_SUPERUSERS,
      method: "GET",
      path: `/superuser/${part}/{namespace}/quota`,
      operationId: `list${subject}QuotaSuperUser`,
      summary: "How much a namespace may hold.",
      responses: { 200: z.array(quotaSchema) },
      async handle({ deps, actor, params }) {
        requireQuotas(deps);
        const quota = await findQuota(deps, await openAnyForQuota(deps, actor, params.namespace));
        return reply(quota === undefined ? [] : [quotaView(deps, quota)]);
      },
    }),
    defineRoute({
      ...FOR_SUPERUSERS,
      method: "POST",
      path: `/superuser/${part}/{namespace}/quota`,
      operationId: `create${subject}QuotaSuperUser`,
      summary: "Limits what a namespace may hold.",
      body: sizeSchema,
      responses: { 201: z.literal("Created") },
      async handle({ deps, actor, params, body }) {
        requireQuotas(deps);
        const namespace = await openToLimit(deps, actor, params.namespace);
        await createQuota(deps, actor, namespace, requiredSize(body));
        return reply("Created", 201);
      },
    }),
    defineRoute({
      ...FOR_SUPERUSERS,
      method: "PUT",
      path: `/superuser/${part}/{namespace}/quota/{quota_id}`,
      operationId: `change${subject}QuotaSuperUser`,
      summary: "Changes how much a namespace may hold.",
      body: sizeSchema,
      responses: { 200: quotaSchema },
      async handle({ deps, actor, params, body }) {
        requireQuotas(deps);
        const namespace = await openToLimit(deps, actor, params.namespace);
        return reply(
          quotaView(deps, await changeQuota(deps, actor, namespace, params.quota_id, sizeOf(body))),
        );
      },
    }),
    defineRoute({
      ...FOR_SUPERUSERS,
      method: "DELETE",
      path: `/superuser/${part}/{namespace}/quota/{quota_id}`,
      operationId: `delete${subject}QuotaSuperUser`,
      summary: "Takes a namespace's quota away.",
      responses: { 204: null },
      async handle({ deps, actor, params }) {
        requireQuotas(deps);
        const namespace = await openToLimit(deps, actor, params.namespace);
        await removeQuota(deps, actor, namespace, params.quota_id);
        return NO_CONTENT;
      },
    }),
  ];
}

export const quotaRoutes: readonly Route[] = [
  ...organizationQuotaRoutes,
  ...superuserQuotaRoutes("users", "User"),
  ...superuserQuotaRoutes("organization", "Organization"),
];
