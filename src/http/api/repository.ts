import * as z from "zod";
import type { Actor } from "../../domain/access/access.ts";
import type { Deps } from "../../domain/deps.ts";
import { requirePerson } from "../../domain/access/rights.ts";
import {
  createRepository,
  describeRepository,
  openRepository,
  REPOSITORY_STATE,
  type RepositoryRow,
} from "../../domain/repositories/repositories.ts";
import { listRepositories, listVisibleRepositories } from "../../domain/repositories/repository_lists.ts";
import {
  deleteRepository,
  setDescription,
  setState,
  setVisibility,
} from "../../domain/repositories/repository_changes.ts";
import { listActionCounts } from "../../domain/repositories/popularity.ts";
import { type QuotaReport, reportRepositories } from "../../domain/quota/quota_reports.ts";
import { listTagHistory } from "../../domain/content/tags.ts";
import { listStarred, type RepositoryExtras, repositoryExtras } from "../../domain/repositories/stars.ts";
import { AppError } from "../../lib/errors.ts";
import { booleanParam, successSchema } from "./fields.ts";
import { pageStart, pageToken } from "./page_token.ts";
import { quotaReportSchema, repositoryReportView } from "./quota_view.ts";
import { defineRoute, NO_CONTENT, reply, repositoryPath, type Route } from "./route.ts";
import { tagSummary, tagSummarySchema } from "./tag.ts";

const PAGE_SIZE = 100;
const visibility = z.enum(["public", "private"]);
const kind = z.enum(["image", "application"]);
const state = z.enum(["NORMAL", "READ_ONLY", "MIRROR", "MARKED_FOR_DELETION", "ORG_MIRROR"]);

/** So many of its tags does a repository show of itself, the youngest. */
const MOST_TAGS = 500;

const repositorySchema = z.object({
  namespace: z.string(),
  name: z.string(),
  kind,
  description: z.string().nullable(),
  is_public: z.boolean(),
  is_organization: z.boolean(),
  is_starred: z.boolean(),
  status_token: z.string(),
  trust_enabled: z.boolean(),
  tag_expiration_s: z.int(),
  is_free_account: z.boolean(),
  state,
  can_write: z.boolean(),
  can_admin: z.boolean(),
  tags: z.record(z.string(), tagSummarySchema).optional()
    .meta({ description: `The ${MOST_TAGS} youngest that live, by name.` }),
  stats: z.array(z.object({ date: z.string(), count: z.int() })).optional()
    .meta({ description: "How often it was used on each of the last days; today is not counted yet." }),
});

const itemSchema = z.object({
  namespace: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  is_public: z.boolean(),
  kind,
  state,
  is_starred: z.boolean().optional(),
  last_modified: z.int().nullable().optional().meta({
    description: "When its youngest live tag was made, epoch seconds; null without one.",
  }),
  popularity: z.number().optional(),
  quota_report: quotaReportSchema.optional(),
});

export const repositoryRoutes: readonly Route[] = [
  defineRoute({
    method: "POST",
    path: "/repository",
    operationId: "createRepo",
    summary: "Creates a repository.",
    scope: "repo:create",
    body: z.object({
      repository: z.string(),
      visibility,
      description: z.string(),
      namespace: z.string().nullish(),
      repo_kind: kind.nullish(),
    }),
    responses: { 201: z.object({ namespace: z.string(), name: z.string(), kind }) },
    async handle({ deps, actor, body }) {
      if (body.repo_kind === "application") {
        throw new AppError("invalid_request", "Application repositories are not supported");
      }
      const namespace = body.namespace ?? requirePerson(actor, "user:read").username;
      const { name } = await createRepository(deps, actor, {
        namespace,
        name: body.repository,
        visibility: body.visibility,
        description: body.description,
      });
      return reply({ namespace, name, kind: "image" }, 201);
    },
  }),
  defineRoute({
    method: "GET",
    path: "/repository",
    operationId: "listRepos",
    summary: "Repositories of a namespace, starred ones, or all that the caller may see.",
    scope: "repo:read",
    query: z.object({
      namespace: z.string().optional(),
      starred: booleanParam(false),
      public: booleanParam(false).meta({
        description: "Public ones besides those that the caller has a right on; these are always among them.",
      }),
      last_modified: booleanParam(false),
      popularity: booleanParam(false),
      quota: booleanParam(true).meta({ description: "false leaves quota_report out." }),
      repo_kind: kind.default("image"),
      next_page: z.string().optional(),
    }),
    responses: { 200: z.object({ repositories: z.array(itemSchema), next_page: z.string().optional() }) },
    async handle({ deps, actor, query }) {
      const { namespace } = query;
      if (namespace === undefined && !query.public && !query.starred) {
        throw new AppError(
          "invalid_request",
          "Say which repositories: namespace=NAME, starred=true or public=true",
        );
      }
      if (query.repo_kind === "application") return reply({ repositories: [] });
      const after = pageStart(deps, query.next_page);
      const page = query.starred
        ? await listStarred(deps, actor, { after, limit: PAGE_SIZE })
        : namespace === undefined
        ? await listVisibleRepositories(deps, actor, { after, limit: PAGE_SIZE })
        : await listRepositories(deps, actor, { namespace, after, limit: PAGE_SIZE });
      const wanted = { lastModified: query.last_modified, popularity: query.popularity };
      const extras = await repositoryExtras(deps, actor, page.repositories, wanted);
      const reports = query.quota ? await reportRepositories(deps, page.repositories) : undefined;
      return reply({
        repositories: page.repositories.map((row) => ({
          ...itemView(row),
          ...extrasView(row.id, extras, wanted),
          ...reportField(reports?.get(row.id)),
        })),
        ...pageToken(deps, page.next),
      });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/repository/{repository}",
    operationId: "getRepo",
    summary: "A repository.",
    scope: "repo:read",
    query: z.object({ includeStats: booleanParam(false), includeTags: booleanParam(true) }),
    responses: { 200: repositorySchema },
    async handle({ deps, actor, params, query }) {
      return reply(await repositoryView(deps, actor, params.repository, query));
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/repository/{repository}",
    operationId: "updateRepo",
    summary: "Changes the description.",
    scope: "repo:write",
    body: z.object({ description: z.string() }),
    responses: { 200: successSchema },
    async handle({ deps, actor, params, body }) {
      const repository = await openRepository(deps, actor, repositoryPath(params.repository), "write");
      await setDescription(deps, actor, repository, body.description);
      return reply({ success: true });
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/repository/{repository}",
    operationId: "deleteRepository",
    summary: "Deletes a repository: its name is free at once, its content goes in the background.",
    scope: "repo:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      const repository = await openRepository(deps, actor, repositoryPath(params.repository), "admin");
      await deleteRepository(deps, actor, repository);
      return NO_CONTENT;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/repository/{repository}/changevisibility",
    operationId: "changeRepoVisibility",
    summary: "Makes a repository public or private.",
    scope: "repo:admin",
    body: z.object({ visibility }),
    responses: { 200: successSchema },
    async handle({ deps, actor, params, body }) {
      const repository = await openRepository(deps, actor, repositoryPath(params.repository), "admin");
      await setVisibility(deps, actor, repository, body.visibility);
      return reply({ success: true });
    },
  }),
  defineRoute({
    method: "PUT",
    path: "/repository/{repository}/changestate",
    operationId: "changeRepoState",
    summary: "Makes a repository read-only, a mirror, or normal again.",
    scope: "repo:admin",
    body: z.object({ state: z.string() }),
    responses: { 200: successSchema },
    async handle({ deps, actor, params, body }) {
      if (!deps.config.FEATURE_REPO_MIRROR) throw new AppError("feature_disabled", "Not Found");
      const repository = await openRepository(deps, actor, repositoryPath(params.repository), "admin");
      await setState(deps, actor, repository, body.state);
      return reply({ success: true });
    },
  }),
];

function stateName(repository: RepositoryRow): z.infer<typeof state> {
  for (const [name, value] of Object.entries(REPOSITORY_STATE)) {
    if (value === repository.state) return name as z.infer<typeof state>;
  }
  return "NORMAL";
}

function itemView(repository: RepositoryRow): z.infer<typeof itemSchema> {
  return {
    namespace: repository.namespace,
    name: repository.name,
    description: repository.description,
    is_public: repository.visibility === "public",
    kind: repository.kind,
    state: stateName(repository),
  };
}

function reportField(report: QuotaReport | undefined): { quota_report?: z.infer<typeof quotaReportSchema> } {
  return report === undefined ? {} : { quota_report: repositoryReportView(report) };
}

function extrasView(
  id: number,
  { starred, lastModifiedMs, popularity }: RepositoryExtras,
  wanted: { lastModified: boolean; popularity: boolean },
) {
  const modifiedMs = lastModifiedMs.get(id);
  return {
    ...(starred === undefined ? {} : { is_starred: starred.has(id) }),
    ...(wanted.lastModified
      ? { last_modified: modifiedMs === undefined ? null : Math.floor(modifiedMs / 1000) }
      : {}),
    ...(wanted.popularity ? { popularity: popularity.get(id) ?? 0 } : {}),
  };
}

async function repositoryView(
  deps: Deps,
  actor: Actor,
  path: string,
  { includeTags, includeStats }: { includeTags: boolean; includeStats: boolean },
): Promise<z.infer<typeof repositorySchema>> {
  const { repository, canWrite, canAdmin, isStarred, tagExpirationS } = await describeRepository(
    deps,
    actor,
    repositoryPath(path),
  );
  const page = { alive: true, offset: 0, limit: MOST_TAGS };
  const stats = includeStats ? await listActionCounts(deps, repository.id) : undefined;
  const tags = includeTags ? (await listTagHistory(deps, repository.id, page)).tags : undefined;
  return {
    ...itemView(repository),
    is_organization: repository.inOrganization,
    is_starred: isStarred,
    status_token: repository.visibility === "public" ? "" : repository.badgeToken,
    trust_enabled: false,
    tag_expiration_s: tagExpirationS,
    is_free_account: true,
    can_write: canWrite,
    can_admin: canAdmin,
    ...(stats === undefined ? {} : { stats: stats.map(({ day, count }) => ({ date: day, count })) }),
    ...(tags === undefined
      ? {}
      : { tags: Object.fromEntries(tags.map((tag) => [tag.name, tagSummary(tag)])) }),
  };
}
