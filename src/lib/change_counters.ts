/**
 * Counts changes by row id in memory that all threads of a node share, so that what one thread remembers is forgotten the
 * moment another has changed it: remember an answer together with `count(id)` read *before* asking, and trust it only
 * while `count(id)` is still the same. Whoever changes something calls `changed(id)` after its commit and before it
 * answers. Ids share counters, which costs a needless question now and then, never a stale answer.
 */
export class ChangeCounters {
  readonly #counters: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#counters = new Int32Array(memory);
  }

  /** @param counters a power of two */
  static allocate(counters = 16_384): SharedArrayBuffer {
    return new SharedArrayBuffer((counters + 1) * Int32Array.BYTES_PER_ELEMENT);
  }

  count(id: number): number {
    // The sum wraps as the counters do: only equality is looked at.
    return (Atomics.load(this.#counters, this.#slot(id)) + Atomics.load(this.#counters, 0)) | 0;
  }

  changed(id: number): void {
    Atomics.add(this.#counters, this.#slot(id), 1);
  }

  /** For what concerns many rows at once, such as the end of a namespace. */
  allChanged(): void {
    Atomics.add(this.#counters, 0, 1);
  }

  /** Slot 0 counts for all. */
  #slot(id: number): number {
    return 1 + (id & (this.#counters.length - 2));
  }
}
