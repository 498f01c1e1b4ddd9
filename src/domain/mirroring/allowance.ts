import { type MirrorLimits, MirrorPaused } from "./limits.ts";
import { pauseFor } from "./waiting.ts";
import { isOpen, nextOpeningMs, parseWindow, type Window } from "../../lib/daily_windows.ts";
import { utcDay } from "../../lib/utc_day.ts";

/** Bytes taken today and this month (UTC), by whoever is subject to the same budget. */
export interface Traffic {
  readonly dayBytes: number;
  readonly monthBytes: number;
}

/** What rates are measured by. */
export interface Clock {
  /** Never goes back. */
  monotonicMs(): number;
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

export const REAL_CLOCK: Clock = { monotonicMs: () => performance.now(), pause: pauseFor };

/** The longest wait before the rate is asked for again: so soon does a change act. */
const SLICE_MS = 1_000;
/** Windows are looked at so often. */
const WINDOW_CHECK_MS = 1_000;

/**
 * Limits and what is left of them. A rate is a debt in bytes that is paid off as time goes: who takes, waits until it is
 * paid, so that a piece of any size keeps the rate and nobody saves up while idle.
 */
export class Allowance {
  #limits!: MirrorLimits;
  #windows!: readonly Window[];
  #debtBytes = 0;
  #paidAtMs: number;
  #traffic: Traffic & { readonly day: string } = { dayBytes: 0, monthBytes: 0, day: "" };
  #unsavedBytes = 0;
  #windowCheckedMs = -Infinity;

  constructor(limits: MirrorLimits, readonly now: () => number, readonly clock: Clock) {
    this.#paidAtMs = clock.monotonicMs();
    this.change(limits);
  }

  get limits(): MirrorLimits {
    return this.#limits;
  }

  change(limits: MirrorLimits): void {
    this.#pay();
    this.#limits = limits;
    this.#windows = (limits.windows ?? []).map(parseWindow);
    this.#windowCheckedMs = -Infinity;
  }

  took(bytes: number): void {
    this.#unsavedBytes += bytes;
    this.#pay();
    if (this.#limits.bytesPerSecond !== undefined) this.#debtBytes += bytes;
  }

  /** Resolves once the rate allows more. @throws {MirrorPaused} when it would wait into a closed window */
  async wait(signal: AbortSignal): Promise<void> {
    while (true) {
      this.#pay();
      const rate = this.#limits.bytesPerSecond;
      if (rate === undefined || this.#debtBytes <= 0) return;
      this.check();
      await this.clock.pause(Math.min(SLICE_MS, Math.ceil(this.#debtBytes * 1000 / rate)), signal);
    }
  }

  #pay(): void {
    const nowMs = this.clock.monotonicMs();
    const rate = this.#limits?.bytesPerSecond;
    const paidBytes = rate === undefined ? Infinity : (nowMs - this.#paidAtMs) * rate / 1000;
    this.#debtBytes = Math.max(0, this.#debtBytes - paidBytes);
    this.#paidAtMs = nowMs;
  }

  /** @throws {MirrorPaused} outside the windows, or when a budget is used up */
  check(): void {
    const nowMs = this.now();
    this.#checkBudget(nowMs, "day", this.#limits.dailyBytes, this.#dayBytes(nowMs));
    this.#checkBudget(nowMs, "month", this.#limits.monthlyBytes, this.#monthBytes(nowMs));
    if (this.#windows.length === 0 || Math.abs(nowMs - this.#windowCheckedMs) < WINDOW_CHECK_MS) return;
    if (!isOpen(this.#windows, nowMs)) {
      const untilMs = nextOpeningMs(this.#windows, nowMs);
      const windows = (this.#limits.windows ?? []).join(", ");
      throw new MirrorPaused(untilMs, `waits for its window (${windows}), until ${timeText(untilMs)}`);
    }
    this.#windowCheckedMs = nowMs;
  }

  #checkBudget(nowMs: number, period: "day" | "month", most: number | undefined, usedBytes: number): void {
    if (most === undefined || usedBytes < most) return;
    const untilMs = nextOpeningMs(this.#windows, startOfNext(period, nowMs));
    throw new MirrorPaused(
      untilMs,
      `has used up the ${most} bytes that it may fetch in a ${period}; goes on at ${timeText(untilMs)}`,
    );
  }

  #dayBytes(nowMs: number): number {
    const known = this.#traffic.day === utcDay(nowMs) ? this.#traffic.dayBytes : 0;
    return known + this.#unsavedBytes;
  }

  #monthBytes(nowMs: number): number {
    const isThisMonth = this.#traffic.day.slice(0, 7) === utcDay(nowMs).slice(0, 7);
    return (isThisMonth ? this.#traffic.monthBytes : 0) + this.#unsavedBytes;
  }

  /** What all have taken by now, without what is not saved yet. */
  loaded(traffic: Traffic): void {
    this.#traffic = { ...traffic, day: utcDay(this.now()) };
  }

  get hasUnsaved(): boolean {
    return this.#unsavedBytes > 0;
  }

  /** Bytes to write down. */
  takeUnsaved(): number {
    const bytes = this.#unsavedBytes;
    this.#unsavedBytes = 0;
    return bytes;
  }

  putBack(bytes: number): void {
    this.#unsavedBytes += bytes;
  }
}

function startOfNext(period: "day" | "month", nowMs: number): number {
  const now = new Date(nowMs);
  const [year, month, day] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()];
  return period === "day" ? Date.UTC(year, month, day + 1) : Date.UTC(year, month + 1, 1);
}

const timeText = (atMs: number) => `${new Date(atMs).toISOString().slice(0, 16)}Z`;
