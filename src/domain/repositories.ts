import {
  applyPrototypes,
  insertRepository,
  REPOSITORY_STATE,
  type RepositoryRef,
  type RepositoryRow,
  type RepositoryState,
  selectRepository,
  type Visibility,
} from "../drivers/database/queries/repository.ts";
import { upsertUserPermission } from "../drivers/database/queries/repository_permission.ts";
import { selectNamespace } from "../drivers/database/queries/user.ts";
import type { Sql } from "../drivers/database/postgres.ts";
import { AppError } from "../lib/errors.ts";
import { type Actor, canCreateRepository } from "./access.ts";
import type { Deps } from "./deps.ts";
import { isRepositoryName } from "./names.ts";

export { REPOSITORY_STATE };
export type { RepositoryRef, RepositoryRow, RepositoryState, Visibility };

/** The live repository of that name in one indexed statement; one that is marked for deletion does not exist. */
export function findRepository(
  sql: Sql,
  namespace: string,
  name: string,
): Promise<RepositoryRow | undefined> {
  return selectRepository(sql, namespace, name);
}

export interface NewRepository {
  readonly namespace: string;
  readonly name: string;
  readonly visibility: Visibility;
  readonly description?: string;
}

/**
 * Creates a repository; its creator becomes administrator, and the organization's default permissions are applied.
 * Of two creators at once one wins.
 * @throws {AppError} `name_invalid`, `not_found` (namespace), `insufficient_scope` / `unauthenticated`, `already_exists`
 */
export async function createRepository(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  wanted: NewRepository,
): Promise<RepositoryRef> {
  const { repository, created } = await createOrFindRepository(deps, actor, wanted);
  if (!created) throw new AppError("already_exists", "Repository already exists");
  return repository;
}

/**
 * As {@link createRepository}, for a push: a repository that is there by now is returned as it is. Whether `actor` may
 * push to that one is the caller's question.
 */
export async function createOrFindRepository(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  wanted: NewRepository,
): Promise<{ repository: RepositoryRef; created: boolean }> {
  const { sql, config } = deps;
  const { namespace, name, visibility } = wanted;
  if (!isRepositoryName(name, config.FEATURE_EXTENDED_REPOSITORY_NAMES)) {
    throw new AppError("name_invalid", "Invalid repository name");
  }
  const owner = await selectNamespace(sql, namespace);
  // Before the permission, a missing namespace and a foreign one look alike.
  if (!await canCreateRepository(deps, actor, namespace)) throw refusal(actor);
  if (owner === undefined) throw new AppError("not_found", "Namespace not found");
  if (!owner.enabled) throw new AppError("namespace_disabled", "Namespace is disabled");
  const creatorId = actor.kind === "user" || actor.kind === "robot" ? actor.id : null;
  const created = await sql.begin(async (tx) => {
    const id = await insertRepository(tx, {
      namespaceId: owner.id,
      name,
      visibility,
      description: wanted.description ?? "",
      kind: "image",
    });
    if (id === undefined) return false;
    if (creatorId !== null) {
      await upsertUserPermission(tx, { repositoryId: id, userId: creatorId, role: "admin" });
    }
    if (creatorId !== owner.id) await applyPrototypes(tx, id, owner.id, creatorId);
    return true;
  });
  const repository = await selectRepository(sql, namespace, name);
  // Deleted again in between: the creator learns that it is not there.
  if (repository === undefined) throw new AppError("not_found", "Repository not found");
  return { repository, created };
}

/** 401 for nobody in particular, 403 for somebody without the right (api.md §0, "Unauthorised rule"). */
export function refusal(actor: Actor): AppError {
  return actor.kind === "anonymous"
    ? new AppError("unauthenticated", "Requires authentication")
    : new AppError("insufficient_scope", "Unauthorized");
}
