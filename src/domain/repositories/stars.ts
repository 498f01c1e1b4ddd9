import type { RepositoryRow } from "../../drivers/database/queries/repository.ts";
import {
  deleteStar,
  insertStar,
  selectLastModified,
  selectPopularity,
  selectStarredAmong,
  selectStarredRepositories,
} from "../../drivers/database/queries/star.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, readsEveryRepository } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { openRepository } from "./repositories.ts";
import type { RepositoryPage } from "./repository_lists.ts";
import { hasFullAccess, hasScope, requirePerson } from "../access/rights.ts";

/** Marks a repository that `actor` can read as one of its favourites; again changes nothing. @throws {AppError} */
export async function starRepository(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  path: { namespace: string; name: string },
): Promise<void> {
  const { id: userId } = requirePerson(actor, "user:admin");
  const { id } = await openRepository(deps, actor, path, "read");
  await insertStar(deps.sql, userId, id);
}

/** @throws {AppError} `not_found` when it is not starred, and those of `openRepository` */
export async function unstarRepository(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  path: { namespace: string; name: string },
): Promise<void> {
  const { id: userId } = requirePerson(actor, "user:admin");
  const { id } = await openRepository(deps, actor, path, "read");
  if (!await deleteStar(deps.sql, userId, id)) throw new AppError("not_found", "Not Found");
}

/**
 * What `actor` has starred and can still read: with a token that may not read repositories, nothing.
 * @param options.after where the page before has ended, or `""`
 * @throws {AppError} `unauthenticated`, `insufficient_scope`
 */
export async function listStarred(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  options: { after: string; limit: number },
): Promise<RepositoryPage> {
  const person = requirePerson(actor, "user:read");
  if (!hasScope(actor, "repo:read")) return { repositories: [], next: undefined };
  const afterId = Number(options.after || 0);
  const rows = await selectStarredRepositories(deps.sql, {
    userId: person.id,
    all: hasFullAccess(deps.config, actor) || readsEveryRepository(deps.config, actor),
    afterId: Number.isSafeInteger(afterId) ? afterId : 0,
    limit: options.limit + 1,
  });
  const repositories = rows.slice(0, options.limit);
  const last = repositories.at(-1);
  return { repositories, next: rows.length > options.limit && last !== undefined ? `${last.id}` : undefined };
}

/** What listings may tell of repositories besides their rows, by id; what was not asked for is empty. */
export interface RepositoryExtras {
  /** Undefined for strangers. */
  readonly starred: ReadonlySet<number> | undefined;
  /** Epoch milliseconds. */
  readonly lastModifiedMs: ReadonlyMap<number, number>;
  readonly popularity: ReadonlyMap<number, number>;
}

/** One statement for each thing asked for, however long the page. */
export async function repositoryExtras(
  { sql, now }: Pick<Deps, "sql" | "now">,
  actor: Actor,
  repositories: readonly RepositoryRow[],
  wanted: { lastModified: boolean; popularity: boolean },
): Promise<RepositoryExtras> {
  const ids = repositories.map((repository) => repository.id);
  const [starred, modified, popularity] = await Promise.all([
    actor.kind === "user" ? selectStarredAmong(sql, actor.id, ids) : undefined,
    wanted.lastModified ? selectLastModified(sql, ids, now()) : [],
    wanted.popularity ? selectPopularity(sql, ids, now()) : [],
  ]);
  return {
    starred: starred === undefined ? undefined : new Set(starred),
    lastModifiedMs: new Map(modified.map(({ id, ms }) => [id, ms])),
    popularity: new Map(popularity.map(({ id, score }) => [id, score])),
  };
}
