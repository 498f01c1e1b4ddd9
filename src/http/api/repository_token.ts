/** Quay's tokens of repositories, which it gave up: robots came in their place. */
import * as z from "zod";
import { openRepository } from "../../domain/repositories/repositories.ts";
import { defineRoute, reply, repositoryPath, type Route } from "./route.ts";

const ALL = "/repository/{repository}/tokens/";
const ONE = "/repository/{repository}/tokens/{code}";

const gone = (method: Route["method"], path: typeof ALL | typeof ONE, operationId: string): Route =>
  defineRoute({
    method,
    path,
    operationId,
    summary: "Gone: use robots.",
    scope: "repo:admin",
    responses: { 410: z.object({ message: z.string() }) },
    async handle({ deps, actor, params }) {
      await openRepository(deps, actor, repositoryPath(params.repository), "admin");
      return reply({ message: "Handling of access tokens is no longer supported: use robots" }, 410);
    },
  });

export const repositoryTokenRoutes: readonly Route[] = [
  gone("GET", ALL, "listRepoTokens"),
  gone("POST", ALL, "createToken"),
  gone("GET", ONE, "getTokens"),
  gone("PUT", ONE, "changeToken"),
  gone("DELETE", ONE, "deleteToken"),
];
