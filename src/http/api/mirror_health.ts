/** Whether mirroring works, with the fields of Quay 3.18; Quaylet's own are `workers.active`, `.configured`, `repositories.paused`. */
import * as z from "zod";
import type { Deps } from "../../domain/deps.ts";
import { type MirrorHealth, mirrorHealth } from "../../domain/mirroring/health.ts";
import { statusName } from "../../domain/mirroring/model.ts";
import { mirrorDate } from "../../domain/mirroring/settings.ts";
import { booleanParam, integerParam } from "./fields.ts";
import { type ApiReply, type ApiRequest, defineRoute, reply, type Route } from "./route.ts";
import { FOR_SUPERUSERS, requireSuperuserFeature } from "./superuser.ts";

const MOST_MIRRORS = 1000;

const healthSchema = z.object({
  healthy: z.boolean(),
  workers: z.object({
    active: z.int().meta({ description: "Runs under way, on all nodes." }),
    configured: z.int().meta({ description: "Most at once on this node." }),
    status: z.enum(["healthy", "degraded"]),
  }),
  repositories: z.object({
    total: z.int().meta({ description: "Mirrors that are enabled; all counts are of these." }),
    syncing: z.int(),
    paused: z.int().meta({ description: "Of those that are syncing, waiting for their window or budget." }),
    completed: z.int(),
    failed: z.int(),
    never_run: z.int(),
    details: z.array(z.object({
      namespace: z.string(),
      repository: z.string(),
      sync_status: z.string(),
      is_enabled: z.boolean(),
      last_sync: z.string().nullable(),
      retries_remaining: z.int(),
    })).optional(),
    pagination: z.object({ limit: z.int(), offset: z.int(), has_more: z.boolean() }).optional(),
  }),
  tags_pending: z.int(),
  last_check: z.string(),
  issues: z.array(z.object({
    severity: z.enum(["warning", "error", "critical"]),
    message: z.string(),
    timestamp: z.string(),
  })),
});

const querySchema = z.object({
  namespace: z.string().optional().meta({ description: "Only its mirrors." }),
  detailed: booleanParam(false).meta({ description: "With a list of the mirrors." }),
  limit: integerParam(100).meta({ description: `Mirrors in the list, ${MOST_MIRRORS} at most.` }),
  offset: integerParam(0).meta({ description: "Mirrors before the list." }),
});

const responses = { 200: healthSchema, 503: healthSchema };

export const mirrorHealthRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/repository/mirror/health",
    operationId: "getRepositoryMirrorHealth",
    summary:
      "Whether mirroring works: 503 when it does not, with the same fields. All of it is for superusers; " +
      "members and owners name their namespace.",
    scope: "org:admin",
    freshLogin: true,
    query: querySchema,
    responses,
    handle: (request) => answer(request),
  }),
  defineRoute({
    ...FOR_SUPERUSERS,
    method: "GET",
    path: "/superuser/mirror/health",
    operationId: "getSuperUserMirrorHealth",
    summary: "Whether mirroring works in the whole registry: 503 when it does not, with the same fields.",
    query: querySchema.omit({ namespace: true }),
    responses,
    handle(request) {
      requireSuperuserFeature(request.deps);
      return answer({ ...request, query: { ...request.query, namespace: undefined } });
    },
  }),
];

async function answer(
  { deps, actor, query }: Pick<
    ApiRequest<never, unknown, z.infer<typeof querySchema>>,
    "deps" | "actor" | "query"
  >,
): Promise<ApiReply> {
  const limit = Math.max(1, Math.min(query.limit, MOST_MIRRORS));
  const offset = Math.max(0, query.offset);
  const page = query.detailed ? { limit, offset } : undefined;
  const health = await mirrorHealth(deps, actor, { namespace: query.namespace, page });
  return reply(healthView(deps, health, { limit, offset }), health.healthy ? 200 : 503);
}

function healthView(
  { config }: Pick<Deps, "config">,
  { healthy, counts, running, paused, tagsPending, checkedMs, issues, page }: MirrorHealth,
  { limit, offset }: { limit: number; offset: number },
): z.infer<typeof healthSchema> {
  const timestamp = new Date(checkedMs).toISOString();
  return {
    healthy,
    workers: {
      active: running,
      configured: config.REPO_MIRROR_PARALLEL,
      status: healthy ? "healthy" : "degraded",
    },
    repositories: {
      total: counts.total,
      syncing: counts.syncing,
      paused,
      completed: counts.succeeded,
      failed: counts.failed,
      never_run: counts.neverRun,
      ...(page && {
        details: page.mirrors.map((mirror) => ({
          namespace: mirror.namespace,
          repository: mirror.name,
          sync_status: statusName(mirror.status),
          is_enabled: mirror.enabled,
          last_sync: mirror.endedMs === null ? null : mirrorDate(mirror.endedMs),
          retries_remaining: mirror.retriesRemaining,
        })),
        pagination: { limit, offset, has_more: page.hasMore },
      }),
    },
    tags_pending: tagsPending,
    last_check: timestamp,
    issues: issues.map((issue) => ({ ...issue, timestamp })),
  };
}
