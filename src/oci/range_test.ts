import assert from "node:assert/strict";
import { parseContentRange, parseRange } from "./range.ts";

Deno.test("parseRange() of a 100-byte object", () => {
  const cases: [string, ReturnType<typeof parseRange>][] = [
    ["bytes=0-9", { start: 0, lengthBytes: 10 }],
    ["bytes=90-", { start: 90, lengthBytes: 10 }],
    ["bytes=-10", { start: 90, lengthBytes: 10 }],
    ["bytes=-1000", { start: 0, lengthBytes: 100 }],
    ["bytes=90-1000", { start: 90, lengthBytes: 10 }],
    ["BYTES=99-99", { start: 99, lengthBytes: 1 }],
    ["bytes=100-", "unsatisfiable"],
    ["bytes=5-4", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=-", undefined],
    ["bytes=0-1,5-6", undefined],
    ["items=0-1", undefined],
    ["bytes=a-b", undefined],
    [`bytes=${"9".repeat(40)}-`, undefined],
    ["", undefined],
  ];
  for (const [header, want] of cases) assert.deepEqual(parseRange(header, 100), want, header);
  assert.equal(parseRange("bytes=0-", 0), "unsatisfiable");
});

Deno.test("parseContentRange(): the spec's form and HTTP's", () => {
  const cases: [string, ReturnType<typeof parseContentRange>][] = [
    ["0-9", { start: 0, lengthBytes: 10 }],
    ["10-10", { start: 10, lengthBytes: 1 }],
    ["bytes 0-9/100", { start: 0, lengthBytes: 10 }],
    ["bytes=0-9", { start: 0, lengthBytes: 10 }],
    ["bytes 0-9/*", { start: 0, lengthBytes: 10 }],
    ["9-0", undefined],
    ["0-", undefined],
    ["-9", undefined],
    ["0-9-10", undefined],
    ["x", undefined],
    ["", undefined],
  ];
  for (const [header, want] of cases) assert.deepEqual(parseContentRange(header), want, header);
});
