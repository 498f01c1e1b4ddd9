import { AppError } from "../../../lib/errors.ts";

interface Refusal {
  readonly statusCode?: number;
  readonly code?: string;
  readonly details?: { readonly errorCode?: string };
}

/** HTTP status of a refused request; `undefined` for another failure. */
export function statusOf(error: unknown): number | undefined {
  return (error as Refusal | undefined)?.statusCode;
}

/** Azure's code, such as `BlobNotFound`; `""` when it gave none. */
export function codeOf(error: unknown): string {
  const { code, details } = (error ?? {}) as Refusal;
  return details?.errorCode ?? code ?? "";
}

/** The failure as callers are meant to see it; the cause has the operator's words. */
export function asAzureError(place: { host: string; container: string }, error: unknown): unknown {
  if (error instanceof AppError) return error;
  const status = statusOf(error);
  // Not the store's failure: a defect, or somebody's wish to stop.
  if (status === undefined && (error as Error | undefined)?.name !== "RestError") return error;
  const cause = status === undefined ? error : new Error(wordsOf(place, status, codeOf(error)));
  return new AppError("storage_unavailable", "storage cannot be used now; retry later", {}, { cause });
}

function wordsOf(
  { host, container }: { host: string; container: string },
  status: number,
  code: string,
): string {
  switch (code) {
    case "ContainerNotFound":
      return `there is no container ${container} at ${host}; create it, or correct azure_container`;
    case "AuthenticationFailed":
      return `${host} refuses the signature: the account key or the SAS token is wrong or has expired, or this machine's clock is off`;
    case "AuthorizationPermissionMismatch":
    case "AuthorizationFailure":
    case "InsufficientAccountPermissions":
      return `${host} denies access to container ${container}: the SAS token lacks rights, or a network rule keeps this machine out`;
    case "AccountIsDisabled":
      return `the account at ${host} is disabled`;
    case "ServerBusy":
    case "OperationTimedOut":
      return `${host} asks to be used more slowly (${status} ${code})`;
  }
  if (status === 401 || status === 403) {
    return `${host} denies access to container ${container} (${status} ${code}): wrong key, a clock that is off, or missing rights`;
  }
  return `${host} answers ${status} ${code}`.trimEnd();
}
