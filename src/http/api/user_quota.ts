import * as z from "zod";
import { openOwnForQuota, requireQuotas } from "../../domain/quota/quota_access.ts";
import { findQuota, getQuota, limitOf } from "../../domain/quota/quotas.ts";
import { quotaLimitSchema, quotaLimitView, quotaList, quotaSchema, quotaView } from "./quota_view.ts";
import { defineRoute, reply, type Route } from "./route.ts";

/** What people see of the limits of their own namespace. */
export const userQuotaRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/user/quota",
    operationId: "listUserQuota",
    summary: "How much the own namespace may hold.",
    scope: "user:admin",
    responses: { 200: z.array(quotaSchema) },
    async handle({ deps, actor }) {
      requireQuotas(deps);
      return reply(quotaList(deps, await findQuota(deps, await openOwnForQuota(deps, actor))));
    },
  }),
  defineRoute({
    method: "GET",
    path: "/user/quota/{quota_id}",
    operationId: "getUserQuota",
    summary: "The own namespace's quota.",
    scope: "user:admin",
    responses: { 200: quotaSchema },
    async handle({ deps, actor, params }) {
      requireQuotas(deps);
      const own = await openOwnForQuota(deps, actor);
      return reply(quotaView(deps, await getQuota(deps, own, params.quota_id)));
    },
  }),
  defineRoute({
    method: "GET",
    path: "/user/quota/{quota_id}/limit",
    operationId: "listUserQuotaLimit",
    summary: "At which shares of it is warned, and at which refused.",
    scope: "user:admin",
    responses: { 200: z.array(quotaLimitSchema) },
    async handle({ deps, actor, params }) {
      requireQuotas(deps);
      const own = await openOwnForQuota(deps, actor);
      return reply((await getQuota(deps, own, params.quota_id)).limits.map(quotaLimitView));
    },
  }),
  defineRoute({
    method: "GET",
    path: "/user/quota/{quota_id}/limit/{limit_id}",
    operationId: "getUserQuotaLimit",
    summary: "Such a share.",
    scope: "user:admin",
    responses: { 200: quotaLimitSchema },
    async handle({ deps, actor, params }) {
      requireQuotas(deps);
      const own = await openOwnForQuota(deps, actor);
      return reply(quotaLimitView(limitOf(await getQuota(deps, own, params.quota_id), params.limit_id)));
    },
  }),
];
