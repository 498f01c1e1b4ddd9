import * as z from "zod";
import type { Deps } from "../../domain/deps.ts";
import { usernameOf } from "../../domain/mirroring/inspection.ts";
import { statusName } from "../../domain/mirroring/model.ts";
import {
  changeOrganizationMirror,
  createOrganizationMirror,
  openForOrganizationMirroring,
  removeOrganizationMirror,
  requireOrganizationMirror,
} from "../../domain/mirroring/organization_administration.ts";
import {
  cancelOrganizationMirror,
  listDiscovered,
  syncOrganizationNow,
  verifyOrganizationMirror,
} from "../../domain/mirroring/organization_steering.ts";
import {
  type OrganizationMirror,
  REPOSITORY_SYNC_STATUS,
} from "../../domain/mirroring/organization_mirrors.ts";
import type { OrganizationMirrorChange } from "../../domain/mirroring/organization_settings.ts";
import { mirrorDate } from "../../domain/mirroring/settings.ts";
import { accepted } from "./mirror.ts";
import { connectionOf, mirrorDateSchema, proxyView, registryConfigSchema } from "./mirror_settings.ts";
import { type ApiRequest, defineRoute, NO_CONTENT, reply, type Route } from "./route.ts";

/** Somebody waits. */
const VERIFY_MS = 60_000;
const PAGE_SIZE = 100;
const PAGE_SIZE_MAX = 500;
/** Beyond what a namespace can have. */
const PAGES_MAX = 1_000_000;

const visibility = z.enum(["public", "private"]).meta({ description: "Of the repositories that are made." });
const product = z.enum(["harbor", "quay"]);
const statuses = Object.keys(REPOSITORY_SYNC_STATUS) as (keyof typeof REPOSITORY_SYNC_STATUS)[];
const repositoryStatus = z.enum(statuses);

const optional = {
  is_enabled: z.boolean().optional(),
  external_registry_username: z.string().nullish(),
  external_registry_password: z.string().nullish().meta({
    description: "For Quay an OAuth token with the scope repo:read; its user name is $oauthtoken.",
  }),
  external_registry_config: registryConfigSchema.omit({ unsigned_images: true }).nullish(),
  repository_filters: z.array(z.string()).optional().meta({
    description: "Patterns of repositories (fnmatch); one that fits is enough, none: all.",
  }),
  skopeo_timeout: z.int().min(30).max(3600).optional()
    .meta({ description: "s; longest time for one small request." }),
  architecture_filter: z.array(z.string()).nullish()
    .meta({ description: "Of an index, only these; the index itself stays as it is." }),
};

const url = z.string().meta({ description: "https://host[:port]" });
const namespace = z.string().max(255).meta({ description: "Quay's organization or user, Harbor's project." });
const interval = z.int().min(60).max(0x7fffffff).meta({ description: "s" });
const robot = z.string().meta({ description: "A robot of the organization; it alone may push." });

const newSchema = z.object({
  external_registry_type: product,
  external_registry_url: url,
  external_namespace: namespace,
  robot_username: robot,
  visibility,
  sync_interval: interval,
  sync_start_date: mirrorDateSchema,
  ...optional,
});

const changeSchema = z.object({
  external_registry_url: url.optional(),
  external_namespace: namespace.optional(),
  robot_username: robot.optional(),
  visibility: visibility.optional(),
  sync_interval: interval.optional(),
  sync_start_date: mirrorDateSchema.optional(),
  ...optional,
});

const date = z.string().nullable();

const mirrorSchema = z.object({
  is_enabled: z.boolean(),
  external_registry_type: product,
  external_registry_url: z.string(),
  external_namespace: z.string(),
  external_registry_username: z.string().nullable(),
  external_registry_config: registryConfigSchema.omit({ unsigned_images: true }),
  repository_filters: z.array(z.string()),
  robot_username: z.string(),
  visibility,
  sync_interval: z.int(),
  sync_start_date: date,
  sync_expiration_date: date,
  sync_status: z.string().meta({ description: "Of the search for repositories." }),
  sync_retries_remaining: z.int(),
  skopeo_timeout: z.int(),
  architecture_filter: z.array(z.string()),
  creation_date: z.string(),
  status_message: z.string().nullable().meta({
    description: "Quaylet's own: how the last search for repositories ended.",
  }),
});

const repositoriesSchema = z.object({
  repositories: z.array(z.object({
    name: z.string(),
    sync_status: repositoryStatus.meta({ description: "SKIP: gone there, or left out by the filters." }),
    discovery_date: z.string(),
    last_sync_date: date,
    status_message: z.string().nullable(),
    quay_repository: z.string().nullable(),
  })),
  page: z.int(),
  limit: z.int(),
  total: z.int(),
  has_next: z.boolean(),
});

type OrganizationRequest = Pick<ApiRequest<"orgname">, "deps" | "actor" | "params">;

function opened({ deps, actor, params }: OrganizationRequest, how: "read" | "change") {
  return openForOrganizationMirroring(deps, actor, params.orgname, how);
}

export const organizationMirrorRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/mirror",
    operationId: "getOrgMirrorConfig",
    summary:
      "Which namespace of another registry an organization follows, and how. Passwords are never told.",
    scope: "org:admin",
    responses: { 200: mirrorSchema },
    async handle(request) {
      const mirror = await requireOrganizationMirror(request.deps, await opened(request, "read"));
      return reply(viewOf(request.deps, mirror));
    },
  }),
  defineRoute({
    method: "POST",
    path: "/organization/{orgname}/mirror",
    operationId: "createOrgMirrorConfig",
    summary:
      "Lets an organization without repositories, immutability policies and proxy cache follow a namespace. The answer " +
      "has a body only when there is a warning: {warnings}, for a host that does not resolve at the moment.",
    scope: "org:admin",
    body: newSchema,
    responses: { 201: null },
    async handle(request) {
      const { deps, actor, body } = request;
      const organization = await opened(request, "change");
      const warnings = await createOrganizationMirror(deps, actor, organization, {
        ...changeOf(body),
        product: body.external_registry_type,
        registryUrl: body.external_registry_url,
        namespace: body.external_namespace,
        robotName: body.robot_username,
        visibility: body.visibility,
        intervalS: body.sync_interval,
        startMs: Date.parse(body.sync_start_date),
      });
      return accepted(warnings);
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/organization/{orgname}/mirror",
    operationId: "updateOrgMirrorConfig",
    summary: "Changes what is given, also of the repositories' mirrors. The answer is that of the creation.",
    scope: "org:admin",
    body: changeSchema,
    responses: { 200: null },
    async handle(request) {
      const { deps, actor, body } = request;
      const organization = await opened(request, "change");
      return accepted(await changeOrganizationMirror(deps, actor, organization, changeOf(body)), 200);
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/organization/{orgname}/mirror",
    operationId: "deleteOrgMirrorConfig",
    summary: "Ends the mirror: its repositories stay, as normal ones.",
    scope: "org:admin",
    responses: { 204: null },
    async handle(request) {
      const { deps, actor } = request;
      await removeOrganizationMirror(deps, actor, await opened(request, "change"));
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/organization/{orgname}/mirror/sync-now",
    operationId: "syncOrgMirrorNow",
    summary:
      "Queues a search for repositories, after which all of them run. 400 while any of this is under way.",
    scope: "org:admin",
    responses: { 204: null },
    async handle(request) {
      const { deps, actor } = request;
      await syncOrganizationNow(deps, actor, await opened(request, "change"));
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/organization/{orgname}/mirror/sync-cancel",
    operationId: "cancelOrgMirrorSync",
    summary:
      "Stops the search and all runs; none starts before somebody asks. 400 when there is nothing to stop.",
    scope: "org:admin",
    responses: { 204: null },
    async handle(request) {
      const { deps, actor } = request;
      await cancelOrganizationMirror(deps, actor, await opened(request, "change"));
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/organization/{orgname}/mirror/verify",
    operationId: "verifyOrgMirrorConnection",
    summary: "Whether the other registry answers and takes the credentials; changes nothing.",
    scope: "org:admin",
    responses: { 200: z.object({ success: z.boolean(), message: z.string() }) },
    async handle(request) {
      const { deps } = request;
      const mirror = await requireOrganizationMirror(deps, await opened(request, "change"));
      return reply(await verifyOrganizationMirror(deps, mirror, AbortSignal.timeout(VERIFY_MS)));
    },
  }),
  defineRoute({
    method: "GET",
    path: "/organization/{orgname}/mirror/repositories",
    operationId: "listOrgMirrorRepositories",
    summary: "The repositories that were found, by name, and how each stands.",
    scope: "org:admin",
    query: z.object({
      page: z.coerce.number().int().max(PAGES_MAX).default(1).transform((page) => Math.max(1, page)),
      limit: z.coerce.number().int().default(PAGE_SIZE).transform((limit) =>
        limit < 1 ? PAGE_SIZE : Math.min(limit, PAGE_SIZE_MAX)
      ).meta({ description: `${PAGE_SIZE} unless given, ${PAGE_SIZE_MAX} at most.` }),
      status: repositoryStatus.optional(),
    }),
    responses: { 200: repositoriesSchema },
    async handle(request) {
      const { deps, query: { page, limit, status } } = request;
      const mirror = await requireOrganizationMirror(deps, await opened(request, "read"));
      const wanted = status && REPOSITORY_SYNC_STATUS[status];
      const { rows, total } = await listDiscovered(deps, mirror, { page, limit, status: wanted });
      const repositories = rows.map((row) => ({
        name: row.name,
        sync_status: statuses.find((name) => REPOSITORY_SYNC_STATUS[name] === row.status) ?? "NEVER_RUN",
        discovery_date: mirrorDate(row.discoveredMs),
        last_sync_date: row.lastSyncMs === null ? null : mirrorDate(row.lastSyncMs),
        status_message: row.statusMessage,
        quay_repository: row.hasRepository ? `${mirror.organization}/${row.name}` : null,
      }));
      return reply({ repositories, page, limit, total, has_next: page * limit < total });
    },
  }),
];

function changeOf(body: z.infer<typeof changeSchema>): OrganizationMirrorChange {
  return {
    ...connectionOf(body),
    enabled: body.is_enabled,
    registryUrl: body.external_registry_url,
    namespace: body.external_namespace,
    filters: body.repository_filters,
    robotName: body.robot_username,
    visibility: body.visibility,
    intervalS: body.sync_interval,
    startMs: body.sync_start_date === undefined ? undefined : Date.parse(body.sync_start_date),
    timeoutS: body.skopeo_timeout,
    architectures: body.architecture_filter === null ? [] : body.architecture_filter,
  };
}

function viewOf(
  deps: Pick<Deps, "secrets">,
  mirror: OrganizationMirror,
): z.infer<typeof mirrorSchema> {
  const { source, startMs, expirationMs } = mirror;
  const username = usernameOf(deps, mirror);
  return {
    is_enabled: mirror.enabled,
    external_registry_type: mirror.product,
    external_registry_url: mirror.registryUrl,
    external_namespace: mirror.namespace,
    external_registry_username: username === undefined ? "(invalid. please re-enter)" : username,
    external_registry_config: { verify_tls: source.verifyTls, proxy: proxyView(source.proxy) },
    repository_filters: [...mirror.filters],
    robot_username: mirror.robotName,
    visibility: mirror.visibility,
    sync_interval: mirror.intervalS,
    sync_start_date: startMs === null ? null : mirrorDate(startMs),
    sync_expiration_date: expirationMs === null ? null : mirrorDate(expirationMs),
    sync_status: statusName(mirror.status),
    sync_retries_remaining: mirror.retriesRemaining,
    skopeo_timeout: mirror.timeoutS,
    architecture_filter: [...mirror.architectures],
    creation_date: mirrorDate(mirror.createdMs),
    status_message: mirror.statusMessage,
  };
}
