/**
 * Counts changes by key in memory that all threads of a node share, so that what a thread remembers is forgotten the
 * moment another thread has changed it: remember an answer together with `count(key)` read *before* asking, and trust it
 * only while `count(key)` is the same. Whoever changes something calls `changed(key)` after its commit and before it
 * answers. Keys share counters by hash, which costs a needless question now and then, never a stale answer.
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

  count(key: string): number {
    // The sum wraps as the counters do: only equality is looked at.
    return (Atomics.load(this.#counters, this.#slot(key)) + Atomics.load(this.#counters, 0)) | 0;
  }

  changed(key: string): void {
    Atomics.add(this.#counters, this.#slot(key), 1);
  }

  /** For what concerns many keys at once, such as the end of a namespace. */
  allChanged(): void {
    Atomics.add(this.#counters, 0, 1);
  }

  /** FNV-1a; slot 0 counts for all. */
  #slot(key: string): number {
    let hash = 0x811c9dc5;
    for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
    return 1 + ((hash >>> 0) & (this.#counters.length - 2));
  }
}
