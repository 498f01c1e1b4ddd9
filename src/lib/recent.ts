/**
 * Remembers what `ask` answered for `maxAgeMs`, and lets everyone who comes while it still works wait for the same
 * answer: however many ask, `ask` never runs twice at a time. `ask` must not throw.
 */
export function recent<T>(ask: () => Promise<T>, maxAgeMs: number, now: () => number): () => Promise<T> {
  let running: Promise<T> | undefined;
  let last: { answer: T; atMs: number } | undefined;
  return () => {
    if (running) return running;
    if (last && now() - last.atMs < maxAgeMs) return Promise.resolve(last.answer);
    return running = ask().then((answer) => {
      last = { answer, atMs: now() };
      return answer;
    }).finally(() => running = undefined);
  };
}
