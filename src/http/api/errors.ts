import type { AppError, ErrorCode } from "../../lib/errors.ts";

/** Quay's error types with the status that each has (`GET /api/v1/error/{error_type}` explains them). */
export const ERROR_TYPES = {
  external_service_timeout: {
    status: 520,
    description: "A service that the registry needs did not answer in time.",
  },
  invalid_request: { status: 400, description: "The request was invalid: its error_message tells why." },
  invalid_response: { status: 400, description: "The answer of another service could not be understood." },
  invalid_token: { status: 401, description: "The access token is missing, wrong or no longer valid." },
  expired_token: { status: 401, description: "The access token has expired." },
  insufficient_scope: {
    status: 403,
    description: "The user or the access token lacks the right to do this.",
  },
  fresh_login_required: { status: 401, description: "This needs a password that was typed moments ago." },
  exceeds_license: { status: 402, description: "This would exceed what the license allows." },
  not_found: { status: 404, description: "There is no such resource." },
  downstream_issue: { status: 520, description: "A service that the registry needs failed." },
  tag_immutable: {
    status: 409,
    description: "The tag is immutable: it cannot be moved, deleted or given an end.",
  },
} as const;

export type ErrorType = keyof typeof ERROR_TYPES;

type Wire =
  /** Quay's full error object. */
  | { form: "typed"; type: ErrorType; status?: number }
  /** `{"error"}`: what stops a request before its handler. */
  | { form: "error"; status: number }
  /** `{"message"}`, with `is_readonly` where Quay says so. */
  | { form: "message"; status: number; readonly?: true }
  /** Plain text with `Retry-After`. */
  | { form: "back_off"; status: 429 };

const invalid: Wire = { form: "typed", type: "invalid_request" };
const notFound: Wire = { form: "typed", type: "not_found" };
const downstream: Wire = { form: "typed", type: "downstream_issue", status: 503 };

/** How each code looks on this surface (api.md §0, "Error bodies"). A code that is missing here does not compile. */
const WIRE: Readonly<Record<ErrorCode, Wire>> = {
  unauthenticated: { form: "typed", type: "invalid_token" },
  invalid_token: { form: "typed", type: "invalid_token" },
  invalid_credentials: { form: "typed", type: "insufficient_scope" },
  insufficient_scope: { form: "typed", type: "insufficient_scope" },
  fresh_login_required: { form: "typed", type: "fresh_login_required" },
  csrf_failed: { form: "error", status: 403 },
  too_many_attempts: { form: "back_off", status: 429 },
  invalid_request: invalid,
  not_found: notFound,
  already_exists: invalid,
  unsupported: invalid,
  feature_disabled: notFound,
  name_invalid: invalid,
  name_unknown: notFound,
  namespace_disabled: { form: "typed", type: "insufficient_scope" },
  digest_invalid: invalid,
  size_invalid: invalid,
  range_invalid: invalid,
  tag_invalid: invalid,
  tag_immutable: { form: "typed", type: "tag_immutable" },
  tag_expired: notFound,
  manifest_unknown: notFound,
  manifest_invalid: invalid,
  manifest_blob_unknown: notFound,
  manifest_unsupported_media_type: invalid,
  manifest_too_large: { form: "message", status: 413 },
  blob_unknown: notFound,
  blob_too_large: { form: "message", status: 413 },
  upload_unknown: notFound,
  upload_invalid: invalid,
  quota_exceeded: { form: "typed", type: "insufficient_scope" },
  registry_readonly: { form: "message", status: 503, readonly: true },
  repository_readonly: { form: "message", status: 503 },
  pushes_disabled: { form: "message", status: 503 },
  storage_full: downstream,
  storage_unavailable: downstream,
  database_unavailable: downstream,
  mail_failed: { form: "typed", type: "downstream_issue" },
  upstream_failed: { form: "typed", type: "downstream_issue" },
};

/**
 * The answer for a failure.
 * @param baseUrl `scheme://host` of the registry, for the `type` link
 */
export function errorResponse(error: AppError, baseUrl: string): Response {
  const wire = WIRE[error.code];
  if (wire.form === "error") return Response.json({ error: error.publicMessage }, { status: wire.status });
  if (wire.form === "back_off") {
    const { retry_after = 1 } = error.detail as { retry_after?: number };
    return new Response(error.publicMessage, {
      status: wire.status,
      headers: { "Retry-After": `${Math.max(1, Math.ceil(retry_after))}`, "Content-Type": "text/plain" },
    });
  }
  if (wire.form === "message") {
    const body = { message: error.publicMessage, ...(wire.readonly ? { is_readonly: true } : {}) };
    return Response.json(body, { status: wire.status });
  }
  const status = wire.status ?? ERROR_TYPES[wire.type].status;
  return Response.json({
    ...error.detail,
    detail: error.publicMessage,
    error_message: error.publicMessage,
    error_type: wire.type,
    title: wire.type,
    type: `${baseUrl}/api/v1/error/${wire.type}`,
    status,
    // Quay says it this way when its data model refuses; clients read either.
    ...(status === 400 ? { message: error.publicMessage } : {}),
  }, { status });
}
