/** Mirrors as they are stored. Who may see and change them is decided by the callers. */
import type { Sql } from "../../drivers/database/postgres.ts";
import {
  type MirrorRow,
  selectMirror,
  selectMirrorProgress,
  selectMirrorsOf,
} from "../../drivers/database/queries/mirror.ts";
import { selectNamespace } from "../../drivers/database/queries/user.ts";
import { AppError } from "../../lib/errors.ts";
import type { Deps } from "../deps.ts";
import type { MirrorLimits } from "./limits.ts";
import type { Mirror, SyncStatus } from "./model.ts";
import type { MirrorProgress } from "./progress.ts";
import type { MirrorRules } from "./rules.ts";
import { proxyOf, type RegistryConfig } from "./settings.ts";

/** The mirror of a repository, whatever state that is in. */
export async function findMirror(sql: Sql, repositoryId: number): Promise<Mirror | undefined> {
  const row = await selectMirror(sql, repositoryId);
  return row && mirrorOf(row);
}

/**
 * The mirrors of a namespace, by name; for whoever may see all of it.
 * @throws {AppError} `feature_disabled`; `not_found`: no such namespace
 */
export async function listMirrors(
  { sql, config }: Pick<Deps, "sql" | "config">,
  namespace: string,
): Promise<Mirror[]> {
  if (!config.FEATURE_REPO_MIRROR) throw new AppError("feature_disabled", "FEATURE_REPO_MIRROR is not true");
  const owner = await selectNamespace(sql, namespace);
  if (owner === undefined) throw new AppError("not_found", `There is no namespace ${namespace}`);
  return (await selectMirrorsOf(sql, owner.id)).map(mirrorOf);
}

/** What is known of the mirror's run, or of its last one. */
export async function findMirrorProgress(
  sql: Sql,
  repositoryId: number,
): Promise<MirrorProgress | undefined> {
  const text = await selectMirrorProgress(sql, repositoryId);
  return text === undefined ? undefined : JSON.parse(text) as MirrorProgress;
}

export function mirrorOf(row: MirrorRow): Mirror {
  const config = JSON.parse(row.registryConfigJson) as RegistryConfig;
  const stored = JSON.parse(row.rulesJson) as Omit<MirrorRules, "globs">;
  const architectures = JSON.parse(row.architecturesJson ?? "[]") as string[] | null;
  // Quay's filter names architectures, ours platforms; whichever is set counts, and ours says more.
  const platforms = stored.platforms ?? (architectures?.length ? architectures : undefined);
  return {
    id: row.id,
    repositoryId: row.repositoryId,
    repositoryState: row.repositoryState,
    namespaceId: row.namespaceId,
    namespace: row.namespace,
    name: row.name,
    robotId: row.robotId,
    robotName: row.robotName,
    enabled: row.enabled,
    source: {
      reference: row.reference,
      sealedUsername: row.sealedUsername,
      sealedPassword: row.sealedPassword,
      verifyTls: config.verify_tls ?? true,
      proxy: proxyOf(config),
    },
    unsignedImages: config.unsigned_images ?? false,
    rules: {
      ...stored,
      globs: JSON.parse(row.globsJson) as string[],
      ...(platforms === undefined ? {} : { platforms }),
    },
    architectures: architectures ?? [],
    limits: JSON.parse(row.limitsJson) as MirrorLimits,
    intervalS: row.intervalS,
    startMs: row.startMs,
    expirationMs: row.expirationMs,
    retriesRemaining: row.retriesRemaining,
    status: row.status as SyncStatus,
    transactionId: row.transactionId,
    timeoutS: row.timeoutS,
  };
}
