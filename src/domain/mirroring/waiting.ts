/** Waits. @throws the signal's reason as soon as it is aborted */
export async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}

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

/** Lets so many run at once; the number may change meanwhile, and acts when the next one leaves. First come, first served. */
export class Turnstile {
  #inside = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(readonly most: () => number) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    const turn = new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#admit();
    await turn;
    try {
      return await work();
    } finally {
      this.#inside--;
      this.#admit();
    }
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#inside < Math.max(1, this.most())) {
      this.#inside++;
      this.#waiting.shift()?.();
    }
  }
}

/** Runs `work` for all items, `most` at once. The first failure is thrown once those that run have ended; no other begins. */
export async function forEachLimited<T>(
  items: Iterable<T>,
  most: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failed: { readonly error: unknown } | undefined;
  const lane = async () => {
    while (failed === undefined) {
      const { value, done } = iterator.next();
      if (done) return;
      try {
        await work(value);
      } catch (error) {
        failed ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: most }, lane));
  if (failed !== undefined) throw failed.error;
}
