import { Rotation } from "./rotation.ts";
import { pause } from "../../lib/pause.ts";

/** What rates are measured by. */
export interface Clock {
  /** Never goes back. */
  monotonicMs(): number;
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

export const REAL_CLOCK: Clock = { monotonicMs: () => performance.now(), pause };

/** The longest wait before the rate is asked for again: so soon does a change act. */
const SLICE_MS = 1_000;
/** A timer may be so late: that time pays what comes next, or one connection would stay far below a high rate. */
const LATE_MS = 20;
/** Less than this is paid. */
const NOTHING_BYTES = 0.5;

/** Bytes that have come and that are being paid for. */
export interface Payment {
  /** Resolves once they are; `undefined`: they are already. Rejects with what {@link SharedRate.check} throws. */
  readonly done: Promise<void> | undefined;
  /** Whoever waits no more says so; after `done` it changes nothing. */
  leave(): void;
}

interface Debt {
  bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const PAID: Payment = { done: undefined, leave() {} };

/**
 * A rate that several share. Whoever has taken bytes waits until they are paid, one after another, owners in rotation: a
 * piece of any size keeps the rate, one with many connections gets no more than one with few, and nobody saves up while idle
 * (but for some milliseconds).
 */
export class SharedRate {
  readonly #waiting = new Rotation<Debt>();
  #paidAtMs: number;
  /** Aborted when nobody waits any more. */
  #round: AbortController | undefined;

  /**
   * @param bytesPerSecond `undefined`: no limit
   * @param check asked while somebody waits; what it throws ends all waits
   */
  constructor(
    readonly bytesPerSecond: () => number | undefined,
    readonly check: () => void,
    readonly clock: Clock,
  ) {
    this.#paidAtMs = clock.monotonicMs();
  }

  pay(bytes: number, owner: unknown): Payment {
    this.settle();
    if (this.bytesPerSecond() === undefined) return PAID;
    const { promise: done, resolve, reject } = Promise.withResolvers<void>();
    done.catch(() => {}); // told to whoever still waits
    const debt = { bytes, resolve, reject };
    this.#waiting.add(owner, debt);
    this.settle();
    if (this.#waiting.isEmpty) return PAID;
    if (this.#round === undefined) void this.#payAll(this.#round = new AbortController());
    return {
      done,
      leave: () => {
        if (!this.#waiting.remove(owner, debt) || !this.#waiting.isEmpty) return;
        this.#round?.abort();
        this.#round = undefined;
      },
    };
  }

  /** Pays with the time that has passed, at the rate of now: before that changes, too. */
  settle(): void {
    const nowMs = this.clock.monotonicMs();
    const rate = this.bytesPerSecond();
    let creditBytes = rate === undefined ? Infinity : (nowMs - this.#paidAtMs) * rate / 1000;
    for (let debt = this.#waiting.first(); debt !== undefined; debt = this.#waiting.first()) {
      const paidBytes = Math.min(debt.bytes, creditBytes);
      creditBytes -= paidBytes;
      debt.bytes -= paidBytes;
      if (debt.bytes >= NOTHING_BYTES) break;
      this.#waiting.shift();
      debt.resolve();
    }
    const leftMs = rate === undefined ? 0 : Math.min(LATE_MS, creditBytes * 1000 / rate);
    this.#paidAtMs = nowMs - leftMs;
  }

  async #payAll(round: AbortController): Promise<void> {
    try {
      for (let debt = this.#waiting.first(); debt !== undefined; debt = this.#waiting.first()) {
        this.check();
        const rate = this.bytesPerSecond();
        const leftMs = rate === undefined ? 0 : Math.ceil(debt.bytes * 1000 / rate);
        await this.clock.pause(Math.min(SLICE_MS, leftMs), round.signal);
        this.settle();
      }
    } catch (error) {
      if (round.signal.aborted) return;
      for (let debt = this.#waiting.shift(); debt !== undefined; debt = this.#waiting.shift()) {
        debt.reject(error);
      }
    }
    if (this.#round === round) this.#round = undefined;
  }
}
