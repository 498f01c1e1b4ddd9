/** What administrators and writers change about a repository, and its end. */
import { insertQueueItem } from "../../drivers/database/queries/queue.ts";
import {
  insertDeletedRepository,
  markRepositoryForDeletion,
  REPOSITORY_STATE,
  type RepositoryRef,
  updateRepositoryDescription,
  updateRepositoryState,
  updateRepositoryVisibility,
  type Visibility,
} from "../../drivers/database/queries/repository.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { logRepositoryAction } from "../logs/action_log.ts";

/** @param repository opened by the caller for `write` */
export async function setDescription(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  repository: RepositoryRef,
  text: string,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    await updateRepositoryDescription(tx, repository.id, text);
    const by = { actor, repository };
    await logRepositoryAction({ ...deps, sql: tx }, by, "set_repo_description", { description: text });
  });
}

/** @param repository opened by the caller for `admin` */
export async function setVisibility(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  repository: RepositoryRef,
  visibility: Visibility,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    await updateRepositoryVisibility(tx, repository.id, visibility);
    const by = { actor, repository };
    await logRepositoryAction({ ...deps, sql: tx }, by, "change_repo_visibility", { visibility });
  });
}

/**
 * @param repository opened by the caller for `admin`
 * @param state MIRROR also without a mirror: that may follow
 * @throws {AppError} `invalid_request` for states that nobody sets by hand
 */
export async function setState(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  repository: RepositoryRef,
  state: string,
): Promise<void> {
  if (state !== "NORMAL" && state !== "READ_ONLY" && state !== "MIRROR") {
    throw new AppError("invalid_request", `${state} is not a valid state`);
  }
  if (repository.state === REPOSITORY_STATE.ORG_MIRROR) {
    throw new AppError(
      "invalid_request",
      `The repository belongs to the mirror of the organization ${repository.namespace}, and is normal again once that is deleted`,
    );
  }
  await deps.sql.begin(async (tx) => {
    await updateRepositoryState(tx, repository.id, REPOSITORY_STATE[state]);
    const by = { actor, repository };
    await logRepositoryAction({ ...deps, sql: tx }, by, "change_repo_state", { state_changed: state });
  });
}

/**
 * Hides the repository at once and frees its name; its content goes with the queue `repositorygc`. Done twice at once,
 * one caller learns that it was not there.
 * @param repository opened by the caller for `admin`
 * @throws {AppError} `not_found`
 */
export async function deleteRepository(
  deps: Pick<Deps, "sql" | "config" | "changes" | "now">,
  actor: Actor,
  repository: RepositoryRef,
): Promise<void> {
  const nowMs = deps.now();
  await deps.sql.begin(async (tx) => {
    if (!await markRepositoryForDeletion(tx, repository.id)) throw new AppError("not_found", "Not Found");
    const queueId = await insertQueueItem(tx, {
      queueName: `repositorygc/${repository.namespaceId}/${repository.id}/`,
      body: JSON.stringify({ marker_id: null, repository_id: repository.id, original_name: repository.name }),
      nowMs,
      retries: 5,
    });
    await insertDeletedRepository(tx, {
      repositoryId: repository.id,
      originalName: repository.name,
      queueId,
      nowMs,
    });
    await logRepositoryAction({ ...deps, sql: tx }, { actor, repository }, "delete_repo");
  });
  deps.changes?.changed(repository.id);
}
