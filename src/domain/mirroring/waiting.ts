import { Rotation } from "./rotation.ts";

/** What `promise` gives, unless the signal comes first. @throws the signal's reason then */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const stop = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/**
 * Lets so many run at once; the number may change meanwhile, and acts when the next one leaves. Owners have their turns in
 * rotation; what one owner wants is first come, first served.
 */
export class Turnstile {
  #inside = 0;
  readonly #waiting = new Rotation<() => void>();

  constructor(readonly most: () => number) {}

  /** @throws the signal's reason when it comes before the turn does; what `work` throws */
  async run<T>(work: () => Promise<T>, signal: AbortSignal, owner?: unknown): Promise<T> {
    const { promise: turn, resolve: admit } = Promise.withResolvers<void>();
    this.#waiting.add(owner, admit);
    this.#admit();
    try {
      await untilAborted(turn, signal);
    } catch (error) {
      // It may have been let in at the same moment.
      if (!this.#waiting.remove(owner, admit)) this.#leave();
      throw error;
    }
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  #leave(): void {
    this.#inside--;
    this.#admit();
  }

  #admit(): void {
    while (!this.#waiting.isEmpty && this.#inside < Math.max(1, this.most())) {
      this.#inside++;
      this.#waiting.shift()?.();
    }
  }
}
