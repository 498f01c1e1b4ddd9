/** Deletes tags by rules (`FEATURE_AUTO_PRUNE`). What is deleted stays restorable for the namespace's time-machine window. */
import {
  lockNormalRepository,
  type PrunableRepository,
  type PrunableTag,
  selectPrunableTags,
} from "../../drivers/database/queries/autoprune.ts";
import { endTag, selectLiveTag } from "../../drivers/database/queries/tag.ts";
import { logRepositoryAction } from "../logs/action_log.ts";
import type { Deps } from "../deps.ts";
import type { Policy } from "./autoprune_policies.ts";
import { expiresAfterMs } from "./labels.ts";
import { lockTags } from "./tags.ts";

type PruneDeps = Pick<Deps, "sql" | "config" | "changes" | "now">;

/** Each tag of a transaction is a lock, and PostgreSQL has room for some thousands. */
const TAGS_MAX = 500;

/** The tags that a policy is about, and which of them go. */
interface Rule {
  readonly fits: (tag: string) => boolean;
  /** So many of the youngest stay. */
  readonly keep: number;
  /** Younger ones stay. */
  readonly untilMs: number;
}

/**
 * Deletes what the policy does not keep of a repository: page by page, from the youngest to the oldest. Immutable tags stay
 * and are not counted. May be done by several at once, and again.
 * @param stop ends it between two pages, by rejecting
 * @returns how many tags were deleted
 * @throws {SyntaxError} for a policy of another writer that is none
 */
export async function pruneRepository(
  deps: PruneDeps,
  repository: PrunableRepository,
  policy: Policy,
  stop: AbortSignal,
): Promise<number> {
  const nowMs = deps.now();
  const { fits, keep, untilMs } = await ruleOf(policy, nowMs);
  const limit = Math.min(deps.config.AUTOPRUNE_FETCH_TAGS_PAGE_LIMIT, TAGS_MAX);
  let kept = 0;
  let deleted = 0;
  for (let after: PrunableTag | undefined, more = true; more;) {
    stop.throwIfAborted();
    const tags: PrunableTag[] = await selectPrunableTags(deps.sql, repository.id, {
      after,
      untilMs,
      nowMs,
      limit,
    });
    const meant = tags.filter(({ name }) => fits(name));
    const staying = Math.min(keep - kept, meant.length);
    kept += staying;
    const going = meant.slice(staying);
    if (going.length > 0) deleted += await deleteTags(deps, repository, going);
    after = tags.at(-1);
    more = tags.length === limit;
  }
  return deleted;
}

/** Those that are still what they were when they were looked at. */
async function deleteTags(
  deps: PruneDeps,
  repository: PrunableRepository,
  tags: readonly PrunableTag[],
): Promise<number> {
  const deleted = await deps.sql.begin(async (tx) => {
    await lockTags(tx, repository.id, tags.map(({ name }) => name));
    // A mirror's tags, and those of a repository that was made read-only meanwhile, are not ours to delete.
    if (!await lockNormalRepository(tx, repository.id)) return 0;
    const nowMs = deps.now();
    let count = 0;
    for (const { id, name } of tags) {
      const live = await selectLiveTag(tx, repository.id, name, nowMs);
      if (live?.id !== id || live.immutable) continue;
      await endTag(tx, id, nowMs);
      const by = { actor: { kind: "operator" }, repository } as const;
      await logRepositoryAction({ ...deps, sql: tx }, by, "autoprune_tag_delete", {
        performer: "autoprune worker",
        tag: name,
      });
      count++;
    }
    return count;
  });
  if (deleted > 0) deps.changes?.changed(repository.id);
  return deleted;
}

async function ruleOf(
  { method, value, tagPattern, tagPatternMatches }: Policy,
  nowMs: number,
): Promise<Rule> {
  const fits = await compile(tagPattern, tagPatternMatches);
  if (method === "number_of_tags") {
    const keep = Number(value);
    if (!Number.isSafeInteger(keep) || keep < 1) throw new SyntaxError(`number_of_tags: ${value}`);
    return { fits, keep, untilMs: nowMs };
  }
  const ageMs = method === "creation_date" ? expiresAfterMs(String(value)) : undefined;
  if (ageMs === undefined) throw new SyntaxError(`${method}: ${value}`);
  return { fits, keep: 0, untilMs: nowMs - ageMs };
}

async function compile(pattern: string | null, matches: boolean): Promise<(tag: string) => boolean> {
  if (pattern === null) return () => true;
  // Its thousands of lines are needed by few.
  const { RE2JS } = await import("re2js");
  const compiled = RE2JS.compile(pattern);
  return (tag) => compiled.matcher(tag).find() === matches;
}
