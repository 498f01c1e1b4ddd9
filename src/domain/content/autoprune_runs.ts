/** When rules about old tags are followed: namespace by namespace, and the registry's own rule everywhere. */
import {
  type AutopruneTask,
  claimAutopruneTask,
  deleteIdleAutopruneTask,
  insertMissingAutopruneTasks,
  type PrunableRepository,
  type PrunableScope,
  selectPrunableRepositories,
  updateAutopruneTask,
} from "../../drivers/database/queries/autoprune.ts";
import { selectPolicies } from "../../drivers/database/queries/autoprune_policy.ts";
import type { Deps } from "../deps.ts";
import { pruneRepository } from "./autoprune.ts";
import { MOST_POLICIES, type Policy, readPolicy } from "./autoprune_policies.ts";

type RunDeps = Pick<Deps, "sql" | "config" | "changes" | "log" | "now">;

/** Gives namespaces their turns that have rules and none. */
export async function findAutopruneTasks({ sql }: Pick<Deps, "sql">): Promise<void> {
  await insertMissingAutopruneTasks(sql);
}

/**
 * Follows the rules of one namespace whose turn it is: every `AUTOPRUNE_TASK_RUN_MINIMUM_INTERVAL_MINUTES`. A repository's
 * own rules hold beside those of its namespace. What fails is told in `autoprunetaskstatus` and tried again next time.
 * @returns false when it is nobody's turn
 */
export async function runAutopruneTask(deps: RunDeps, stop: AbortSignal): Promise<boolean> {
  const { sql, config, log, now } = deps;
  const pauseMs = config.AUTOPRUNE_TASK_RUN_MINIMUM_INTERVAL_MINUTES * 60_000;
  const task = await claimAutopruneTask(sql, { ranBeforeMs: now() - pauseMs, nowMs: now() });
  if (task === undefined) return false;
  if (await deleteIdleAutopruneTask(sql, task)) return true;
  try {
    const failures = await pruneNamespace(deps, task, stop);
    await updateAutopruneTask(sql, task.id, failures === 0 ? "success" : `failure: ${failures} policies`);
  } catch (error) {
    stop.throwIfAborted();
    log.warn("tags could not be pruned; it is tried again", { namespace: task.namespace, error });
    await updateAutopruneTask(sql, task.id, "failure");
  }
  return true;
}

/** @returns how many policies could not be followed */
async function pruneNamespace(deps: RunDeps, task: AutopruneTask, stop: AbortSignal): Promise<number> {
  const { namespaceId } = task;
  const rows = await selectPolicies(deps.sql, { kind: "namespace", namespaceId }, MOST_POLICIES);
  const policies = rows.map(({ policy }) => policy);
  let failures = 0;
  const scope = { namespaceId, withPolicies: policies.length === 0 };
  await forEachRepository(deps, scope, { afterId: 0, stop }, async (repository) => {
    for (const policy of [...repository.policies, ...policies]) {
      if (!await followed(deps, repository, () => readPolicy({ uuid: "", policy }), stop)) failures++;
    }
  });
  return failures;
}

/**
 * Follows `DEFAULT_NAMESPACE_AUTOPRUNE_POLICY` in every enabled namespace, for `AUTOPRUNE_DEFAULT_POLICY_TIMEOUT` at most.
 * @param afterId where the last run ended; 0 to begin
 * @returns where the next one goes on; 0: it was everywhere
 */
export async function runDefaultAutoprune(
  deps: RunDeps,
  afterId: number,
  stop: AbortSignal,
): Promise<number> {
  const { config, now } = deps;
  const policy = config.DEFAULT_NAMESPACE_AUTOPRUNE_POLICY;
  if (policy === null) return 0;
  const untilMs = now() + config.AUTOPRUNE_DEFAULT_POLICY_TIMEOUT * 1000;
  const rule: Policy = { ...policy, tagPattern: null, tagPatternMatches: true };
  let lastId = afterId;
  const ended = await forEachRepository(deps, "registry", { afterId, stop }, async (repository) => {
    await followed(deps, repository, () => rule, stop);
    lastId = repository.id;
    return now() < untilMs;
  });
  return ended ? 0 : lastId;
}

/** A rule that cannot be followed, in one repository, stops no other. */
async function followed(
  deps: RunDeps,
  repository: PrunableRepository,
  policy: () => Policy,
  stop: AbortSignal,
): Promise<boolean> {
  try {
    await pruneRepository(deps, repository, policy(), stop);
    return true;
  } catch (error) {
    stop.throwIfAborted();
    const { namespace, name } = repository;
    deps.log.warn("a pruning policy could not be followed", { repository: `${namespace}/${name}`, error });
    return false;
  }
}

/** @param visit returns false to end it @returns whether all were visited */
async function forEachRepository(
  { sql, config }: RunDeps,
  scope: PrunableScope,
  { afterId, stop }: { afterId: number; stop: AbortSignal },
  visit: (repository: PrunableRepository) => Promise<boolean | void>,
): Promise<boolean> {
  const limit = config.AUTOPRUNE_FETCH_REPOSITORIES_PAGE_LIMIT;
  for (let lastId: number | undefined = afterId; lastId !== undefined;) {
    stop.throwIfAborted();
    const page: PrunableRepository[] = await selectPrunableRepositories(sql, scope, {
      afterId: lastId,
      limit,
    });
    for (const repository of page) if (await visit(repository) === false) return false;
    lastId = page.length < limit ? undefined : page.at(-1)?.id;
  }
  return true;
}
