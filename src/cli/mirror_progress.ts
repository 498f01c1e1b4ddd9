import type { Sql } from "../drivers/database/postgres.ts";
import { findMirror, findMirrorProgress } from "../domain/mirroring/mirrors.ts";
import { statusName, SYNC_STATUS } from "../domain/mirroring/model.ts";
import { type MirrorProgress, shareOf } from "../domain/mirroring/progress.ts";
import { formatBytes } from "../lib/byte_size.ts";
import type { Io } from "./io.ts";
import { pause } from "../lib/pause.ts";

const LOOK_MS = 500;
/** Where lines are kept, as in a log, one says enough. */
const LINE_MS = 10_000;
const BAR_WIDTH = 24;

/** One line of what is known of a run. */
export function progressLine(status: string, progress: MirrorProgress | undefined): string {
  if (progress === undefined) return `${status}: no run yet`;
  const { percent, bytesRemaining, secondsRemaining } = shareOf(progress);
  const filled = Math.round(percent / 100 * BAR_WIDTH);
  const parts = [
    `${status} [${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}] ${percent} %`,
    `${progress.tagsDone}/${progress.tagsWanted} tags`,
    `${formatBytes(progress.bytesFetched)} fetched`,
  ];
  if (progress.phase === "copying") {
    parts.push(`${formatBytes(progress.bytesPerSecond)}/s`, `${formatBytes(bytesRemaining)} left`);
    if (secondsRemaining !== null) parts.push(`${secondsRemaining} s`);
    if (progress.currentTag !== null) parts.push(`now ${progress.currentTag}`);
  }
  if (progress.lastError !== null) parts.push(progress.lastError);
  return parts.join(", ");
}

/**
 * Shows a run on standard error until it has ended: in place on a terminal, else a line now and then.
 * @returns how it ended
 */
export async function followRun(
  sql: Sql,
  repositoryId: number,
  io: Pick<Io, "stderr">,
  onTerminal = Deno.stderr.isTerminal(),
): Promise<{ status: string; progress: MirrorProgress | undefined }> {
  for (let nextLineMs = 0;;) {
    const mirror = await findMirror(sql, repositoryId);
    const progress = await findMirrorProgress(sql, repositoryId);
    if (
      mirror === undefined ||
      (mirror.status !== SYNC_STATUS.SYNCING && mirror.status !== SYNC_STATUS.SYNC_NOW)
    ) {
      if (onTerminal) io.stderr("\r\x1b[K");
      return { status: mirror === undefined ? "gone" : statusName(mirror.status), progress };
    }
    const line = progressLine(statusName(mirror.status), progress);
    if (onTerminal) io.stderr(`\r${line}\x1b[K`);
    else if (Date.now() >= nextLineMs) {
      io.stderr(`${line}\n`);
      nextLineMs = Date.now() + LINE_MS;
    }
    await pause(LOOK_MS);
  }
}
