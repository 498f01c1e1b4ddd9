import * as z from "zod";
import { visibleEmail } from "../../domain/accounts/accounts.ts";
import { refusal } from "../../domain/access/rights.ts";
import { findAll, findEntities, type Finding, findRepositories } from "../../domain/repositories/search.ts";
import { AppError } from "../../lib/errors.ts";
import { type Avatar, avatar, avatarSchema } from "./avatar.ts";
import { booleanParam, integerParam } from "./fields.ts";
import { defineRoute, reply, type Route } from "./route.ts";

const entitySchema = z.object({
  name: z.string(),
  kind: z.enum(["user", "team", "org", "external"]),
  is_robot: z.boolean().optional(),
  is_org_member: z.boolean().optional(),
  avatar: avatarSchema,
  title: z.string().optional(),
});

const score = z.number().meta({ description: "How well it fits; the more the better." });
const accountSchema = z.object({
  kind: z.enum(["user", "organization", "robot"]),
  title: z.enum(["user", "org", "robot"]),
  name: z.string(),
  short_name: z.string().optional(),
  avatar: avatarSchema.nullable(),
  score,
  href: z.string(),
});
const teamSchema = z.object({
  kind: z.literal("team"),
  name: z.string(),
  organization: accountSchema,
  avatar: avatarSchema,
  score,
  href: z.string(),
});
const repositorySchema = z.object({
  kind: z.enum(["repository", "application"]),
  title: z.enum(["repo", "app"]),
  namespace: accountSchema,
  name: z.string(),
  description: z.string().nullable(),
  is_public: z.boolean(),
  score,
  href: z.string(),
  last_modified: z.int().nullable().optional().meta({ description: "Epoch seconds." }),
  stars: z.int().optional(),
  popularity: z.number().optional().meta({ description: "How often it was used in the last week." }),
});

/** What every repository that is found scores, as in Quay. */
const REPOSITORY_SCORE = 4;

export const searchRoutes: readonly Route[] = [
  defineRoute({
    method: "GET",
    path: "/entities/{prefix}",
    operationId: "getMatchingEntities",
    summary: "People, and robots and teams of a namespace, whose names begin so.",
    query: z.object({
      namespace: z.string().default("").meta({ description: "Whose robots and teams are meant." }),
      includeTeams: booleanParam(false),
      includeOrgs: booleanParam(false),
    }),
    responses: { 200: z.object({ results: z.array(entitySchema) }) },
    async handle({ deps, actor, params, query }) {
      const found = await findEntities(deps, actor, {
        prefix: params.prefix,
        namespace: query.namespace,
        includeTeams: query.includeTeams,
        includeOrganizations: query.includeOrgs,
      });
      const results: z.infer<typeof entitySchema>[] = [
        ...found.teams.map(({ name, organization }) => ({
          name,
          kind: "team" as const,
          is_org_member: true,
          avatar: avatar("team", name, `${organization}/${name}`),
        })),
        ...found.users.map(({ username, email, robot, isMember }) => ({
          name: username,
          kind: "user" as const,
          is_robot: robot,
          avatar: avatar(robot ? "robot" : "user", username, visibleEmail({ email })),
          ...(isMember === undefined ? {} : { is_org_member: isMember }),
        })),
        ...found.organizations.map((organization) => ({
          name: organization.username,
          kind: "org" as const,
          is_org_member: true,
          avatar: avatar("org", organization.username, visibleEmail(organization)),
        })),
      ];
      return reply({ results });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/entities/link/{username}",
    operationId: "linkExternalUser",
    summary: "Makes an account for somebody of the directory; without one there is nobody to link.",
    responses: { 404: null },
    handle({ deps, actor }) {
      if (deps.config.AUTHENTICATION_TYPE === "Database" || deps.config.AUTHENTICATION_TYPE === "AppToken") {
        throw new AppError("not_found", "Not Found");
      }
      if (actor.kind !== "user") throw refusal(actor);
      throw new AppError("unsupported", "This registry cannot look people up in the directory");
    },
  }),
  defineRoute({
    method: "GET",
    path: "/find/all",
    operationId: "conductSearch",
    summary: "A few teams, robots, repositories, people and organizations whose names hold a word.",
    scope: "repo:read",
    query: z.object({ query: z.string().default("") }),
    responses: {
      200: z.object({ results: z.array(z.union([teamSchema, repositorySchema, accountSchema])) }),
    },
    async handle({ deps, actor, query }) {
      const own = actor.kind === "user" ? actor.username : undefined;
      return reply({
        results: (await findAll(deps, actor, query.query)).map((found) => findingView(found, own)),
      });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/find/repositories",
    operationId: "conductRepoSearch",
    summary: "Repositories whose name or description holds a word, the best first.",
    scope: "repo:read",
    query: z.object({
      query: z.string().default(""),
      page: integerParam(1).meta({ description: "From 1; SEARCH_MAX_RESULT_PAGE_COUNT is the last." }),
      includeUsage: booleanParam(false).meta({ description: "Changes nothing: usage is always told." }),
    }),
    responses: {
      200: z.object({
        results: z.array(repositorySchema),
        has_additional: z.boolean(),
        page: z.int(),
        page_size: z.int(),
        start_index: z.int(),
      }),
    },
    async handle({ deps, actor, query }) {
      const found = await findRepositories(deps, actor, { query: query.query, page: query.page });
      return reply({
        results: found.repositories.map(({ repository, lastModifiedMs, stars, popularity }) => ({
          ...repositoryView(repository, REPOSITORY_SCORE),
          last_modified: lastModifiedMs === undefined ? null : Math.floor(lastModifiedMs / 1000),
          stars,
          popularity,
        })),
        has_additional: found.more,
        page: found.page,
        page_size: found.pageSize,
        start_index: found.startIndex,
      });
    },
  }),
];

type RepositoryFinding = Extract<Finding, { kind: "repository" }>["repository"];

function repositoryView(repository: RepositoryFinding, score: number): z.infer<typeof repositorySchema> {
  const { namespace, name, description, visibility, inOrganization } = repository;
  return {
    kind: "repository",
    title: "repo",
    namespace: accountView({ username: namespace, email: "", organization: inOrganization }, 1),
    name,
    description,
    is_public: visibility === "public",
    score,
    href: `/repository/${namespace}/${name}`,
  };
}

function findingView(found: Finding, own: string | undefined) {
  switch (found.kind) {
    case "team": {
      const { name, organization, organizationEmail: email } = found.team;
      return {
        kind: "team",
        name,
        organization: accountView({ username: organization, email, organization: true }, 1),
        avatar: avatar("team", name, `${organization}/${name}`),
        score: found.score,
        href: `/organization/${organization}/teams/${name}`,
      };
    }
    case "robot": {
      const [namespace = "", short = ""] = found.name.split("+");
      const page = namespace === own ? "user" : "organization";
      return {
        kind: "robot",
        title: "robot",
        name: found.name,
        short_name: short,
        avatar: null as Avatar | null,
        score: found.score,
        href: `/${page}/${namespace}?tab=robots&showRobot=${encodeURIComponent(found.name)}`,
      };
    }
    case "repository":
      return repositoryView(found.repository, found.score);
    case "namespace":
      return accountView(found.account, found.score);
  }
}

function accountView(
  account: { username: string; email: string; organization: boolean },
  score: number,
): z.infer<typeof accountSchema> {
  const { username, organization } = account;
  return {
    kind: organization ? "organization" : "user",
    title: organization ? "org" : "user",
    name: username,
    avatar: avatar(organization ? "org" : "user", username, visibleEmail(account)),
    score,
    href: `/${organization ? "organization" : "user"}/${username}`,
  };
}
