import * as z from "zod";
import { type Mirror, statusName } from "../../domain/mirroring/model.ts";
import { type MirrorProgress, shareOf } from "../../domain/mirroring/progress.ts";
import { mirrorDate } from "../../domain/mirroring/settings.ts";

const date = z.string().nullable();

export const progressSchema = z.object({
  sync_status: z.string(),
  phase: z.enum(["none", "listing", "copying", "removing", "paused", "done", "failed", "cancelled"])
    .meta({ description: "none: there was no run yet." }),
  percent: z.int(),
  tags_wanted: z.int(),
  tags_done: z.int(),
  tags_failed: z.int(),
  current_tag: z.string().nullable(),
  bytes_wanted: z.int().meta({ description: "Grows while images are opened." }),
  bytes_fetched: z.int(),
  bytes_here: z.int().meta({ description: "Of wanted layers that were here before." }),
  bytes_per_second: z.int(),
  bytes_remaining: z.int(),
  seconds_remaining: z.int().nullable(),
  last_error: z.string().nullable(),
  started_at: date,
  updated_at: date,
  paused_until: date.meta({ description: "When a run goes on that waits for its window or budget." }),
});

/** @param progress `undefined` before the first run */
export function progressView(
  { status }: Pick<Mirror, "status">,
  progress: MirrorProgress | undefined,
): z.infer<typeof progressSchema> {
  const share = progress && shareOf(progress);
  const isPaused = progress?.phase === "paused" && progress.pausedUntilMs !== null;
  return {
    sync_status: statusName(status),
    phase: progress?.phase ?? "none",
    percent: share?.percent ?? 0,
    tags_wanted: progress?.tagsWanted ?? 0,
    tags_done: progress?.tagsDone ?? 0,
    tags_failed: progress?.tagsFailed ?? 0,
    current_tag: progress?.currentTag ?? null,
    bytes_wanted: progress?.bytesWanted ?? 0,
    bytes_fetched: progress?.bytesFetched ?? 0,
    bytes_here: progress?.bytesHere ?? 0,
    bytes_per_second: progress?.bytesPerSecond ?? 0,
    bytes_remaining: share?.bytesRemaining ?? 0,
    seconds_remaining: share?.secondsRemaining ?? null,
    last_error: progress?.lastError ?? null,
    started_at: progress === undefined ? null : mirrorDate(progress.startedMs),
    updated_at: progress === undefined ? null : mirrorDate(progress.updatedMs),
    paused_until: isPaused ? mirrorDate(progress.pausedUntilMs ?? 0) : null,
  };
}
