import assert from "node:assert/strict";
import { type MirrorProgress, shareOf } from "./progress.ts";

const RUN: MirrorProgress = {
  phase: "copying",
  startedMs: 0,
  updatedMs: 0,
  tagsWanted: 10,
  tagsDone: 0,
  tagsFailed: 0,
  currentTag: null,
  bytesWanted: 0,
  bytesFetched: 0,
  bytesHere: 0,
  bytesPerSecond: 0,
  lastError: null,
  pausedUntilMs: null,
};

Deno.test("shareOf() goes by bytes, as far as they are known", () => {
  const rows: [Partial<MirrorProgress>, number, number, number | null][] = [
    [{ phase: "listing", tagsWanted: 0 }, 0, 0, null],
    [{ tagsDone: 5 }, 50, 0, null],
    // Three of ten are opened, and of those nearly all has come.
    [{ bytesWanted: 100, bytesFetched: 80, bytesHere: 19, bytesPerSecond: 2 }, 30, 1, 1],
    [{ tagsWanted: 1, bytesWanted: 100, bytesFetched: 25, bytesPerSecond: 10 }, 25, 75, 8],
    [{ tagsWanted: 1, bytesWanted: 100, bytesFetched: 150 }, 99, 0, null],
    [{ tagsDone: 9, tagsFailed: 1, phase: "failed" }, 99, 0, null],
    [{ tagsDone: 10, phase: "done", bytesWanted: 100, bytesFetched: 50 }, 100, 0, null],
    [{ phase: "paused", tagsWanted: 2, bytesWanted: 100, bytesFetched: 50, bytesPerSecond: 5 }, 50, 50, null],
  ];
  for (const [fields, percent, bytesRemaining, secondsRemaining] of rows) {
    assert.deepEqual(
      shareOf({ ...RUN, ...fields }),
      { percent, bytesRemaining, secondsRemaining },
      JSON.stringify(fields),
    );
  }
});
