import * as z from "zod";
import { dumpConfig } from "../../domain/site/config_dump.ts";
import { getRegistrySize, queueRegistrySize } from "../../domain/quota/registry_size.ts";
import { requireSuperuserOrReader } from "../../domain/access/rights.ts";
import { listAllAppTokens, readChangelog, registryStatus } from "../../domain/site/site.ts";
import { AppError } from "../../lib/errors.ts";
import { booleanParam, rfc2822 } from "./fields.ts";
import { defineRoute, reply, type Route } from "./route.ts";
import { FOR_SUPERUSERS, requireSuperuserFeature } from "./superuser.ts";

const appTokenSchema = z.object({
  uuid: z.string(),
  title: z.string(),
  last_accessed: z.string().nullable(),
  created: z.string(),
  expiration: z.string().nullable(),
  user: z.string().meta({ description: "Whose it is." }),
});

/** Quay's names of what it tells of builds. */
const BUILD_IDS = {
  logs: "getRepoBuildLogsSuperUser",
  status: "getRepoBuildStatusSuperUser",
  build: "getRepoBuildSuperUser",
} as const;

export const superuserSiteRoutes: readonly Route[] = [
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "GET",
    path: "/superuser/registrysize/",
    operationId: "getRegistrySize",
    summary: "How many bytes the registry held when they were counted last.",
    responses: {
      200: z.object({
        size_bytes: z.int(),
        last_ran: z.int().nullable().meta({ description: "Epoch milliseconds." }),
        queued: z.boolean(),
        running: z.boolean(),
      }),
    },
    async handle({ deps, actor }) {
      requireSuperuserFeature(deps);
      const { sizeBytes, completedMs, queued, running } = await getRegistrySize(deps, actor);
      return reply({ size_bytes: sizeBytes, last_ran: completedMs, queued, running });
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "POST",
    path: "/superuser/registrysize/",
    operationId: "queueRegistrySizeCalculation",
    summary: "Asks for the bytes to be counted. 202: somebody has asked already.",
    responses: { 201: null, 202: null },
    async handle({ deps, actor }) {
      requireSuperuserFeature(deps);
      return { status: await queueRegistrySize(deps, actor) ? 201 : 202 };
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "GET",
    path: "/superuser/changelog/",
    operationId: "getChangeLog",
    summary: "What each version brought, in Markdown.",
    responses: { 200: z.object({ log: z.string() }) },
    handle({ deps, actor }) {
      requireSuperuserFeature(deps);
      return Promise.resolve(reply({ log: readChangelog(deps, actor) }));
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "GET",
    path: "/superuser/registrystatus",
    operationId: "scRegistryStatus",
    summary: "Whether the registry has been set up.",
    responses: {
      200: z.object({ provider_id: z.string(), status: z.enum(["ready", "setup-incomplete"]) }),
    },
    handle({ deps, actor }) {
      requireSuperuserFeature(deps);
      return Promise.resolve(reply({ provider_id: "file", status: registryStatus(deps, actor) }));
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "GET",
    path: "/superuser/config",
    operationId: "dumpConfig",
    summary: "The running configuration, secrets masked. Only with FEATURE_SUPERUSER_CONFIGDUMP.",
    responses: {
      200: z.object({
        config: z.record(z.string(), z.unknown()),
        warning: z.record(z.string(), z.string()),
        env: z.record(z.string(), z.unknown()),
        schema: z.record(z.string(), z.unknown()),
      }),
    },
    handle({ deps, actor }) {
      requireSuperuserFeature(deps);
      return Promise.resolve(reply(dumpConfig(deps, actor, Deno.env.toObject())));
    },
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "GET",
    path: "/superuser/apptokens",
    operationId: "listAllAppTokens",
    summary: "App-specific tokens of everybody, without their codes.",
    query: z.object({
      expiring: booleanParam(false).meta({ description: "Only those that end soon." }),
    }),
    responses: { 200: z.object({ tokens: z.array(appTokenSchema), only_expiring: z.boolean() }) },
    async handle({ deps, actor, query }) {
      requireSuperuserFeature(deps);
      const tokens = await listAllAppTokens(deps, actor, query);
      return reply({
        tokens: tokens.map((token) => ({
          uuid: token.uuid,
          title: token.title,
          last_accessed: rfc2822(token.lastAccessedMs),
          created: rfc2822(token.createdMs),
          expiration: rfc2822(token.expiresAtMs),
          user: token.username,
        })),
        only_expiring: query.expiring,
      });
    },
  }),
  ...(["logs", "status", "build"] as const).map((part) =>
    defineRoute({
      ...FOR_SUPERUSERS,
      method: "GET",
      path: `/superuser/{build_uuid}/${part}`,
      operationId: BUILD_IDS[part],
      summary: "A build: there is none, Quaylet does not build images.",
      responses: { 404: null },
      handle({ deps, actor }) {
        requireSuperuserFeature(deps);
        requireSuperuserOrReader(deps.config, actor);
        throw new AppError("not_found", "Not Found");
      },
    })
  ),
];
