import assert from "node:assert/strict";
import { isOpen, nextOpeningMs, parseWindow } from "./daily_windows.ts";

const at = (text: string) => Date.parse(text);
const windows = (...texts: string[]) => texts.map(parseWindow);

Deno.test("isOpen() reads the wall clock of the window's zone, also on the days on which clocks change", () => {
  const berlin = "02:00-05:00 Europe/Berlin";
  const rows: [string, string, boolean][] = [
    [berlin, "2026-07-01T00:00:00Z", true], // summer: UTC+2
    [berlin, "2026-06-30T23:59:59Z", false],
    [berlin, "2026-07-01T02:59:59Z", true],
    [berlin, "2026-07-01T03:00:00Z", false],
    [berlin, "2026-12-01T00:30:00Z", false], // winter: UTC+1
    [berlin, "2026-12-01T01:00:00Z", true],
    [berlin, "2026-12-01T04:00:00Z", false],
    // 29 March 2026: 02:00 becomes 03:00 at 01:00Z.
    [berlin, "2026-03-29T00:59:59Z", false],
    [berlin, "2026-03-29T01:00:00Z", true],
    [berlin, "2026-03-29T02:59:59Z", true],
    [berlin, "2026-03-29T03:00:00Z", false],
    // 25 October 2026: 03:00 becomes 02:00 at 01:00Z; the hour from 02:00 comes twice.
    [berlin, "2026-10-25T00:00:00Z", true],
    [berlin, "2026-10-25T01:30:00Z", true],
    [berlin, "2026-10-25T03:59:59Z", true],
    [berlin, "2026-10-25T04:00:00Z", false],
    ["02:15-02:45 Europe/Berlin", "2026-03-29T01:20:00Z", false],
    ["02:15-02:45 Europe/Berlin", "2026-10-25T00:20:00Z", true],
    ["02:15-02:45 Europe/Berlin", "2026-10-25T01:20:00Z", true],
    ["22:00-04:00", "2026-05-05T23:00:00Z", true],
    ["22:00-04:00", "2026-05-05T03:59:00Z", true],
    ["22:00-04:00", "2026-05-05T04:00:00Z", false],
    ["22:00-24:00", "2026-05-05T23:59:59Z", true],
    ["22:00-24:00", "2026-05-06T00:00:00Z", false],
    ["12:00-13:00 Asia/Kolkata", "2026-05-05T06:30:00Z", true], // UTC+5:30
    ["12:00-13:00 Asia/Kolkata", "2026-05-05T06:29:59Z", false],
  ];
  for (const [window, when, open] of rows) {
    assert.equal(isOpen(windows(window), at(when)), open, `${window} at ${when}`);
  }
  assert.ok(isOpen([], 0));
  assert.ok(isOpen(windows("02:00-03:00", "12:00-13:00"), at("2026-05-05T12:30:00Z")));
});

Deno.test("nextOpeningMs() is the first minute of the next window, whatever the clocks do until then", () => {
  const rows: [string[], string, string][] = [
    [["02:00-05:00 Europe/Berlin"], "2026-07-01T12:34:56.789Z", "2026-07-02T00:00:00Z"],
    [["02:00-05:00 Europe/Berlin"], "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"],
    [["02:00-05:00 Europe/Berlin"], "2026-10-24T12:00:00Z", "2026-10-25T00:00:00Z"],
    // Skipped as a whole on 29 March.
    [["02:15-02:45 Europe/Berlin"], "2026-03-28T12:00:00Z", "2026-03-30T00:15:00Z"],
    [["20:00-21:00", "06:00-07:00 Asia/Tokyo"], "2026-05-05T20:59:00Z", "2026-05-05T20:59:00Z"],
    [["20:00-20:30", "06:00-07:00 Asia/Tokyo"], "2026-05-05T20:59:00Z", "2026-05-05T21:00:00Z"],
  ];
  for (const [texts, now, opens] of rows) {
    assert.equal(nextOpeningMs(windows(...texts), at(now)), at(opens), `${texts} after ${now}`);
  }
});

Deno.test("parseWindow() refuses what is no window", () => {
  const wrong = [
    "",
    "02:00",
    "2:00-5:00",
    "02:00-02:00",
    "02:00-24:01",
    "24:00-02:00",
    "02:00-05:60",
    "02:00-05:00 Europe/Atlantis",
    "02:00-05:00  UTC",
    "02:00-05:00 Europe/Berlin ",
  ];
  for (const text of wrong) {
    assert.throws(
      () => parseWindow(text),
      (error: { code?: string }) => error.code === "invalid_request",
      text,
    );
  }
  assert.deepEqual(parseWindow("02:00-24:00"), { from: 120, to: 1440, zone: "UTC" });
});
