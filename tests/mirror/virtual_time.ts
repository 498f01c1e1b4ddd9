import type { Clock } from "../../src/domain/mirroring/shared_rate.ts";

interface Timer {
  readonly atMs: number;
  readonly end: () => void;
}

/** Time that passes only while everybody waits: then at once, up to the end of the shortest pause. */
export class Time implements Clock {
  nowMs = Date.parse("2026-11-26T12:00:00Z");
  /** Lengths of all pauses so far. */
  readonly pauses: number[] = [];
  /** Called with the number of the pause that has just ended. */
  onPause: (count: number) => void = () => {};
  readonly #timers = new Set<Timer>();
  #ended = 0;

  readonly now = () => this.nowMs;
  readonly monotonicMs = () => this.nowMs;

  pause(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.pauses.push(ms);
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#timers.delete(timer);
        reject(signal.reason);
      };
      const end = () => {
        signal.removeEventListener("abort", stop);
        resolve();
      };
      const timer = { atMs: this.nowMs + ms, end };
      signal.addEventListener("abort", stop, { once: true });
      this.#timers.add(timer);
      if (this.#timers.size === 1) this.#whenIdle();
    });
  }

  #whenIdle(): void {
    setTimeout(() => {
      const [next] = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) return;
      this.#timers.delete(next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.onPause(++this.#ended);
      next.end();
      if (this.#timers.size > 0) this.#whenIdle();
    }, 0);
  }
}
