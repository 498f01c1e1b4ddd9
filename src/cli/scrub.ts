import { findMissing, type MissingBlob } from "../domain/storage/scrub.ts";
import { locationOf } from "../domain/storage/locations.ts";
import { scrub } from "../domain/storage/scrub_run.ts";
import { AppError } from "../lib/errors.ts";

import { operatorAction, type Request } from "./operator.ts";
import { type Output, usageError } from "./output.ts";

const DAY_MS = 86_400_000;
const REPORT_MS = 5_000;

export const scrubCommand = operatorAction({
  name: "scrub",
  action: {
    operands: [],
    flags: {
      missing: { type: "boolean" },
      location: { type: "string" },
      "older-than": { type: "string" },
      rate: { type: "string" },
    },
    usage: "[--location NAME] [--older-than DAYS] [--rate MB] | --missing",
    summary: "reads every stored blob, compares its digest, and mends what is damaged",
    check: ({ text }) => {
      numberOf("--older-than", text("older-than"), 0);
      numberOf("--rate", text("rate"), 1);
    },
    run: (request) => request.isSet("missing") ? listMissing(request) : readAll(request),
  },
  notes:
    `  --missing          only asks which blobs are nowhere, and lists them with their repositories; reads and changes nothing
  --location NAME    only that location's copies
  --older-than DAYS  only copies that nobody looked at for so long: 1 goes on with a run that was stopped
  --rate MB          megabytes a second at most

A damaged copy goes to quarantine/ beside the others. It is made anew from another location, or from the registry that its
repository mirrors; else its images have to be pushed again. The appliance does the same by itself (STORAGE_SCRUB_INTERVAL).`,
});

async function listMissing({ deps }: Request): Promise<Output> {
  const missing: MissingBlob[] = [];
  for await (const blob of findMissing(deps)) missing.push(blob);
  const lines = missing.map(({ digest, sizeBytes, repositories, unreachable }) => {
    const doubt = unreachable.length > 0 ? ` (${unreachable.join(", ")} did not answer)` : "";
    return `${digest}  ${sizeBytes} bytes  ${repositories.join(" ")}${doubt}\n`;
  });
  const json = missing.map(({ digest, sizeBytes, repositories, unreachable }) => {
    return { digest, size_bytes: sizeBytes, repositories, unreachable };
  });
  return { json, text: missing.length === 0 ? "no blob is missing\n" : lines.join("") };
}

async function readAll({ deps, io, text }: Request): Promise<Output> {
  const location = text("location");
  if (location !== undefined) locationOf(deps.storage, location);
  const days = numberOf("--older-than", text("older-than"), 0) ?? 0;
  const rate = numberOf("--rate", text("rate"), 1);
  let reportedMs = performance.now();
  const totals = await scrub(deps, {
    beforeMs: deps.now() - days * DAY_MS,
    location,
    bytesPerSecond: rate === undefined ? Infinity : rate * 1e6,
    signal: new AbortController().signal,
    report: ({ checked, checkedBytes }) => {
      if (performance.now() - reportedMs < REPORT_MS) return;
      reportedMs = performance.now();
      io.stderr(`${checked} blobs, ${(checkedBytes / 1e9).toFixed(2)} GB read\n`);
    },
  });
  const { good, healed, lost, unreadable } = totals.byVerdict;
  if (totals.isIncredible) {
    throw new AppError(
      "storage_unavailable",
      `${lost} of ${totals.checked} blobs are missing: is storage the right one?`,
    );
  }
  return {
    json: { checked: totals.checked, bytes: totals.checkedBytes, good, healed, lost, unreadable },
    text:
      `${totals.checked} copies read: ${good} good, ${healed} mended, ${lost} lost, ${unreadable} not to be read now\n`,
  };
}

function numberOf(flag: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isFinite(value) || value < least) throw usageError(`${flag} takes a number from ${least} up`);
  return value;
}
