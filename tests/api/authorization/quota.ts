import { findNamespace } from "../../../src/domain/organizations/organizations.ts";
import { createQuota, findQuota, putQuotaLimit } from "../../../src/domain/quota/quotas.ts";
import { OPERATOR } from "../site.ts";
import type { Resource, RouteRule } from "./rules.ts";
import { existing } from "./world.ts";

const FEATURES = ["FEATURE_QUOTA_MANAGEMENT", "FEATURE_EDIT_QUOTA", "FEATURE_SUPER_USERS"];
const quota = (who: string, ok: number, more: Partial<RouteRule> = {}): RouteRule => ({
  who,
  ok,
  features: FEATURES,
  ...more,
});

const LIMITED = "rita";
const body = { limit_bytes: 1000 };
const limit = { type: "Warning", threshold_percent: 50 };
const ORGANIZATION = "/organization/{orgname}/quota";

/** The same under two addresses. */
const forSuperusers = (at: string): Record<string, RouteRule> => ({
  [`GET ${at}`]: quota("SU GRO", 200, { FL: true, with: { namespace: LIMITED } }),
  [`POST ${at}`]: quota("SU", 201, { FL: true, with: { namespace: "oscar" }, body }),
  [`PUT ${at}/{quota_id}`]: quota("SU", 200, { FL: true, with: { namespace: LIMITED }, body, absent: 404 }),
  [`DELETE ${at}/{quota_id}`]: quota("SU", 204, { FL: true, with: { namespace: LIMITED }, absent: 404 }),
});

export const quotas: Resource = {
  routes: {
    [`GET ${ORGANIZATION}`]: quota("M SU GRO", 200),
    // There is one already.
    [`POST ${ORGANIZATION}`]: quota("SU", 400, { body }),
    [`GET ${ORGANIZATION}/{quota_id}`]: quota("M SU GRO", 200, { absent: 404 }),
    [`PUT ${ORGANIZATION}/{quota_id}`]: quota("SU", 200, { body, absent: 404 }),
    [`DELETE ${ORGANIZATION}/{quota_id}`]: quota("SU", 204, { absent: 404 }),
    [`GET ${ORGANIZATION}/{quota_id}/limit`]: quota("M SU GRO", 200),
    [`POST ${ORGANIZATION}/{quota_id}/limit`]: quota("SU", 201, { body: limit }),
    [`GET ${ORGANIZATION}/{quota_id}/limit/{limit_id}`]: quota("M SU GRO", 200, { absent: 404 }),
    [`PUT ${ORGANIZATION}/{quota_id}/limit/{limit_id}`]: quota("SU", 200, { body: limit, absent: 404 }),
    [`DELETE ${ORGANIZATION}/{quota_id}/limit/{limit_id}`]: quota("SU", 204, { absent: 404 }),
    "GET /user/quota": quota("U:adm", 200),
    // Of the callers only rita has one: the ids in the paths are of others' quotas.
    "GET /user/quota/{quota_id}": quota("U:adm", 404, { with: { quota_id: "0" } }),
    "GET /user/quota/{quota_id}/limit": quota("U:adm", 404, { with: { quota_id: "0" } }),
    "GET /user/quota/{quota_id}/limit/{limit_id}": quota("U:adm", 404, {
      with: { quota_id: "0", limit_id: "0" },
    }),
    ...forSuperusers("/superuser/users/{namespace}/quota"),
    ...forSuperusers("/superuser/organization/{namespace}/quota"),
  },
  async prepare(world) {
    const { deps } = world;
    const names = [...existing("organization").map(({ namespace }) => namespace), LIMITED];
    for (const name of names) {
      const namespace = await findNamespace(deps, name);
      await createQuota(deps, OPERATOR, namespace, 5000);
      const { id } = (await findQuota(deps, namespace))!;
      const wish = { type: "Reject", percent: 100 };
      const { limits } = await putQuotaLimit(deps, OPERATOR, namespace, { quota: `${id}` }, wish);
      world.note(name, { quota_id: `${id}`, limit_id: `${limits[0]!.id}` });
      if (name === LIMITED) world.note("", { quota_id: `${id}` });
    }
  },
};
