import * as z from "zod";
import { listStarred, starRepository, unstarRepository } from "../../domain/repositories/stars.ts";
import { pageStart, pageToken } from "./page_token.ts";
import { defineRoute, NO_CONTENT, reply, repositoryPath, type Route } from "./route.ts";

const PAGE_SIZE = 100;

const starredSchema = z.object({
  namespace: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  is_public: z.boolean(),
});
const pathSchema = z.object({ namespace: z.string(), repository: z.string() });

export const starRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/user/starred",
    operationId: "listStarredRepos",
    summary: "Repositories that the user has starred.",
    scope: "user:read",
    query: z.object({ next_page: z.string().optional() }),
    responses: { 200: z.object({ repositories: z.array(starredSchema), next_page: z.string().optional() }) },
    async handle({ deps, actor, query }) {
      const after = pageStart(deps, query.next_page);
      const { repositories, next } = await listStarred(deps, actor, { after, limit: PAGE_SIZE });
      return reply({
        repositories: repositories.map(({ namespace, name, description, visibility }) => ({
          namespace,
          name,
          description,
          is_public: visibility === "public",
        })),
        ...pageToken(deps, next),
      });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/user/starred",
    operationId: "createStar",
    summary: "Stars a repository.",
    scope: "user:admin",
    body: pathSchema,
    responses: { 201: pathSchema },
    async handle({ deps, actor, body: { namespace, repository } }) {
      await starRepository(deps, actor, { namespace, name: repository });
      return reply({ namespace, repository }, 201);
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/user/starred/{repository}",
    operationId: "deleteStar",
    summary: "Takes the star away.",
    scope: "user:admin",
    responses: { 204: null },
    async handle({ deps, actor, params }) {
      await unstarRepository(deps, actor, repositoryPath(params.repository));
      return NO_CONTENT;
    },
  }),
];
