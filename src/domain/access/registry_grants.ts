import { isMirrorRobot, selectNamespaceStanding } from "../../drivers/database/queries/permission.ts";
import { AppError } from "../../lib/errors.ts";
import { type Actor, canCreateOrganization, canCreateRepository, repositoryRights } from "./access.ts";
import type { Deps } from "../deps.ts";
import { createOrganization } from "../organizations/organizations.ts";
import type { RequestedScope } from "./registry_scopes.ts";
import type { RegistryAction, RegistryGrant } from "./registry_tokens.ts";
import {
  createOrFindRepository,
  findRepository,
  REPOSITORY_STATE,
  type RepositoryRef,
} from "../repositories/repositories.ts";

type GrantDeps = Pick<Deps, "sql" | "config" | "now" | "log">;

/**
 * What of `scope` the actor gets: what it may not do is dropped without a word. Asking to push to a repository that is
 * not there creates it, as Quay does, when the actor may create in that namespace.
 * @throws {AppError} `namespace_disabled`, `unsupported` (an application repository)
 */
export async function grantScope(
  deps: GrantDeps,
  actor: Actor,
  scope: RequestedScope,
): Promise<RegistryGrant> {
  const name = `${scope.namespace}/${scope.name}`;
  const repository = await findRepository(deps.sql, scope.namespace, scope.name) ??
    (scope.actions.has("push") ? await createForPush(deps, actor, scope) : undefined);
  if (repository === undefined) {
    // Who may create it may know that it is not there: OCI clients expect 404 for it, not 401.
    const mayKnow = scope.actions.has("pull") && actor.kind !== "anonymous" &&
      await canCreateRepository(deps, actor, scope.namespace);
    return { name, actions: mayKnow ? ["pull"] : [] };
  }
  if (!repository.namespaceEnabled) {
    throw new AppError("namespace_disabled", `namespace ${repository.namespace} is disabled`);
  }
  if (repository.kind !== "image") {
    throw new AppError("unsupported", "this repository holds applications, not images");
  }
  const allowed = await allowedActions(deps, actor, repository);
  return { name, actions: [...scope.actions].filter((action) => allowed.has(action)) };
}

async function allowedActions(
  deps: GrantDeps,
  actor: Actor,
  repository: RepositoryRef,
): Promise<ReadonlySet<RegistryAction>> {
  const rights = await repositoryRights(deps, actor, repository);
  const allowed = new Set<RegistryAction>();
  if (rights.read) allowed.add("pull");
  if (rights.write && await takesPushesOf(deps, actor, repository)) allowed.add("push");
  // `*` opens everything at the endpoints, so it needs everything here.
  if (rights.admin && rights.write && repository.state === REPOSITORY_STATE.NORMAL) allowed.add("*");
  return allowed;
}

async function takesPushesOf({ sql }: GrantDeps, actor: Actor, repository: RepositoryRef): Promise<boolean> {
  switch (repository.state) {
    case REPOSITORY_STATE.NORMAL:
      return true;
    case REPOSITORY_STATE.MIRROR:
    case REPOSITORY_STATE.ORG_MIRROR:
      return actor.kind === "robot" && await isMirrorRobot(sql, repository.id, actor.id);
    default:
      // Read-only, or on its way out.
      return false;
  }
}

async function createForPush(
  deps: GrantDeps,
  actor: Actor,
  scope: RequestedScope,
): Promise<RepositoryRef | undefined> {
  const { config } = deps;
  if (actor.kind === "anonymous" || config.REGISTRY_STATE === "readonly" || config.DISABLE_PUSHES) {
    return undefined;
  }
  const { namespace, name } = scope;
  if (config.CREATE_NAMESPACE_ON_PUSH) await createNamespace(deps, actor, namespace);
  if (!await canCreateRepository(deps, actor, namespace)) return undefined;
  const visibility = config.CREATE_PRIVATE_REPO_ON_PUSH ? "private" : "public";
  try {
    const { repository, created } = await createOrFindRepository(deps, actor, {
      namespace,
      name,
      visibility,
    });
    if (created) deps.log.info("repository created by a push", { repository: `${namespace}/${name}` });
    return repository;
  } catch (error) {
    // A superuser with full access asked for a namespace that is not there; or it follows another registry.
    if (error instanceof AppError && (error.code === "not_found" || error.code === "invalid_request")) {
      return undefined;
    }
    throw error;
  }
}

async function createNamespace(deps: GrantDeps, actor: Actor, namespace: string): Promise<void> {
  if (!canCreateOrganization(deps.config, actor)) return;
  if (await selectNamespaceStanding(deps.sql, namespace, null) !== undefined) return;
  // A push brings no e-mail address, even where mails are sent.
  const config = { ...deps.config, FEATURE_MAILING: false };
  try {
    await createOrganization({ ...deps, config }, actor, { name: namespace });
  } catch (error) {
    // Another push was faster, or a robot has the name: the repository's creation decides.
    if (error instanceof AppError && error.code === "already_exists") return;
    throw error;
  }
}
