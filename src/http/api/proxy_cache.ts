import * as z from "zod";
import { openOrganization } from "../../domain/organizations/organizations.ts";
import {
  createProxyCache,
  findProxyCache,
  openForProxyCache,
  type ProxyCacheSettings,
  removeProxyCache,
  requireProxyCache,
  validateProxyCache,
} from "../../domain/organizations/proxy_cache.ts";
import { optionalText } from "./fields.ts";
import { defineRoute, reply, type Route } from "./route.ts";

const settingsSchema = z.object({
  upstream_registry: z.string(),
  upstream_registry_username: optionalText,
  upstream_registry_password: optionalText,
  expiration_s: z.int().nullish().meta({ description: "Seconds; a day when absent." }),
  insecure: z.boolean().nullish(),
  org_name: optionalText.meta({ description: "Quay's clients send it; the path's counts." }),
});

const PATH = "/organization/{orgname}/proxycache";
const DAY_S = 86_400;

export const proxyCacheRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: PATH,
    operationId: "getProxyCacheConfig",
    summary: "The registry that an organization caches; empty fields when there is none.",
    scope: "org:admin",
    responses: {
      200: z.object({
        upstream_registry: z.string(),
        expiration_s: z.union([z.int(), z.literal("")]),
        insecure: z.union([z.boolean(), z.literal("")]),
      }),
    },
    async handle({ deps, actor, params }) {
      requireProxyCache(deps);
      const found = await findProxyCache(deps, await openForProxyCache(deps, actor, params.orgname));
      return reply({
        upstream_registry: found?.upstreamRegistry ?? "",
        expiration_s: found?.expirationS ?? "",
        insecure: found?.insecure ?? "",
      });
    },
  }),
  defineRoute({
    method: "POST",
    path: PATH,
    operationId: "createProxyCacheConfig",
    summary: "Lets an organization stand for another registry.",
    scope: "org:admin",
    body: settingsSchema,
    responses: { 201: z.literal("Created") },
    async handle({ deps, actor, params, body }) {
      requireProxyCache(deps);
      const organization = await openOrganization(deps, actor, params.orgname);
      await createProxyCache(deps, actor, organization, settingsOf(body));
      return reply("Created", 201);
    },
  }),
  defineRoute({
    method: "DELETE",
    path: PATH,
    operationId: "deleteProxyCacheConfig",
    summary: "Ends that.",
    scope: "org:admin",
    responses: { 201: z.literal("Deleted") },
    async handle({ deps, actor, params }) {
      requireProxyCache(deps);
      await removeProxyCache(deps, actor, await openOrganization(deps, actor, params.orgname));
      return reply("Deleted", 201);
    },
  }),
  defineRoute({
    method: "POST",
    path: "/organization/{orgname}/validateproxycache",
    operationId: "validateProxyCacheConfig",
    summary: "Asks the other registry whether the credentials hold; nothing is kept.",
    scope: "org:admin",
    body: settingsSchema,
    responses: { 202: z.enum(["Valid", "Anonymous"]) },
    async handle({ deps, actor, params, body }) {
      requireProxyCache(deps);
      await openOrganization(deps, actor, params.orgname);
      return reply(await validateProxyCache(deps, settingsOf(body)), 202);
    },
  }),
];

/** An empty name is none: the console sends all fields. */
function settingsOf(body: z.infer<typeof settingsSchema>): ProxyCacheSettings {
  return {
    upstreamRegistry: body.upstream_registry,
    username: body.upstream_registry_username || undefined,
    password: body.upstream_registry_password || undefined,
    expirationS: body.expiration_s ?? DAY_S,
    insecure: body.insecure ?? false,
  };
}
