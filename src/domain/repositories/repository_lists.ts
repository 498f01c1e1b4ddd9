/** Which repositories somebody may see, page by page. */
import {
  type ListingScope,
  type RepositoryRow,
  selectRepositories,
  selectVisibleRepositories,
} from "../../drivers/database/queries/repository.ts";
import { selectGrantedIds } from "../../drivers/database/queries/repository_permission.ts";
import { isOrganizationAdmin } from "../../drivers/database/queries/team.ts";
import { selectNamespace } from "../../drivers/database/queries/user.ts";
import { type Actor, readsEveryRepository } from "../access/access.ts";
import { hasFullAccess, hasScope } from "../access/rights.ts";
import type { Deps } from "../deps.ts";

export interface RepositoryPage {
  readonly repositories: RepositoryRow[];
  /** Where the next page starts; undefined on the last one. */
  readonly next: string | undefined;
}

/**
 * The repositories of `namespace` that `actor` may see, by name. The page costs the same wherever it is.
 * @param after the last name of the page before, or `""`
 */
export async function listRepositories(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  options: { namespace: string; after: string; limit: number },
): Promise<RepositoryPage> {
  const owner = await selectNamespace(deps.sql, options.namespace);
  if (owner === undefined) return { repositories: [], next: undefined };
  const readerId = hasScope(actor, "repo:read") && actor.kind !== "anonymous" && "id" in actor
    ? actor.id
    : null;
  const all = hasFullAccess(deps.config, actor) || readsEveryRepository(deps.config, actor) ||
    readerId !== null &&
      (readerId === owner.id ||
        owner.organization && await isOrganizationAdmin(deps.sql, owner.id, readerId));
  const rows = await selectRepositories(deps.sql, {
    namespaceId: owner.id,
    scope: all ? { kind: "all" } : await visibleScope(deps, readerId),
    kind: "image",
    afterName: options.after,
    limit: options.limit + 1,
  });
  return page(rows, options.limit, (row) => row.name);
}

/** From here on it is dearer to look at each granted repository than to look for the next that is granted. */
const FEW_GRANTS = 1000;

async function visibleScope({ sql }: Pick<Deps, "sql">, userId: number | null): Promise<ListingScope> {
  if (userId === null) return { kind: "some", grantedIds: [] };
  const grantedIds = await selectGrantedIds(sql, userId, FEW_GRANTS + 1);
  return grantedIds.length > FEW_GRANTS ? { kind: "visible", userId } : { kind: "some", grantedIds };
}

/**
 * Repositories of all namespaces that `actor` may see, oldest first: public ones, those of the own namespace and of
 * organizations that `actor` administers, and those with a permission. Strangers see none without
 * `FEATURE_ANONYMOUS_ACCESS`.
 */
export async function listVisibleRepositories(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  options: { after: string; limit: number },
): Promise<RepositoryPage> {
  const { sql, config } = deps;
  if (actor.kind === "anonymous" && !config.FEATURE_ANONYMOUS_ACCESS) {
    return { repositories: [], next: undefined };
  }
  const reads = hasScope(actor, "repo:read") && (actor.kind === "user" || actor.kind === "robot");
  const viewer = {
    all: hasFullAccess(config, actor) || readsEveryRepository(config, actor),
    userId: reads ? actor.id : null,
  };
  const afterId = Number(options.after || 0);
  const rows = await selectVisibleRepositories(sql, viewer, {
    kind: "image",
    afterId: Number.isSafeInteger(afterId) ? afterId : 0,
    limit: options.limit + 1,
  });
  return page(rows, options.limit, (row) => `${row.id}`);
}

function page(rows: RepositoryRow[], limit: number, key: (row: RepositoryRow) => string): RepositoryPage {
  const repositories = rows.slice(0, limit);
  const last = repositories.at(-1);
  return { repositories, next: rows.length > limit && last !== undefined ? key(last) : undefined };
}
