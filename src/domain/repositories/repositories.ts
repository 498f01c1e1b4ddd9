import { isMirroredNamespace } from "../../drivers/database/queries/organization_mirror.ts";
import {
  applyPrototypes,
  insertRepository,
  isStarred,
  REPOSITORY_STATE,
  type RepositoryRef,
  type RepositoryRow,
  type RepositoryState,
  selectRepository,
  type Visibility,
} from "../../drivers/database/queries/repository.ts";
import { upsertUserPermission } from "../../drivers/database/queries/repository_permission.ts";
import { selectNamespace } from "../../drivers/database/queries/user.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import {
  type Actor,
  canAdministerRepository,
  canCreateRepository,
  canReadRepository,
  canWriteRepository,
  readsEveryRepository,
} from "../access/access.ts";
import { logRepositoryAction } from "../logs/action_log.ts";
import { refusal } from "../access/rights.ts";
import type { Deps } from "../deps.ts";
import { isRepositoryName } from "../names.ts";

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
 * @throws {AppError} `name_invalid`, `not_found` (namespace), `insufficient_scope` / `unauthenticated`, `already_exists`,
 *   `invalid_request`: an organization that follows another registry gets its repositories from there
 */
export async function createRepository(
  deps: Pick<Deps, "sql" | "config" | "now">,
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
  deps: Pick<Deps, "sql" | "config" | "now">,
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
    if (config.FEATURE_ORG_MIRROR) await refuseInMirror(tx, owner);
    if (creatorId !== null) {
      await upsertUserPermission(tx, { repositoryId: id, userId: creatorId, role: "admin" });
    }
    if (creatorId !== owner.id) await applyPrototypes(tx, id, owner.id, creatorId);
    const made = { id, namespaceId: owner.id, namespace, name };
    await logRepositoryAction({ ...deps, sql: tx }, { actor, repository: made }, "create_repo");
    return true;
  });
  const repository = await selectRepository(sql, namespace, name);
  // Deleted again in between: the creator learns that it is not there.
  if (repository === undefined) throw new AppError("not_found", "Repository not found");
  return { repository, created };
}

async function refuseInMirror(tx: Sql, { id, username }: { id: number; username: string }): Promise<void> {
  if (!await isMirroredNamespace(tx, id)) return;
  throw new AppError(
    "invalid_request",
    `The organization ${username} follows another registry: its repositories come from there`,
  );
}

/**
 * The repository, once `actor` may do `need` with it. Whoever may not sees no difference between a repository that is
 * missing and one that is somebody else's.
 * @throws {AppError} `not_found`, `insufficient_scope`, `unauthenticated`
 */
export async function openRepository(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  path: { namespace: string; name: string },
  need: "read" | "write" | "admin",
): Promise<RepositoryRow> {
  const repository = await selectRepository(deps.sql, path.namespace, path.name);
  if (repository === undefined) {
    if (
      need === "read" && readsEveryRepository(deps.config, actor) ||
      await canCreateRepository(deps, actor, path.namespace)
    ) throw new AppError("not_found", "Not Found");
    throw refusal(actor);
  }
  const allowed = need === "read"
    ? await canReadRepository(deps, actor, repository)
    : need === "write"
    ? await canWriteRepository(deps, actor, repository)
    : await canAdministerRepository(deps, actor, repository);
  if (!allowed) throw refusal(actor);
  return repository;
}

/**
 * The repository, once `actor` may write to it and its state lets people change what is inside: not while it is read-only
 * or follows a mirror.
 * @throws {AppError} those of {@link openRepository}; `repository_readonly`
 */
export async function openForChanges(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  path: { namespace: string; name: string },
): Promise<RepositoryRow> {
  const repository = await openRepository(deps, actor, path, "write");
  switch (repository.state) {
    case REPOSITORY_STATE.NORMAL:
      return repository;
    case REPOSITORY_STATE.READ_ONLY:
      throw new AppError(
        "repository_readonly",
        "The repository is in state READ_ONLY: nothing in it can be changed",
      );
    default:
      throw new AppError(
        "repository_readonly",
        "The repository is in state MIRROR: only its mirror changes it",
      );
  }
}

/** What the page of a repository shows to `actor`, who must be able to read it. */
export async function describeRepository(
  deps: Pick<Deps, "sql" | "config">,
  actor: Actor,
  path: { namespace: string; name: string },
): Promise<{
  repository: RepositoryRow;
  canWrite: boolean;
  canAdmin: boolean;
  isStarred: boolean;
  tagExpirationS: number;
}> {
  const repository = await openRepository(deps, actor, path, "read");
  const owner = await selectNamespace(deps.sql, repository.namespace);
  return {
    repository,
    canWrite: repository.state === REPOSITORY_STATE.NORMAL &&
      await canWriteRepository(deps, actor, repository),
    canAdmin: await canAdministerRepository(deps, actor, repository),
    isStarred: actor.kind === "user" && await isStarred(deps.sql, repository.id, actor.id),
    tagExpirationS: owner?.tagExpirationS ?? 0,
  };
}
