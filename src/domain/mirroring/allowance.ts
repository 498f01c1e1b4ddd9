import { type MirrorLimits, MirrorPaused } from "./limits.ts";
import { type Clock, type Payment, SharedRate } from "./shared_rate.ts";
import { isOpen, nextOpeningMs, parseWindow, type Window } from "../../lib/daily_windows.ts";
import { utcDay } from "../../lib/utc_day.ts";

/** Bytes taken today and this month (UTC), by whoever is subject to the same budget. */
export interface Traffic {
  readonly dayBytes: number;
  readonly monthBytes: number;
}

/** Windows are looked at so often. */
const WINDOW_CHECK_MS = 1_000;

/** Limits and what is left of them. */
export class Allowance {
  #limits!: MirrorLimits;
  #windows!: readonly Window[];
  readonly #rate: SharedRate;
  #traffic: Traffic & { readonly day: string } = { dayBytes: 0, monthBytes: 0, day: "" };
  #unsavedBytes = 0;
  #windowCheckedMs = -Infinity;

  constructor(limits: MirrorLimits, readonly now: () => number, clock: Clock) {
    this.#rate = new SharedRate(() => this.#limits.bytesPerSecond, () => this.check(), clock);
    this.#set(limits);
  }

  get limits(): MirrorLimits {
    return this.#limits;
  }

  change(limits: MirrorLimits): void {
    this.#rate.settle();
    this.#set(limits);
  }

  #set(limits: MirrorLimits): void {
    this.#limits = limits;
    this.#windows = (limits.windows ?? []).map(parseWindow);
    this.#windowCheckedMs = -Infinity;
  }

  /**
   * Counts bytes that have come.
   * @param owner whose they are, of all that this allowance is shared by
   * @returns what to wait for before more may come; it ends with {@link MirrorPaused} when a window closes meanwhile
   */
  took(bytes: number, owner: unknown): Payment {
    this.#unsavedBytes += bytes;
    return this.#rate.pay(bytes, owner);
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
