/**
 * Every failure that a caller is meant to see. Each surface maps each code to its own wire form
 * (`http/registry/errors.ts`, `http/api/errors.ts`); a code that a surface forgets does not compile.
 */
export const ERROR_CODES = [
  // who is asking
  "unauthenticated",
  "invalid_token",
  "invalid_credentials",
  "insufficient_scope",
  "fresh_login_required",
  "csrf_failed",
  "too_many_attempts",
  // what was asked for
  "invalid_request",
  "not_found",
  "already_exists",
  "unsupported",
  "feature_disabled",
  // registry content
  "name_invalid",
  "name_unknown",
  "namespace_disabled",
  "digest_invalid",
  "size_invalid",
  "range_invalid",
  "tag_invalid",
  "tag_immutable",
  "tag_expired",
  "manifest_unknown",
  "manifest_invalid",
  "manifest_blob_unknown",
  "manifest_unsupported_media_type",
  "manifest_too_large",
  "blob_unknown",
  "blob_too_large",
  "upload_unknown",
  "upload_invalid",
  "quota_exceeded",
  // what the site is able to do now
  "registry_readonly",
  "repository_readonly",
  "pushes_disabled",
  "storage_full",
  "storage_unavailable",
  "database_unavailable",
  // what others were asked to do for us
  "mail_failed",
  "upstream_failed",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * A failure with a public explanation. `publicMessage` and `detail` reach the client: they never carry a
 * path, SQL, a secret or an upstream's body. What operators need beyond that goes into `cause`.
 */
export class AppError extends Error {
  constructor(
    readonly code: ErrorCode,
    readonly publicMessage: string,
    readonly detail: Readonly<Record<string, unknown>> = {},
    options?: { cause?: unknown },
  ) {
    super(publicMessage, options);
    this.name = "AppError";
  }
}
