/** Steering and watching mirrors of organizations, for people. */
import {
  cancelOrganizationSync,
  requestOrganizationSync,
} from "../../drivers/database/queries/organization_mirror.ts";
import {
  cancelFollowed,
  countActive,
  type DiscoveredRow,
  selectDiscovered,
} from "../../drivers/database/queries/organization_mirror_repository.ts";
import { AppError } from "../../lib/errors.ts";
import type { Actor } from "../access/access.ts";
import type { Deps } from "../deps.ts";
import { failureOf, isUnforeseen } from "./failure.ts";
import { SYNC_STATUS } from "./model.ts";
import {
  lockMirrorOf,
  logOrganizationMirror,
  type MirroringOrganization,
} from "./organization_administration.ts";
import { openNamespace } from "./organization_discovery.ts";
import type { OrganizationMirror } from "./organization_mirrors.ts";
import { SourceUnusable } from "./source.ts";

/**
 * Queues a discovery, after which every repository runs.
 * @throws {AppError} `not_found`; `invalid_request` while a discovery or a repository is at work
 */
export async function syncOrganizationNow(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  organization: MirroringOrganization,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    const { id } = await lockMirrorOf(tx, organization);
    const active = await countActive(tx, id, deps.now());
    if (active > 0) {
      throw new AppError(
        "invalid_request",
        `Cannot trigger sync: repositories are being synchronized or are about to be (${active}); wait for them, or cancel`,
      );
    }
    if (!await requestOrganizationSync(tx, id)) {
      throw new AppError("invalid_request", "Cannot trigger sync: discovery is in progress");
    }
    await logOrganizationMirror(
      { ...deps, sql: tx },
      actor,
      organization,
      "org_mirror_sync_now_requested",
      {},
    );
  });
}

/**
 * Stops a discovery and all runs of repositories within moments; nothing starts before somebody asks.
 * @throws {AppError} `not_found`; `invalid_request`: nothing to stop
 */
export async function cancelOrganizationMirror(
  deps: Pick<Deps, "sql" | "config" | "now">,
  actor: Actor,
  organization: MirroringOrganization,
): Promise<void> {
  await deps.sql.begin(async (tx) => {
    const { id, status } = await lockMirrorOf(tx, organization);
    const isWanted = status === SYNC_STATUS.SYNCING || status === SYNC_STATUS.SYNC_NOW;
    if (!isWanted && await countActive(tx, id, deps.now()) === 0) {
      throw new AppError("invalid_request", "Cannot cancel: nothing is being synchronized");
    }
    await cancelOrganizationSync(tx, id);
    await cancelFollowed(tx, id);
    await logOrganizationMirror({ ...deps, sql: tx }, actor, organization, "org_mirror_sync_cancelled", {});
  });
}

/** Whether the other registry answers, knows the namespace and takes the credentials; failures come in words. */
export async function verifyOrganizationMirror(
  deps: Pick<Deps, "secrets" | "upstreamNamespace" | "log">,
  mirror: OrganizationMirror,
  signal: AbortSignal,
): Promise<{ success: boolean; message: string }> {
  try {
    const upstream = await openNamespace(deps, mirror);
    try {
      await upstream.probe(signal);
    } finally {
      await upstream.close();
    }
    return { success: true, message: "Connection successful" };
  } catch (error) {
    if (error instanceof SourceUnusable) return { success: false, message: error.message };
    if (signal.aborted) return { success: false, message: "The other registry does not answer in time" };
    if (isUnforeseen(error)) throw error;
    return { success: false, message: failureOf(error).message };
  }
}

/** A page of what was discovered, by name. */
export async function listDiscovered(
  { sql }: Pick<Deps, "sql">,
  { id }: OrganizationMirror,
  { page, limit, status }: { page: number; limit: number; status: number | undefined },
): Promise<{ rows: DiscoveredRow[]; total: number }> {
  return await selectDiscovered(sql, id, { status, limit, offset: (page - 1) * limit });
}
