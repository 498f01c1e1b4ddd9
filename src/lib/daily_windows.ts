/** Daily windows in which a mirror may use its link, on the clock of the place where the link is. */
import { AppError } from "./errors.ts";

/** `02:00-05:00 Europe/Berlin`, read. */
export interface Window {
  /** Minutes of the local day. */
  readonly from: number;
  /** Excluded; not after `from` when the window runs past midnight. */
  readonly to: number;
  readonly zone: string;
}

const FORM = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)(?: ([A-Za-z0-9_+/-]{1,64}))?$/;
const MINUTE_MS = 60_000;
/** A window that a change of clocks leaves out comes again on the next day. */
const SEARCH_MINUTES = 3 * 24 * 60;

/**
 * Reads a window; without a zone it is UTC's.
 * @throws {AppError} `invalid_request`
 */
export function parseWindow(text: string): Window {
  const parts = FORM.exec(text);
  const [from, to] = [minutesOf(parts?.[1], parts?.[2]), minutesOf(parts?.[3], parts?.[4])];
  const zone = parts?.[5] ?? "UTC";
  if (parts === null || to > 24 * 60 || from === to || clockOf(zone) === undefined) {
    throw new AppError(
      "invalid_request",
      `"${
        text.slice(0, 100)
      }" is no window: write HH:MM-HH:MM and a time zone, such as 02:00-05:00 Europe/Berlin`,
    );
  }
  return { from, to, zone };
}

/**
 * Whether one of the windows is open. The wall clock decides: where it is put forward, a window is shorter (or left out
 * when all of it is skipped), where it is put back, an hour that comes twice counts twice.
 */
export function isOpen(windows: readonly Window[], atMs: number): boolean {
  return windows.length === 0 || windows.some(({ from, to, zone }) => {
    const minute = localMinute(zone, atMs);
    return from < to ? minute >= from && minute < to : minute >= from || minute < to;
  });
}

/** When the next window opens: `nowMs` itself inside one. */
export function nextOpeningMs(windows: readonly Window[], nowMs: number): number {
  if (isOpen(windows, nowMs)) return nowMs;
  const minute = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
  for (let step = 1; step <= SEARCH_MINUTES; step++) {
    const atMs = minute + step * MINUTE_MS;
    if (isOpen(windows, atMs)) return atMs;
  }
  throw new Error("a daily window does not open within three days");
}

function minutesOf(hours: string | undefined, minutes: string | undefined): number {
  return Number(hours) * 60 + Number(minutes);
}

function localMinute(zone: string, atMs: number): number {
  const clock = clockOf(zone);
  if (clock === undefined) throw new Error(`the time zone ${zone} was checked when it was stored`);
  const [hours, minutes] = clock.format(atMs).split(":");
  return minutesOf(hours, minutes);
}

const clocks = new Map<string, Intl.DateTimeFormat>();

/** Making one is slow, and there are some hundreds of zones at most. */
function clockOf(zone: string): Intl.DateTimeFormat | undefined {
  const known = clocks.get(zone);
  if (known !== undefined) return known;
  try {
    const clock = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone,
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
    clocks.set(zone, clock);
    return clock;
  } catch {
    return undefined;
  }
}
