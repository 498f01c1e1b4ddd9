/**
 * Who waits, in a queue for each owner. The owners are served in rotation: one with two that wait does not stand behind
 * another's thousand.
 */
export class Rotation<T> {
  /** The front has its turn. */
  readonly #queues = new Map<unknown, T[]>();

  get isEmpty(): boolean {
    return this.#queues.size === 0;
  }

  add(owner: unknown, item: T): void {
    const queue = this.#queues.get(owner);
    if (queue === undefined) this.#queues.set(owner, [item]);
    else queue.push(item);
  }

  /** Whose turn it is. */
  first(): T | undefined {
    const [queue] = this.#queues.values();
    return queue?.[0];
  }

  /** Takes out whose turn it is; its owner's next one comes after one of each other. */
  shift(): T | undefined {
    const [entry] = this.#queues;
    if (entry === undefined) return undefined;
    const [owner, queue] = entry;
    const item = queue.shift();
    this.#queues.delete(owner);
    if (queue.length > 0) this.#queues.set(owner, queue);
    return item;
  }

  /** @returns whether it was still waiting */
  remove(owner: unknown, item: T): boolean {
    const queue = this.#queues.get(owner);
    const at = queue?.indexOf(item) ?? -1;
    if (queue === undefined || at < 0) return false;
    queue.splice(at, 1);
    if (queue.length === 0) this.#queues.delete(owner);
    return true;
  }
}
