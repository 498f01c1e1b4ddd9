import * as z from "zod";
import {
  manifestPullStatistics,
  requirePullStatistics,
  tagPullStatistics,
} from "../../domain/repositories/pull_statistics.ts";
import { openRepository } from "../../domain/repositories/repositories.ts";
import { defineRoute, reply, repositoryPath, type Route } from "./route.ts";

const date = z.string().nullable().meta({ description: "ISO 8601 in UTC; null: never." });
const ofManifest = { manifest_pull_count: z.int(), last_manifest_pull_date: date };

export const pullStatisticsRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/tag/{tag}/pull_statistics",
    operationId: "getTagPullStatistics",
    summary: "How often a tag was pulled, and what it means now.",
    scope: "repo:read",
    responses: {
      200: z.object({
        tag_name: z.string(),
        tag_pull_count: z.int(),
        last_tag_pull_date: date,
        current_manifest_digest: z.string(),
        ...ofManifest,
      }),
    },
    async handle({ deps, actor, params }) {
      requirePullStatistics(deps);
      const { id } = await openRepository(deps, actor, repositoryPath(params.repository), "read");
      const { tag, manifest, digest } = await tagPullStatistics(deps, id, params.tag);
      return reply({
        tag_name: params.tag,
        tag_pull_count: tag.count,
        last_tag_pull_date: isoDate(tag.lastMs),
        current_manifest_digest: digest,
        manifest_pull_count: manifest.count,
        last_manifest_pull_date: isoDate(manifest.lastMs),
      });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/manifest/{manifestref}/pull_statistics",
    operationId: "getManifestPullStatistics",
    summary: "How often a manifest was pulled, by tags and by its digest.",
    scope: "repo:read",
    responses: { 200: z.object({ manifest_digest: z.string(), ...ofManifest }) },
    async handle({ deps, actor, params }) {
      requirePullStatistics(deps);
      const { id } = await openRepository(deps, actor, repositoryPath(params.repository), "read");
      const { count, lastMs } = await manifestPullStatistics(deps, id, params.manifestref);
      return reply({
        manifest_digest: params.manifestref,
        manifest_pull_count: count,
        last_manifest_pull_date: isoDate(lastMs),
      });
    },
  }),
];

/** To the second. */
function isoDate(ms: number | null): string | null {
  return ms === null ? null : `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
