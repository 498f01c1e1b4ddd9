/** Finding things by their names. Nobody finds what they may not see, and no count tells of it. */
import type { RepositoryRow } from "../../drivers/database/queries/repository.ts";
import {
  type FoundTeam,
  type FoundUser,
  searchNamespaces,
  searchRobots,
  searchTeams,
  selectTeamsByPrefix,
  selectUsersByPrefix,
} from "../../drivers/database/queries/search_entity.ts";
import {
  countStars,
  type RepositoryQuery,
  searchRepositories,
  type SearchViewer,
} from "../../drivers/database/queries/search_repository.ts";
import { isOrganizationMember, selectMembersAmong } from "../../drivers/database/queries/team.ts";
import { selectNamespace, type UserRow } from "../../drivers/database/queries/user.ts";
import { type Actor, isGlobalReadonlySuperuser } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { hasFullAccess, hasScope } from "../access/rights.ts";
import { repositoryExtras } from "./stars.ts";

export type { FoundTeam, FoundUser };

type SearchDeps = Pick<Deps, "sql" | "config">;

const MOST_ENTITIES = 10;
const MOST_OF_A_KIND = 5;
/** Longer words are in no name. */
const LONGEST_QUERY = 255;

export interface FoundEntities {
  readonly teams: FoundTeam[];
  /** `isMember` undefined: there was no organization to be in, or the caller may not know. */
  readonly users: (FoundUser & { readonly isMember: boolean | undefined })[];
  readonly organizations: UserRow[];
}

/**
 * Whom somebody could mean by the beginning of a name, to give them a right: people; robots and teams only to those who
 * belong to `namespace`.
 */
export async function findEntities(
  deps: SearchDeps,
  actor: Actor,
  wanted: { prefix: string; namespace: string; includeTeams: boolean; includeOrganizations: boolean },
): Promise<FoundEntities> {
  const { sql, config } = deps;
  const prefix = wanted.prefix.replaceAll(" ", "").toLowerCase().slice(0, LONGEST_QUERY);
  const named = wanted.namespace === "" ? undefined : await selectNamespace(sql, wanted.namespace);
  const belongs = named !== undefined && await belongsTo(deps, actor, named);
  const organization = belongs && named.organization ? named : undefined;
  const robots = belongs ? `${named.username}+` : undefined;
  const users = await selectUsersByPrefix(sql, {
    prefix,
    // Whoever has typed the robot's full name means the same.
    robotPrefix: robots === undefined ? undefined : prefix.startsWith(robots) ? prefix : robots + prefix,
    exactOnly: !config.FEATURE_PARTIAL_USER_AUTOCOMPLETE,
    limit: MOST_ENTITIES,
  });
  const members = organization === undefined
    ? undefined
    : await selectMembersAmong(sql, organization.id, users.map(({ id }) => id));
  return {
    teams: organization === undefined || !wanted.includeTeams
      ? []
      : await selectTeamsByPrefix(sql, organization.id, prefix, MOST_ENTITIES),
    users: users.map((user) => ({ ...user, isMember: members && (user.robot || members.has(user.id)) })),
    organizations: organization !== undefined && wanted.includeOrganizations &&
        organization.username.startsWith(prefix)
      ? [organization]
      : [],
  };
}

/** The person whose namespace it is, members of the organization, and those who may read everything. */
async function belongsTo(deps: SearchDeps, actor: Actor, account: UserRow): Promise<boolean> {
  const { sql, config } = deps;
  if (hasFullAccess(config, actor)) return true;
  if (isGlobalReadonlySuperuser(config, actor) && hasScope(actor, "super:user")) return true;
  if (actor.kind !== "user") return false;
  if (!account.organization) return actor.id === account.id && hasScope(actor, "user:admin");
  return hasScope(actor, "org:admin") && await isOrganizationMember(sql, account.id, actor.id);
}

/** One thing that was found; `score`: how well it fits, the more the better. */
export type Finding =
  & { readonly score: number }
  & (
    | { readonly kind: "team"; readonly team: FoundTeam }
    /** Full name. */
    | { readonly kind: "robot"; readonly name: string }
    | { readonly kind: "repository"; readonly repository: RepositoryRow }
    | {
      readonly kind: "namespace";
      readonly account: { readonly username: string; readonly email: string; readonly organization: boolean };
    }
  );

/** Repositories weigh most, as in Quay. */
const WEIGHT = { namespace: 1, robot: 1, team: 2, repository: 4 } as const;

/** A few of everything whose name holds `query`, the best first. */
export async function findAll(deps: SearchDeps, actor: Actor, query: string): Promise<Finding[]> {
  const word = query.trim().toLowerCase().slice(0, LONGEST_QUERY);
  if (word === "") return [];
  const { sql } = deps;
  const viewer = viewerOf(deps, actor);
  const memberId = actor.kind === "user" && hasScope(actor, "org:admin") ? actor.id : undefined;
  const [teams, robots, repositories, accounts] = await Promise.all([
    memberId === undefined ? [] : searchTeams(sql, memberId, word, MOST_OF_A_KIND),
    memberId === undefined ? [] : searchRobots(sql, memberId, word, MOST_OF_A_KIND),
    searchRepositories(sql, viewer, splitQuery(word), { offset: 0, limit: MOST_OF_A_KIND }),
    searchNamespaces(sql, viewer, word, MOST_OF_A_KIND),
  ]);
  const found: Finding[] = [
    ...teams.map((team) => ({ kind: "team" as const, team, score: WEIGHT.team * fit(team.name, word) })),
    ...robots.map(({ username: name }) => ({
      kind: "robot" as const,
      name,
      score: WEIGHT.robot * fit(name.slice(name.indexOf("+") + 1), word),
    })),
    ...repositories.map((repository) => ({
      kind: "repository" as const,
      repository,
      score: WEIGHT.repository * fit(repository.name, splitQuery(word).word),
    })),
    ...accounts.map((account) => ({
      kind: "namespace" as const,
      account,
      score: WEIGHT.namespace * fit(account.username, word),
    })),
  ];
  return found.sort((a, b) => b.score - a.score);
}

/** How well a name fits the word, 0.5 to 1. */
export function fit(name: string, word: string): number {
  if (name === word) return 1;
  if (name.startsWith(word)) return 0.9;
  const at = name.indexOf(word);
  if (at < 0) return 0.5;
  return /[^a-z0-9]/.test(name[at - 1] ?? "") ? 0.8 : 0.7;
}

export interface FoundRepository {
  readonly repository: RepositoryRow;
  /** Epoch milliseconds; undefined: it has no live tag. */
  readonly lastModifiedMs: number | undefined;
  readonly stars: number;
  /** How often it was used in the last week. */
  readonly popularity: number;
}

export interface RepositoryPage {
  readonly repositories: FoundRepository[];
  readonly more: boolean;
  /** From 1, cut to `SEARCH_MAX_RESULT_PAGE_COUNT`. */
  readonly page: number;
  readonly pageSize: number;
  readonly startIndex: number;
}

/** Repositories whose name or description holds `query` (also as `namespace/name`), page by page. */
export async function findRepositories(
  deps: SearchDeps & Pick<Deps, "now">,
  actor: Actor,
  wanted: { query: string; page: number },
): Promise<RepositoryPage> {
  const { SEARCH_RESULTS_PER_PAGE: pageSize, SEARCH_MAX_RESULT_PAGE_COUNT: pages } = deps.config;
  const page = Math.min(Math.max(1, wanted.page), pages);
  const startIndex = (page - 1) * pageSize;
  const word = wanted.query.trim().toLowerCase().slice(0, LONGEST_QUERY);
  const rows = await searchRepositories(deps.sql, viewerOf(deps, actor), splitQuery(word), {
    offset: startIndex,
    limit: pageSize + 1,
  });
  const shown = rows.slice(0, pageSize);
  const [extras, stars] = await Promise.all([
    repositoryExtras(deps, actor, shown, { lastModified: true, popularity: true }),
    countStars(deps.sql, shown.map(({ id }) => id)),
  ]);
  const starsById = new Map(stars.map(({ id, stars }) => [id, stars]));
  return {
    repositories: shown.map((repository) => ({
      repository,
      lastModifiedMs: extras.lastModifiedMs.get(repository.id),
      stars: starsById.get(repository.id) ?? 0,
      popularity: extras.popularity.get(repository.id) ?? 0,
    })),
    more: rows.length > pageSize && page < pages,
    page,
    pageSize,
    startIndex,
  };
}

/** `names/pace` looks for `pace` in namespaces that begin with `names`. */
function splitQuery(text: string): RepositoryQuery {
  const slash = text.indexOf("/");
  return slash < 0
    ? { namespace: "", word: text }
    : { namespace: text.slice(0, slash), word: text.slice(slash + 1) };
}

/** Nobody's token without `repo:read` finds more than a stranger; strangers nothing without `FEATURE_ANONYMOUS_ACCESS`. */
function viewerOf({ config }: Pick<Deps, "config">, actor: Actor): SearchViewer {
  if (hasFullAccess(config, actor) || isGlobalReadonlySuperuser(config, actor)) {
    return { all: true, userId: null };
  }
  const known = (actor.kind === "user" || actor.kind === "robot") && hasScope(actor, "repo:read");
  return { all: false, userId: known ? actor.id : null };
}
