import { selectManifestSecurity } from "../../drivers/database/queries/manifest_security.ts";
import { AppError } from "../../lib/errors.ts";
import { isIndexMediaType } from "../../oci/media_types.ts";
import type { Deps } from "../deps.ts";

export type SecurityStatus = "queued" | "failed" | "unsupported" | "manifest_layer_too_large";

/** Quay's `IndexStatus` (db.md), besides 2: completed. */
const STATUS: Readonly<Record<string, SecurityStatus>> = {
  "-3": "manifest_layer_too_large",
  "-2": "unsupported",
  "-1": "failed",
};
const COMPLETED = 2;

/**
 * What is known of a manifest's vulnerabilities; `queued` until it has been scanned.
 * @param repositoryId the caller has checked read permission
 * @throws {AppError} `not_found`; `upstream_failed` for what another registry's scanner has scanned: its report is not here
 */
export async function findSecurityStatus(
  { sql }: Pick<Deps, "sql">,
  repositoryId: number,
  digest: string,
): Promise<SecurityStatus> {
  const row = await selectManifestSecurity(sql, repositoryId, digest);
  if (row === undefined) throw new AppError("not_found", "Not Found");
  if (isIndexMediaType(row.mediaType)) return "unsupported";
  if (row.indexStatus === COMPLETED) {
    throw new AppError("upstream_failed", "The scanner's report cannot be read: no scanner is connected");
  }
  return STATUS[`${row.indexStatus}`] ?? "queued";
}
