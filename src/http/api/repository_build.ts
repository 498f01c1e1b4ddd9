import * as z from "zod";
import { openRepository } from "../../domain/repositories/repositories.ts";
import { integerParam } from "./fields.ts";
import { defineRoute, reply, repositoryPath, type Route } from "./route.ts";

export const repositoryBuildRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/repository/{repository}/build/",
    operationId: "getRepoBuilds",
    summary:
      "Builds of the repository: none, Quaylet does not build images. Quay's older console asks all the time.",
    scope: "repo:read",
    query: z.object({ limit: integerParam(5), since: integerParam(0) }),
    responses: { 200: z.object({ builds: z.array(z.never()) }) },
    async handle({ deps, actor, params }) {
      await openRepository(deps, actor, repositoryPath(params.repository), "read");
      return reply({ builds: [] });
    },
  }),
];
