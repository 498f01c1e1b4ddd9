import type { ChangeCounters } from "../../lib/change_counters.ts";

/** Where a page of tags ended: what the next one comes after. */
export interface TagPageEnd {
  readonly startMs: number;
  readonly name: string;
  readonly id: number;
}

interface Kept extends TagPageEnd {
  /** `ChangeCounters.count` of the repository before the page was read. */
  readonly count: number;
  readonly untilMs: number;
}

/** What ends by itself, and what an operator's command changes from outside, shifts pages by this time at the latest. */
const KEEP_MS = 60_000;
const KEEP_MOST = 2_000;

/**
 * Pages of tags have numbers, as Quay's API wants it; this remembers where each ended, so that whoever goes from page to
 * page pays for the 1,000th what the first cost. Forgotten as soon as the repository changes: then rows are counted off.
 */
export class TagPageEnds {
  readonly #kept = new Map<string, Kept>();

  constructor(readonly changes: ChangeCounters, readonly now: () => number) {}

  /** To be read before the page is. */
  count(repositoryId: number): number {
    return this.changes.count(repositoryId);
  }

  /** @param query everything that decides which rows come, and in what order */
  find(repositoryId: number, query: string, offset: number): TagPageEnd | undefined {
    const key = keyOf(repositoryId, query, offset);
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    if (kept.count === this.count(repositoryId) && kept.untilMs > this.now()) return kept;
    this.#kept.delete(key);
    return undefined;
  }

  /** @param offset rows up to and including `end` */
  keep(repositoryId: number, query: string, offset: number, end: TagPageEnd, count: number): void {
    const key = keyOf(repositoryId, query, offset);
    this.#kept.delete(key);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= KEEP_MOST && oldest !== undefined) this.#kept.delete(oldest);
    const { startMs, name, id } = end;
    this.#kept.set(key, { startMs, name, id, count, untilMs: this.now() + KEEP_MS });
  }
}

const keyOf = (repositoryId: number, query: string, offset: number) => `${repositoryId} ${offset} ${query}`;
