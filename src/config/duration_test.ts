import assert from "node:assert/strict";
import { durationMs, parseDuration } from "./duration.ts";

const SPANS: [string, number | undefined][] = [
  ["0s", 0],
  ["90s", 90_000],
  ["10m", 600_000],
  ["1h", 3_600_000],
  ["31d", 2_678_400_000],
  ["2w", 1_209_600_000],
  ["1y", undefined],
  ["", undefined],
  ["2", undefined],
  ["w", undefined],
  ["-1d", undefined],
  ["1.5h", undefined],
  ["2 w", undefined],
  ["2W", undefined],
  ["2w\n", undefined],
];
for (const [text, ms] of SPANS) {
  Deno.test(`parseDuration(${JSON.stringify(text)})`, () => assert.equal(parseDuration(text), ms));
}

Deno.test("parseDuration() reads years where quay.expires-after needs them", () => {
  assert.equal(parseDuration("2y", { years: true }), 2 * 365 * 86_400_000);
});

Deno.test("parseDuration() stays within what a date can hold", () => {
  const far = parseDuration(`${"9".repeat(400)}w`) ?? NaN;
  assert.ok(!Number.isNaN(new Date(Date.now() + far).getTime()));
});

Deno.test("durationMs() refuses what is no span", () => {
  assert.equal(durationMs("4w"), 2_419_200_000);
  assert.throws(() => durationMs("soon"), RangeError);
});
