/**
 * Immutability policies and the tags that are there when one is made or changed: those that it fits become immutable too.
 * That is work for many small transactions, so it stands in a queue from the policy's own transaction on. Whoever made the
 * policy does it at once; what takes longer than an answer may, or ends with the node, is the worker's.
 */
import {
  type PolicyOwner,
  selectImmutabilityPolicies,
} from "../../drivers/database/queries/immutability_policy.ts";
import {
  selectGovernedRepositoryIds,
  selectMutableTags,
  updateTagsImmutable,
} from "../../drivers/database/queries/immutability_tag.ts";
import { deleteWaitingQueueItem, insertQueueItem } from "../../drivers/database/queries/queue.ts";
import type { Sql } from "../../drivers/database/postgres.ts";
import type { Actor } from "../access/access.ts";
import { logAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import { compilePolicy, readPolicy } from "./immutability_rules.ts";

/** The queue of policies that are still to be applied to tags that were there. */
export const IMMUTABILITY_QUEUE = "immutabilitypolicy";
const RETRIES = 5;
/** Whoever made the policy is done by then, or will not be. */
const WORKER_DELAY_MS = 30_000;
/** How long a request applies the policy that it has made. */
const AT_ONCE_MS = 3000;
const REPOSITORIES = 500;
const TAGS = 1000;

/** Owner of policies, with what the action log calls it. The caller has checked that it may be administered. */
export type NamedPolicyOwner = PolicyOwner & { readonly namespace: string; readonly repository?: string };

export interface PolicyApplication {
  readonly owner: NamedPolicyOwner;
  readonly uuid: string;
}

type ApplyDeps = Pick<Deps, "sql" | "config" | "changes" | "now" | "log">;

/** In the transaction of the policy. @returns the queue's item, for {@link applyAtOnce} */
export function queueApplication(
  { sql, now }: { readonly sql: Sql } & Pick<Deps, "now">,
  application: PolicyApplication,
): Promise<number> {
  return insertQueueItem(sql, {
    queueName: `${IMMUTABILITY_QUEUE}/${application.owner.namespaceId}/`,
    body: JSON.stringify(application),
    nowMs: now() + WORKER_DELAY_MS,
    retries: RETRIES,
  });
}

/** After the policy's transaction, while somebody waits for the answer. What is left is the worker's; never rejects. */
export async function applyAtOnce(
  deps: ApplyDeps,
  actor: Actor,
  application: PolicyApplication,
  itemId: number,
): Promise<void> {
  const late = AbortSignal.timeout(AT_ONCE_MS);
  try {
    await applyPolicy(deps, actor, application, late);
    await deleteWaitingQueueItem(deps.sql, itemId);
  } catch (error) {
    if (late.aborted) return;
    deps.log.warn("an immutability policy is applied later: it did not work at once", { error });
  }
}

/**
 * Makes every tag immutable that the policy fits, page by page. Does nothing to those that are, so it may be done again; a
 * policy that is gone has nothing left to do.
 * @param stop ends it between two pages, by rejecting
 */
export async function applyPolicy(
  deps: ApplyDeps,
  actor: Actor,
  { owner, uuid }: PolicyApplication,
  stop: AbortSignal,
): Promise<void> {
  const row = (await selectImmutabilityPolicies(deps.sql, owner)).find((policy) => policy.uuid === uuid);
  if (row === undefined) return;
  const policy = readPolicy(row.policy);
  const fits = await compilePolicy(policy);
  let count = 0;
  try {
    for await (const repositoryId of repositoriesOf(deps, owner)) {
      const changed = await applyTo(deps, repositoryId, fits, stop);
      count += changed;
      if (changed > 0) deps.changes?.changed(repositoryId);
    }
  } finally {
    if (count > 0) {
      await logAction(deps, actor, {
        kind: "tags_made_immutable_by_policy",
        namespaceId: owner.namespaceId,
        repositoryId: owner.repositoryId,
        metadata: {
          namespace: owner.namespace,
          ...(owner.repository === undefined ? {} : { repo: owner.repository }),
          tag_pattern: policy.tagPattern,
          tag_pattern_matches: policy.tagPatternMatches,
          count,
        },
      });
    }
  }
}

async function* repositoriesOf({ sql }: ApplyDeps, owner: PolicyOwner): AsyncGenerator<number> {
  for (let afterId: number | undefined = 0; afterId !== undefined;) {
    const ids: number[] = await selectGovernedRepositoryIds(sql, owner, { afterId, limit: REPOSITORIES });
    yield* ids;
    afterId = ids.length < REPOSITORIES ? undefined : ids.at(-1);
  }
}

/** @returns how many tags it has made immutable */
async function applyTo(
  { sql, config, now }: ApplyDeps,
  repositoryId: number,
  fits: (tag: string) => boolean,
  stop: AbortSignal,
): Promise<number> {
  let count = 0;
  for (const expiring of config.FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE ? [false, true] : [false]) {
    for (let afterName: string | undefined = ""; afterName !== undefined;) {
      stop.throwIfAborted();
      const page = { afterName, expiring, nowMs: now(), limit: TAGS };
      const tags = await selectMutableTags(sql, repositoryId, page);
      const ids = tags.filter(({ name }) => fits(name)).map(({ id }) => id);
      if (ids.length > 0) count += await updateTagsImmutable(sql, ids, now());
      afterName = tags.length < TAGS ? undefined : tags.at(-1)?.name;
    }
  }
  return count;
}
