import type { Logger } from "../lib/logger.ts";

export interface PeriodicWork {
  readonly name: string;
  readonly everyMs: number;
  /** Also right away, not only after the first interval. */
  readonly atStart?: boolean;
  /** @param stop aborted when the node stops: what takes long ends soon then */
  run(stop: AbortSignal): Promise<unknown>;
}

/**
 * Runs background work of a node at intervals, never twice at once. A failure is logged and tried again at the next
 * interval: workers are where errors end.
 * @returns stops the timers, tells what runs to end and waits for it
 */
export function startPeriodic(works: readonly PeriodicWork[], log: Logger): () => Promise<void> {
  const running = new Set<Promise<void>>();
  const stop = new AbortController();
  const timers = works.map((work) => {
    let busy = false;
    const once = () => {
      if (busy) return;
      busy = true;
      const run = work.run(stop.signal)
        .catch((error) =>
          log.error("background work failed; it is tried again", { worker: work.name, error })
        )
        .then(() => {
          busy = false;
          running.delete(run);
        });
      running.add(run);
    };
    if (work.atStart) once();
    return setInterval(once, work.everyMs);
  });
  return async () => {
    for (const timer of timers) clearInterval(timer);
    stop.abort(new Error("the node stops"));
    await Promise.all(running);
  };
}
