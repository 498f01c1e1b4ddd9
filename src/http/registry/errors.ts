import type { AppError, ErrorCode } from "../../lib/errors.ts";

/** Codes of the OCI distribution-spec, and the ones that docker's registry and Quay add to them. */
export type WireCode =
  | "BLOB_UNKNOWN"
  | "BLOB_UPLOAD_INVALID"
  | "BLOB_UPLOAD_UNKNOWN"
  | "DENIED"
  | "DIGEST_INVALID"
  | "INVALID_REQUEST"
  | "MANIFEST_BLOB_UNKNOWN"
  | "MANIFEST_INVALID"
  | "MANIFEST_UNKNOWN"
  | "METHOD NOT ALLOWED"
  | "NAME_INVALID"
  | "NAME_UNKNOWN"
  | "NOT_FOUND"
  | "SIZE_INVALID"
  | "TAG_ALREADY_EXISTS"
  | "TAG_EXPIRED"
  | "TAG_IMMUTABLE"
  | "TAG_INVALID"
  | "TOOMANYREQUESTS"
  | "UNAUTHORIZED"
  | "UNAVAILABLE"
  | "UNKNOWN"
  | "UNSUPPORTED";

interface Wire {
  readonly status: number;
  readonly code: WireCode;
  /** Quay marks refusals of a read-only registry. */
  readonly readonly?: true;
}

/** Quay's statuses where the spec leaves them open. A code that is missing here does not compile. */
const WIRE: Readonly<Record<ErrorCode, Wire>> = {
  unauthenticated: { status: 401, code: "UNAUTHORIZED" },
  invalid_token: { status: 401, code: "UNAUTHORIZED" },
  invalid_credentials: { status: 401, code: "UNAUTHORIZED" },
  insufficient_scope: { status: 401, code: "UNAUTHORIZED" },
  fresh_login_required: { status: 401, code: "UNAUTHORIZED" },
  csrf_failed: { status: 403, code: "DENIED" },
  too_many_attempts: { status: 429, code: "TOOMANYREQUESTS" },
  invalid_request: { status: 400, code: "INVALID_REQUEST" },
  not_found: { status: 404, code: "NOT_FOUND" },
  already_exists: { status: 409, code: "TAG_ALREADY_EXISTS" },
  unsupported: { status: 405, code: "UNSUPPORTED" },
  feature_disabled: { status: 404, code: "UNSUPPORTED" },
  name_invalid: { status: 400, code: "NAME_INVALID" },
  name_unknown: { status: 404, code: "NAME_UNKNOWN" },
  namespace_disabled: { status: 405, code: "DENIED" },
  digest_invalid: { status: 400, code: "DIGEST_INVALID" },
  size_invalid: { status: 400, code: "SIZE_INVALID" },
  range_invalid: { status: 416, code: "BLOB_UPLOAD_INVALID" },
  tag_invalid: { status: 400, code: "TAG_INVALID" },
  tag_immutable: { status: 409, code: "TAG_IMMUTABLE" },
  tag_expired: { status: 404, code: "TAG_EXPIRED" },
  manifest_unknown: { status: 404, code: "MANIFEST_UNKNOWN" },
  manifest_invalid: { status: 400, code: "MANIFEST_INVALID" },
  manifest_blob_unknown: { status: 400, code: "MANIFEST_BLOB_UNKNOWN" },
  manifest_unsupported_media_type: { status: 415, code: "MANIFEST_INVALID" },
  manifest_too_large: { status: 413, code: "SIZE_INVALID" },
  blob_unknown: { status: 404, code: "BLOB_UNKNOWN" },
  blob_too_large: { status: 413, code: "SIZE_INVALID" },
  upload_unknown: { status: 404, code: "BLOB_UPLOAD_UNKNOWN" },
  upload_invalid: { status: 400, code: "BLOB_UPLOAD_INVALID" },
  quota_exceeded: { status: 403, code: "DENIED" },
  registry_readonly: { status: 405, code: "DENIED", readonly: true },
  repository_readonly: { status: 405, code: "DENIED" },
  pushes_disabled: { status: 405, code: "METHOD NOT ALLOWED" },
  storage_full: { status: 507, code: "UNAVAILABLE" },
  storage_unavailable: { status: 503, code: "UNAVAILABLE" },
  database_unavailable: { status: 503, code: "UNAVAILABLE" },
  mail_failed: { status: 503, code: "UNAVAILABLE" },
  upstream_failed: { status: 502, code: "UNAVAILABLE" },
};

/** The status that {@link errorResponse} gives to a code. */
export function statusOf(code: ErrorCode): number {
  return WIRE[code].status;
}

/** The OCI error body of a failure that the client is meant to see. */
export function errorResponse(error: AppError, headers: Record<string, string> = {}): Response {
  const { status, code, readonly } = WIRE[error.code];
  const entry = {
    code,
    message: error.publicMessage,
    detail: error.detail,
    ...(readonly && { is_readonly: true }),
  };
  const retry: Record<string, string> = status === 503 || status === 429 ? { "Retry-After": "5" } : {};
  return jsonResponse(status, { errors: [entry] }, { ...retry, ...headers });
}

/** 500 without a word about the cause; the log has it under the same request id. */
export function unexpectedResponse(requestId: string): Response {
  const entry = { code: "UNKNOWN", message: "internal error", detail: { request_id: requestId } };
  return jsonResponse(500, { errors: [entry] });
}

/** 405 with the methods that a path takes. */
export function methodNotAllowed(allow: string): Response {
  const entry = { code: "UNSUPPORTED", message: "this path does not take that method", detail: { allow } };
  return jsonResponse(405, { errors: [entry] }, { Allow: allow });
}

/** What every path below `/v2` answers with `ACCOUNT_RECOVERY_MODE` (Quay fact: config.md, auth.md). */
export function recoveryResponse(): Response {
  const message = "the registry rests: accounts are being recovered (ACCOUNT_RECOVERY_MODE)";
  return jsonResponse(405, { errors: [{ code: "UNSUPPORTED", message, detail: {} }] }, { Allow: "" });
}

/** 404 for a path below `/v2` that names nothing. */
export function unknownRoute(): Response {
  return jsonResponse(404, {
    errors: [{ code: "NOT_FOUND", message: "there is nothing under this path", detail: {} }],
  });
}

function jsonResponse(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/json", ...headers },
  });
}
