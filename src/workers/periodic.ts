import type { Logger } from "../lib/logger.ts";

export interface PeriodicWork {
  readonly name: string;
  readonly everyMs: number;
  /** Also right away, not only after the first interval. */
  readonly atStart?: boolean;
  run(): Promise<unknown>;
}

/**
 * Runs background work of a node at intervals, never twice at once. A failure is logged and tried again at the next
 * interval: workers are where errors end.
 * @returns stops the timers and waits for what runs
 */
export function startPeriodic(works: readonly PeriodicWork[], log: Logger): () => Promise<void> {
  const running = new Set<Promise<void>>();
  const timers = works.map((work) => {
    let busy = false;
    const once = () => {
      if (busy) return;
      busy = true;
      const run = work.run()
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
    await Promise.all(running);
  };
}
