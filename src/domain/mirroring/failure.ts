import { UpstreamError, type UpstreamFailure } from "../../drivers/upstream/driver.ts";
import { asAppError } from "../../drivers/database/postgres.ts";
import { AppError } from "../../lib/errors.ts";
import type { FailureReason } from "./model.ts";

const REASONS: Readonly<Record<UpstreamFailure, FailureReason>> = {
  dns: "connection_error",
  connection: "connection_error",
  timeout: "network_timeout",
  tls: "tls_error",
  unauthorized: "auth_failed",
  forbidden: "auth_failed",
  not_found: "not_found",
  throttled: "connection_error",
  unavailable: "connection_error",
  refused: "connection_error",
  lied: "unknown_error",
};

/** What other images of the same run would fail by, too: going on would only take long. */
const CONCERNS_ALL: ReadonlySet<UpstreamFailure> = new Set([
  "dns",
  "connection",
  "timeout",
  "tls",
  "unauthorized",
  "throttled",
  "refused",
]);

export interface Failure {
  readonly reason: FailureReason;
  /** In words, without secrets. */
  readonly message: string;
  /** Whether the run is to stop. */
  readonly concernsAll: boolean;
}

/** A failure of a run or of one of its images. What nobody foresaw is `unknown_error`, and the caller logs it. */
export function failureOf(error: unknown): Failure {
  const known = asAppError(error);
  if (known instanceof UpstreamError) {
    return {
      reason: REASONS[known.failure],
      message: known.message,
      concernsAll: CONCERNS_ALL.has(known.failure),
    };
  }
  if (known instanceof AppError) {
    const { code, publicMessage: message } = known;
    if (code === "storage_full") return { reason: "storage_full", message, concernsAll: true };
    if (code === "quota_exceeded") return { reason: "quota_exceeded", message, concernsAll: true };
    const concernsAll = code === "storage_unavailable" || code === "database_unavailable";
    return { reason: "unknown_error", message, concernsAll };
  }
  return {
    reason: "unknown_error",
    message: "INTERNAL ERROR: the service's log says more",
    concernsAll: false,
  };
}

/** Whether the failure is one of ours, to be looked into. */
export function isUnforeseen(error: unknown): boolean {
  return !(asAppError(error) instanceof AppError) && !(error instanceof UpstreamError);
}
