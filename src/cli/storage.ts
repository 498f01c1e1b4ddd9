import { copyLocation } from "../domain/storage/location_moves.ts";
import { AppError } from "../lib/errors.ts";
import { operatorCommand } from "./operator.ts";
import { usageError } from "./output.ts";

const MOST_JOBS = 32;

export const storageCommand = operatorCommand({
  name: "storage",
  summary: "storage locations: move blobs from one to another",
  subcommands: {
    migrate: {
      operands: ["FROM", "TO"],
      flags: { jobs: { type: "string" } },
      usage: "[--jobs N]",
      summary: "copies each blob of FROM that TO lacks, verified by its digest",
      check: ({ text }) => void jobsOf(text("jobs")),
      async run({ deps, io, operands: [from = "", to = ""], text }) {
        let reportedMs = performance.now();
        const result = await copyLocation(deps, {
          from,
          to,
          atOnce: jobsOf(text("jobs")),
          report: ({ copied, copiedBytes, failed }) => {
            if (performance.now() - reportedMs < 5_000) return;
            reportedMs = performance.now();
            io.stderr(`${copied} blobs, ${(copiedBytes / 1e9).toFixed(2)} GB copied, ${failed} failed\n`);
          },
        });
        if (result.failed > 0) {
          const message = `${result.failed} blobs could not be copied, ${result.copied} were; see above`;
          throw new AppError("storage_unavailable", message);
        }
        return {
          json: { from, to, ...result },
          text: `${result.copied} blobs (${
            (result.copiedBytes / 1e9).toFixed(2)
          } GB) copied; ${to} has all of ${from}\n`,
        };
      },
    },
  },
  notes:
    `The registry may run meanwhile, and the command may be stopped and started again. To move for good: put TO first in
DISTRIBUTED_STORAGE_PREFERENCE, restart all nodes, run this once more, then quaylet remove-location FROM.`,
});

function jobsOf(text: string | undefined): number {
  const jobs = text === undefined ? 4 : Number(text);
  if (!Number.isInteger(jobs) || jobs < 1 || jobs > MOST_JOBS) {
    throw usageError(`--jobs takes a number from 1 to ${MOST_JOBS}`);
  }
  return jobs;
}
