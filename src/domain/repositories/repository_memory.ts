import type { ChangeCounters } from "../../lib/change_counters.ts";
import type { RepositoryName } from "../../oci/reference.ts";
import type { Deps } from "../deps.ts";

/**
 * How long an answer may be remembered: what ends by itself (a tag that expires), and what a command of the operator
 * changes from outside, is seen within this time.
 */
const REMEMBER_MS = 1_000;
const REMEMBER_MOST = 10_000;

interface Remembered<Answer> {
  readonly answer: Answer;
  /** `ChangeCounters.count` of its repository before the question; `undefined` when it was not known whose to read. */
  readonly count: number | undefined;
  readonly untilMs: number;
}

export type Ask<Subject, Answer> = (
  repository: RepositoryName,
  subject: Subject,
) => Promise<Answer | undefined>;

/** What is asked, and which answers are worth remembering: those that found something. */
export interface Remembering<Subject, Answer> {
  readonly ask: Ask<Subject, Answer>;
  readonly keyOf: (repository: RepositoryName, subject: Subject) => string;
  readonly hasFound: (answer: Answer) => boolean;
}

/**
 * `ask` with a memory that never gives an answer older than the request: one that a change on any thread has overtaken is
 * asked again. What was not found is not remembered.
 */
export function rememberAnswers<Subject, Answer extends { readonly repositoryId: number }>(
  { ask, keyOf, hasFound }: Remembering<Subject, Answer>,
  { changes, now, metrics }: Pick<Deps, "now" | "metrics"> & { changes: ChangeCounters },
): Ask<Subject, Answer> {
  const memory = new Map<string, Remembered<Answer>>();
  const hits = metrics.modelCache.labels("hit");
  const misses = metrics.modelCache.labels("miss");

  return async (repository, subject) => {
    const key = keyOf(repository, subject);
    const known = memory.get(key);
    const nowMs = now();
    // Read before the question: a change that comes while it is under way makes the answer one to be asked again.
    const count = known && changes.count(known.answer.repositoryId);
    if (known !== undefined && known.count === count && known.untilMs > nowMs) {
      hits.inc();
      return known.answer;
    }
    misses.inc();
    const answer = await ask(repository, subject);
    memory.delete(key);
    if (answer === undefined || !hasFound(answer)) return answer;
    if (memory.size >= REMEMBER_MOST) memory.clear();
    // The name may belong to another repository by now, whose counter was not the one that was read.
    const counted = answer.repositoryId === known?.answer.repositoryId ? count : undefined;
    memory.set(key, { answer, count: counted, untilMs: counted === undefined ? 0 : nowMs + REMEMBER_MS });
    return answer;
  };
}
