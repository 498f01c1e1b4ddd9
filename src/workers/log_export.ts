import type { Deps } from "../domain/deps.ts";
import { EXPORT_QUEUE, type ExportDeps, giveUpExport, runExport } from "../domain/logs/log_export.ts";
import { drainQueue } from "./queue_worker.ts";

const PROCESSING_MS = 60_000;
const BACK_OFF_MS = 60_000;

/** Writes the exports of the action log that were asked for. @returns how many were taken from the queue */
export function exportLogs(deps: ExportDeps & Pick<Deps, "metrics">, stop?: AbortSignal): Promise<number> {
  return drainQueue(deps, {
    queue: EXPORT_QUEUE,
    processingMs: PROCESSING_MS,
    backOffMs: () => BACK_OFF_MS,
    run: (body, _item, signal) => runExport(deps, body, signal),
    givenUp: (body) => giveUpExport(deps, body),
  }, stop);
}
