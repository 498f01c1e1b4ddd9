import type { ChangeCounters } from "../lib/change_counters.ts";
import type { Reference, RepositoryName } from "../oci/reference.ts";
import type { Deps } from "./deps.ts";
import type { Found, ManifestLookup } from "./manifest_lookup.ts";

/**
 * How long an answer may be remembered: what ends by itself (a tag that expires), and what a command of the operator
 * changes from outside, is seen within this time.
 */
const REMEMBER_MS = 1_000;
const REMEMBER_MOST = 10_000;

interface Remembered {
  readonly found: Found;
  /** `ChangeCounters.count` of its repository before the question; `undefined` when it was not known whose to read. */
  readonly count: number | undefined;
  readonly untilMs: number;
}

type Find = ManifestLookup["find"];

/**
 * `ask` with a memory that never gives an answer older than the request: one that a change on any thread has overtaken is
 * asked again. What was not found is not remembered.
 */
export function rememberFound(
  ask: Find,
  { changes, now, metrics }: Pick<Deps, "now" | "metrics"> & { changes: ChangeCounters },
): Find {
  const memory = new Map<string, Remembered>();
  const hits = metrics.modelCache.labels("hit");
  const misses = metrics.modelCache.labels("miss");

  return async (repository, reference) => {
    const key = keyOf(repository, reference);
    const known = memory.get(key);
    const nowMs = now();
    // Read before the question: a change that comes while it is under way makes the answer one to be asked again.
    const count = known && changes.count(known.found.repositoryId);
    if (known !== undefined && known.count === count && known.untilMs > nowMs) {
      hits.inc();
      return known.found;
    }
    misses.inc();
    const found = await ask(repository, reference);
    memory.delete(key);
    if (found?.manifest === undefined) return found;
    if (memory.size >= REMEMBER_MOST) memory.clear();
    // The name may belong to another repository by now, whose counter was not the one that was read.
    const counted = found.repositoryId === known?.found.repositoryId ? count : undefined;
    memory.set(key, { found, count: counted, untilMs: counted === undefined ? 0 : nowMs + REMEMBER_MS });
    return found;
  };
}

function keyOf({ namespace, name }: RepositoryName, reference: Reference): string {
  return reference.kind === "tag"
    ? `${namespace}/${name}:${reference.tag}`
    : `${namespace}/${name}@${reference.digest}`;
}
